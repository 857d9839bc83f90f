"""Random crops and flips and the normalisation of pixels, on the device, inside a step.

Shapes: `B` batch, `H`, `W`, `C` height, width and channels.
Source: the transforms of Mammoth and CLS-ER, as SYNERgy uses them.
"""

import chex
import jax
import jax.numpy as jnp

from socialized_learning.population import randomness

PADDING = 4  # Zeros on every side before the crop, in pixels.
AUGMENTATIONS = ("none", "flip", "crop_flip")


def augment(kind: str, images: chex.Array, keys: chex.Array) -> chex.Array:
  """Images of training, replayed ones too, as the stream's augmentation changes them.

  Args:
    kind: one of `AUGMENTATIONS`.
    images: [B, H, W, C], not yet normalised: uint8, or floats in [0, 1].
    keys: [B, 2], one for each image.

  Raises:
    ValueError: another kind.
  """
  if kind not in AUGMENTATIONS:
    raise ValueError(f"augmentation {kind!r} is not one of {AUGMENTATIONS}")
  if kind == "none":
    return images
  offsets, flips = draw(keys)
  return crop_flip(images, offsets if kind == "crop_flip" else jnp.full_like(offsets, PADDING), flips)


def draw(keys: chex.Array) -> tuple[chex.Array, chex.Array]:
  """Draws where each image is cut and whether it is flipped, [B, 2] int32 and [B] bool."""
  def one(key):
    offset = jax.random.randint(randomness.named(key, "crop"), (2,), 0, 2 * PADDING + 1)
    return offset, jax.random.bernoulli(randomness.named(key, "flip"))

  return jax.vmap(one)(keys)


def crop_flip(images: chex.Array, offsets: chex.Array, flips: chex.Array) -> chex.Array:
  """Pads with zeros, cuts out a window of the old size, and mirrors it left to right if asked.

  Args:
    images: [B, H, W, C], of any type, not yet normalised: zero is black.
    offsets: [B, 2] in 0 … 2 PADDING, row and column of the window in the padded image.
    flips: [B] bool.

  Returns:
    [B, H, W, C] of the same type.
  """
  chex.assert_rank([images, offsets, flips], [4, 2, 1])

  def one(image, offset, flip):
    padded = jnp.pad(image, ((PADDING, PADDING), (PADDING, PADDING), (0, 0)))
    window = jax.lax.dynamic_slice(padded, (offset[0], offset[1], 0), image.shape)
    return jnp.where(flip, window[:, ::-1], window)

  return jax.vmap(one)(images, offsets, flips)


def normalise(images: chex.Array,
              constants: tuple[tuple[float, ...], tuple[float, ...]] | None) -> chex.Array:
  """Network inputs: x / 255, then (x - mean) / std of each channel if there are constants.

  Args:
    images: [B, H, W, C] uint8.
    constants: mean and standard deviation, [C] each, of pixels in [0, 1]; None for none.

  Returns:
    [B, H, W, C] float32.
  """
  chex.assert_type(images, jnp.uint8)
  inputs = images.astype(jnp.float32) / 255
  if constants is None:
    return inputs
  mean, std = (jnp.asarray(constant, jnp.float32) for constant in constants)
  return (inputs - mean) / std
