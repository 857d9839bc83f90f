"""The script behind the embedded files: what it draws, drops and refuses."""

import numpy as np
import pytest

from emcom_datasets import embedded
from emcom_datasets import make_arrays


def test_split_column_has_the_sizes_asked_for():
  column = make_arrays.split_column(20, num_valid=3, num_test=5)
  assert column.dtype == np.uint8
  assert np.bincount(column).tolist() == [12, 3, 5]
  assert (column != make_arrays.split_column(20, 3, 5, seed=1)).any()


@pytest.mark.parametrize("name, held_out", [("emoji", 256), ("emoji_people", 128)])
def test_stored_splits_are_those_of_the_script(name, held_out):
  with np.load(embedded.ARRAYS / f"{name}.npz") as arrays:
    stored = arrays["split"]
  np.testing.assert_array_equal(stored, make_arrays.split_column(len(stored), held_out, held_out))


def test_later_copies_of_a_drawing_are_dropped(tmp_path):
  images = np.random.RandomState(0).randint(256, size=(600, 2, 2, 3)).astype(np.uint8)
  images[[5, 599]] = images[2]
  names = np.array([f"item {index}" for index in range(600)])
  np.savez(tmp_path / "source.npz", image32=images, emb128=np.zeros((600, 4)), name=names,
           category=np.where(np.arange(600) % 2, "b", "a"), subcategory=names)
  made = make_arrays.make_emoji(tmp_path / "source.npz")
  assert made["names"].tolist() == [name for i, name in enumerate(names) if i not in (5, 599)]
  assert made["category_names"].tolist() == ["a", "b"]
  assert made["category"][:6].tolist() == [0, 1, 0, 1, 0, 0]


def test_a_train_split_without_some_value_is_refused(tmp_path):
  codes = np.zeros((300, 3), np.uint8)
  codes[np.argmax(make_arrays.split_column(300, 128, 128) == 1), 1] = 1
  np.savez(tmp_path / "source.npz", X=np.zeros((300, 2, 2, 3), np.uint8), attrs=codes,
           roles=np.array([""]))
  with pytest.raises(ValueError, match="misses a value"):
    make_arrays.make_emoji_people(tmp_path / "source.npz")
