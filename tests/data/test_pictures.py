"""Pictures as something to be drawn."""

from unittest import mock

import emcom_datasets
from emcom_datasets import splits
import numpy as np
import pytest

from socialized_learning.data import pictures
from socialized_learning.platform.errors import UserError


def test_pictures_of_the_right_size_are_the_sets_own_from_minus_one_to_one():
  split = emcom_datasets.load("emoji", "valid")
  assert split.images.shape == (256, 32, 32, 3)
  changed = pictures.with_pictures(split, 32)
  images = changed.rows.labels[pictures.LABEL]
  assert images.dtype == np.float32 and images.min() == -1 and images.max() == 1
  np.testing.assert_allclose((images + 1) * 127.5, split.images, atol=1e-4)
  assert changed.num_classes == split.num_classes | {"image": 3}
  np.testing.assert_array_equal(changed.rows.inputs, split.rows.inputs)


def test_pictures_are_handed_out_with_their_items_and_the_set_stays_as_it_was():
  split = emcom_datasets.load("emoji", "valid")
  changed = pictures.with_pictures(split, 32)
  items = np.array([7, 3])
  rows = changed.take(items)
  np.testing.assert_array_equal(rows.labels["image"], changed.rows.labels["image"][items])
  np.testing.assert_array_equal(rows.labels["category"], split.take(items).labels["category"])
  assert "image" not in split.rows.labels and "image" not in split.num_classes
  assert len(changed) == len(split)


def test_digits_are_resized():
  split = emcom_datasets.load("mnist5k", "valid")
  changed = pictures.with_pictures(split, 32)
  images = changed.rows.labels["image"]
  assert images.shape == (500, 32, 32, 1) and images.dtype == np.float32
  assert isinstance(images, np.ndarray) and changed.num_classes["image"] == 1
  assert -1 <= images.min() < -0.99 and 0.99 < images.max() <= 1
  # The same pictures, only finer: corners stay, and so does how bright they are.
  raw = split.images / 127.5 - 1
  np.testing.assert_allclose(images[:, [0, 0, -1, -1], [0, -1, 0, -1]],
                             raw[:, [0, 0, -1, -1], [0, -1, 0, -1]], atol=1e-6)
  np.testing.assert_allclose(images.mean(axis=(1, 2)), raw.mean(axis=(1, 2)), atol=0.02)


def test_resizing_is_bilinear_by_hand():
  image = np.array([[0, 255], [0, 255]], np.uint8).reshape(1, 2, 2, 1)
  rows = splits.Rows(np.zeros((1, 1), np.float32), {}, {})
  split = splits.ResidentSplit("made", "train", rows, names=["x"], num_classes={}, images=image)
  drawn = pictures.with_pictures(split, 4).rows.labels["image"][0, :, :, 0]
  # The new pixels lie at 1/8, 3/8, 5/8, 7/8 of the width, the old ones at 1/4 and 3/4.
  np.testing.assert_allclose(drawn, np.tile([-1, -0.5, 0.5, 1], (4, 1)), atol=1e-6)


def test_a_set_without_pictures():
  with pytest.raises(UserError, match="dummy holds no pictures .* mnist5k"):
    pictures.with_pictures(emcom_datasets.load("dummy", "valid"), 32)


def test_a_set_read_on_demand():
  split = mock.MagicMock(resident=False)
  split.name = "byol_celeb_a2"
  with pytest.raises(UserError, match="byol_celeb_a2 holds no pictures"):
    pictures.with_pictures(split, 32)
