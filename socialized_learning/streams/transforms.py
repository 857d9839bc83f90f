"""Views of images on the device, inside a step: rotated, permuted, or as they are.

Shapes: `B` batch, `H`, `W`, `C` height, width and channels, `M` views, `P` = H W pixels.
"""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp

from socialized_learning.streams import rotation
from socialized_learning.streams import types


@functools.partial(jax.tree_util.register_dataclass, data_fields=["table"], meta_fields=["kind"])
@dataclasses.dataclass(frozen=True)
class DeviceViews:
  """The table of a stream's views as an argument of a jitted step; the kind is static."""
  table: chex.Array  # See `types.Views`.
  kind: str


def look(views: DeviceViews, images: chex.Array, view: chex.Array) -> chex.Array:
  """Images as the views show them.

  Args:
    views: all views of the stream.
    images: [B, H, W, C], of any type.
    view: [B], the view of each image.

  Returns:
    [B, H, W, C] of the same type.
  """
  chex.assert_rank([images, view], [4, 1])
  if views.kind == types.ROTATION:
    return rotate(images, views.table[view])
  if views.kind == types.PERMUTATION:
    return permute(images, views.table[view])
  return images


def look_alike(views: DeviceViews, images: chex.Array, view: chex.Array) -> chex.Array:
  """`look` where all images [B, H, W, C] are shown in the one `view`, a number: many times faster."""
  chex.assert_rank([images, view], [4, 0])
  if views.kind == types.PLAIN:
    return images
  batch, height, width, channels = images.shape
  if views.kind == types.PERMUTATION:
    source, inside = views.table[view], None
  else:  # Where each pixel comes from is seen by turning a picture of the pixels' numbers.
    numbers = 1 + jnp.arange(height * width, dtype=jnp.int32).reshape(height, width, 1)
    source = _rotate(numbers, views.table[view]).reshape(-1) - 1
    inside = (source >= 0)[:, None]
  shown = images.reshape(batch, height * width, channels)[:, jnp.maximum(source, 0)]
  if inside is not None:
    shown = jnp.where(inside, shown, 0)
  return shown.reshape(images.shape)


def rotate(images: chex.Array, coefficients: chex.Array) -> chex.Array:
  """Rotates each image [H, W, C] by its row [6] of `rotation.table`; exact, whole numbers only."""
  chex.assert_rank([images, coefficients], [4, 2])
  return jax.vmap(_rotate)(images, coefficients)


def _rotate(image: chex.Array, coefficients: chex.Array) -> chex.Array:
  height, width, _ = image.shape
  row, column = jnp.mgrid[:height, :width].astype(jnp.int32)
  x_column, x_row, x_start, y_column, y_row, y_start = coefficients
  x = (x_start + x_column * column + x_row * row) >> rotation.FRACTION_BITS
  y = (y_start + y_column * column + y_row * row) >> rotation.FRACTION_BITS
  inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
  source = image[jnp.clip(y, 0, height - 1), jnp.clip(x, 0, width - 1)]
  return jnp.where(inside[..., None], source, 0)


def permute(images: chex.Array, permutations: chex.Array) -> chex.Array:
  """Moves pixels: output pixel k is input pixel `permutations[b, k]`, counted row by row.

  Args:
    images: [B, H, W, C]; the channels of a pixel stay together.
    permutations: [B, P].
  """
  chex.assert_rank([images, permutations], [4, 2])
  batch, height, width, channels = images.shape
  chex.assert_shape(permutations, (batch, height * width))
  pixels = images.reshape(batch, height * width, channels)
  return jnp.take_along_axis(pixels, permutations[..., None], axis=1).reshape(images.shape)
