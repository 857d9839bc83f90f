"""Rotations and permutations, against the published code and Pillow."""

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from socialized_learning.streams import rotation
from socialized_learning.streams import transforms
from socialized_learning.streams import types

_Y, _X = np.mgrid[:28, :28]
IMAGE = ((7 * _Y + 3 * _X + _Y * _X) % 256).astype(np.uint8)[..., None]  # [28, 28, 1]

# Angle: sum, sum of squares, non-zero, then five pixels (golden_synergy.md, section 6.1).
_GOLDEN = {
    0: (96660, 15905516, 783, 42, 171, 149, 88, 67),
    37.5: (83199, 13809273, 652, 153, 59, 111, 39, 47),
    90: (96660, 15905516, 783, 45, 47, 99, 45, 91),
    123.456: (84201, 14013455, 660, 211, 91, 161, 177, 69),
    180: (96660, 15905516, 783, 67, 148, 219, 119, 42),
    300.25: (83678, 13837346, 664, 60, 114, 139, 129, 235),
    359.9: (96660, 15905516, 783, 42, 171, 149, 88, 67),
}
_PIXELS = [(0, 14), (5, 17), (14, 3), (20, 20), (27, 13)]


def _rotate(image, degrees):
  """One image [H, W, C] by all angles [M]: [M, H, W, C]."""
  images = np.broadcast_to(image, (len(degrees), *image.shape))
  return np.asarray(jax.jit(transforms.rotate)(images, rotation.table(degrees, *image.shape[:2])))


def test_golden_rotations():
  rotated = _rotate(IMAGE, list(_GOLDEN))[..., 0]
  assert rotated.dtype == np.uint8
  for image, golden in zip(rotated.astype(int), _GOLDEN.values()):
    pixels = tuple(image[pixel] for pixel in _PIXELS)
    assert (image.sum(), np.square(image).sum(), np.count_nonzero(image), *pixels) == golden


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (21, 30, 1)])
def test_rotations_are_pillows_bit_for_bit(shape):
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, shape, dtype=np.uint8)
  degrees = [*rng.uniform(-400, 400, 300), *np.arange(0, 360, 15.0)]
  if shape[0] != shape[1]:  # Pillow turns squares alone by whole quarters without this recipe.
    degrees = degrees[:300]
  drawn = Image.fromarray(image.squeeze())
  expected = np.stack([np.asarray(drawn.rotate(angle)).reshape(shape) for angle in degrees])
  np.testing.assert_array_equal(_rotate(image, degrees), expected)


def test_rotation_is_counter_clockwise():
  np.testing.assert_array_equal(_rotate(IMAGE, [90.0])[0], np.rot90(IMAGE))


def test_golden_permutation():
  permutation = (11 * np.arange(784) + 5) % 784
  permuted = np.asarray(jax.jit(transforms.permute)(IMAGE[None], permutation[None])).reshape(-1)
  assert permuted[[0, 1, 2, 783]].tolist() == [15, 48, 81, 81]
  np.testing.assert_array_equal(permuted, IMAGE.reshape(-1)[permutation])


def test_channels_of_a_pixel_stay_together():
  image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(1, 2, 3, 3)
  permuted = transforms.permute(image, np.array([[5, 0, 1, 2, 3, 4]]))
  np.testing.assert_array_equal(permuted[0].reshape(6, 3), np.roll(image.reshape(6, 3), 1, axis=0))


def _views(kind):
  rng = np.random.default_rng(1)
  if kind == types.ROTATION:
    return rotation.views(rng.uniform(0, 360, 5), (28, 28, 1))
  if kind == types.PERMUTATION:
    return types.Views(kind, np.stack([rng.permutation(784) for _ in range(5)]).astype(np.int32))
  return types.Views(kind, np.zeros((1, 0), np.int32))


@pytest.mark.parametrize("kind", [types.PLAIN, types.ROTATION, types.PERMUTATION])
def test_looks_alone_jitted_and_mapped_are_equal(kind):
  views = transforms.DeviceViews(jnp.asarray(_views(kind).table), kind)
  images = np.random.default_rng(2).integers(0, 256, (3, 4, 28, 28, 1), dtype=np.uint8)
  view = np.array([[0, 4, 2, 2], [1, 1, 0, 3], [3, 0, 4, 1]])
  view = view * (kind != types.PLAIN)
  alone = np.concatenate([transforms.look(views, images[0, [i]], view[0, [i]]) for i in range(4)])
  jitted = np.stack([jax.jit(transforms.look)(views, *pair) for pair in zip(images, view)])
  mapped = jax.jit(jax.vmap(transforms.look, in_axes=(None, 0, 0)))(views, images, view)
  np.testing.assert_array_equal(alone, jitted[0])
  np.testing.assert_array_equal(mapped, jitted)
  if kind == types.PLAIN:
    np.testing.assert_array_equal(mapped, images)
  else:
    assert np.any(np.asarray(mapped) != images)


def test_stored_images_in_floats_turn_the_same():
  table = rotation.table([33.0], 28, 28)
  turned = transforms.rotate(jnp.asarray(IMAGE[None]) / 255, table)
  np.testing.assert_array_equal(turned, jnp.asarray(transforms.rotate(IMAGE[None], table)) / 255)


def test_shapes_are_checked():
  with pytest.raises(AssertionError):
    transforms.permute(IMAGE[None], np.zeros((1, 783), np.int32))
  with pytest.raises(AssertionError):
    transforms.rotate(IMAGE, np.zeros((1, 6), np.int32))


@pytest.mark.parametrize("kind", ["plain", "rotation", "permutation"])
def test_images_that_are_looked_at_alike(kind):
  random = np.random.default_rng(0)
  images = random.integers(256, size=(5, 28, 28, 1)).astype(np.uint8)
  tables = {"plain": np.zeros((1, 0)), "rotation": rotation.table(np.array([0., 37.5, 123.456]), 28, 28),
            "permutation": np.stack([random.permutation(784) for _ in range(3)])}
  views = transforms.DeviceViews(jnp.asarray(tables[kind]), kind)
  for view in range(len(tables[kind])):
    alike = jax.jit(transforms.look_alike)(views, images, jnp.int32(view))
    each = jax.jit(transforms.look)(views, images, jnp.full(5, view))
    np.testing.assert_array_equal(alike, each)
