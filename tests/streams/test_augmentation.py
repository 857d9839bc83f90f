"""Crops, flips and normalisation, against the published code (golden_synergy.md, section 6.3)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.streams import augmentation
from socialized_learning.streams import definitions

_Y, _X, _C = np.mgrid[:32, :32, :3]
_IMAGE = ((29 * _C + 11 * _Y + 17 * _X + 3 * _Y * _X + 7 * _C * _Y) % 256).astype(np.uint8)

# Offset, flip: sum, sum of squares, four pixels, the same normalised, sum of pixels.
_GOLDEN = {
    ((4, 4), False): (339.02779, 4154.16306, (0, 87, 147, 50),
                      (-1.989474, -0.579152, 0.497020, -1.195634), 392960),
    ((0, 0), False): (-1101.10706, 5766.55369, (0, 107, 51, 0),
                      (-1.989474, -0.257052, -0.942639, -1.989474), 301004),
    ((8, 3), True): (-593.90100, 5222.64728, (146, 179, 0, 72),
                     (0.328539, 0.902508, -1.707457, -0.846344), 333390),
    ((2, 7), True): (-568.32226, 5205.42959, (0, 17, 71, 0),
                     (-1.989474, -1.706502, -0.642710, -1.989474), 334981),
}
# Row, column, channel.
_PIXELS = tuple(np.array([(0, 0, 0), (5, 7, 1), (31, 31, 2), (16, 2, 0)]).T)

_crop_flip = jax.jit(augmentation.crop_flip)
_augment = jax.jit(augmentation.augment, static_argnums=0)


def _golden_images():
  offsets, flips = zip(*_GOLDEN)
  images = np.stack([_IMAGE] * len(_GOLDEN))
  return images, np.array(offsets), np.array(flips)


def test_golden_crops():
  assert _IMAGE.sum() == 392960
  cropped = _crop_flip(*_golden_images())
  inputs = augmentation.normalise(cropped, definitions.CIFAR10.normalise)
  assert cropped.dtype == np.uint8 and inputs.dtype == np.float32
  for image, values, golden in zip(np.asarray(cropped), np.asarray(inputs, np.float64),
                                   _GOLDEN.values()):
    total, squares, pixels, normalised, pixel_total = golden
    np.testing.assert_allclose([values.sum(), np.square(values).sum()], [total, squares], rtol=1e-5)
    assert tuple(image[_PIXELS]) == pixels and image.sum() == pixel_total
    np.testing.assert_allclose(values[_PIXELS], normalised, rtol=1e-5, atol=1e-6)


def test_replaying_a_stored_image_in_floats_gives_the_same():
  images, offsets, flips = _golden_images()
  stored = _crop_flip(jnp.asarray(images) / 255, offsets, flips)
  fresh = augmentation.normalise(_crop_flip(images, offsets, flips), None)
  np.testing.assert_array_equal(stored, fresh)


def test_without_constants_pixels_go_from_0_to_1():
  inputs = augmentation.normalise(np.array([0, 51, 255], np.uint8).reshape(1, 1, 3, 1), None)
  np.testing.assert_allclose(np.asarray(inputs).ravel(), [0, 0.2, 1], rtol=1e-7)
  with pytest.raises(AssertionError):
    augmentation.normalise(np.zeros((1, 1, 3, 1), np.float32), None)


def test_draws_hang_on_the_examples_key_alone_and_cover_everything():
  keys = jax.random.split(jax.random.PRNGKey(0), 4000)
  offsets, flips = jax.jit(augmentation.draw)(keys)
  some_offsets, some_flips = jax.jit(augmentation.draw)(keys[7:9])
  np.testing.assert_array_equal(offsets[7:9], some_offsets)
  np.testing.assert_array_equal(flips[7:9], some_flips)
  counts = np.zeros((9, 9))
  np.add.at(counts, tuple(np.asarray(offsets).T), 1)
  assert counts.min() > 20 and counts.max() < 90  # 4,000 draws of 81 places: 49 each.
  assert 1900 < flips.sum() < 2100


def test_augment():
  keys = jax.random.split(jax.random.PRNGKey(1), 5)
  images = np.stack([_IMAGE] * 5)
  expected = _crop_flip(images, *jax.jit(augmentation.draw)(keys))
  np.testing.assert_array_equal(_augment("crop_flip", images, keys), expected)
  np.testing.assert_array_equal(_augment("none", images, keys), images)
  mapped = jax.jit(jax.vmap(lambda i, k: augmentation.augment("crop_flip", i[None], k[None])[0]))
  np.testing.assert_array_equal(mapped(images, keys), expected)
  alone = [_augment("crop_flip", images[i:i + 1], keys[i:i + 1])[0] for i in range(5)]
  np.testing.assert_array_equal(np.stack(alone), expected)
  with pytest.raises(ValueError, match="'crop' is not one of"):
    augmentation.augment("crop", images, keys)
