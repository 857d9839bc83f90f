"""SVHN's official files."""

import numpy as np
import pytest
from scipy import io as matlab

from socialized_learning.data import sources
from tests.data.sources import files

TRAIN, TEST = "train_32x32.mat", "test_32x32.mat"
IMAGES = {name: files.pixels(seed, size, 32, 32, 3) for seed, (name, size) in enumerate(
    {TRAIN: 5, TEST: 3}.items())}


@pytest.fixture(name="folder")
def _folder(tmp_path):
  files.write_svhn(tmp_path / TRAIN, IMAGES[TRAIN], [1, 10, 2, 9, 10])
  files.write_svhn(tmp_path / TEST, IMAGES[TEST], [10, 3, 1])
  return tmp_path


def test_images_and_labels_are_those_written_and_ten_is_zero(folder):
  found = sources.load("svhn", data_dir=folder)
  files.check(found.train, IMAGES[TRAIN], [1, 0, 2, 9, 0])
  files.check(found.test, IMAGES[TEST], [0, 3, 1])
  assert found.num_classes == 10


@pytest.mark.parametrize("name", [TRAIN, TEST])
def test_a_missing_file_is_named(folder, name):
  (folder / name).unlink()
  assert f"{folder / name}: is missing" in files.error("svhn", folder)


@pytest.mark.parametrize("damage", ["half", "garbage", "empty"])
def test_a_damaged_file_is_named(folder, damage):
  path = folder / TEST
  whole = path.read_bytes()
  path.write_bytes({"half": whole[:len(whole) // 2], "garbage": b"x" * 1000, "empty": b""}[damage])
  assert f"{path}: cannot be read, it is damaged or of another kind" in files.error("svhn", folder)


def test_a_file_of_version_7_3_is_named_as_such(folder):
  path = folder / TEST
  path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
  message = files.error("svhn", folder)
  assert f"{path}: is a MATLAB file of version 7.3 (HDF5)" in message
  assert f"save('{TEST}', 'X', 'y', '-v7')" in message and "damaged" not in message


def test_zeros_without_end_are_not_unpacked(folder, monkeypatch):
  """A file of a few kilobytes that holds more images than the set has."""
  this = sources._SETS["svhn"]
  monkeypatch.setitem(sources._SETS, "svhn", this._replace(
      spec=this.spec._replace(num_images=(4, 3))))
  monkeypatch.setattr(matlab, "loadmat", lambda *args, **kwargs: pytest.fail("unpacked"))
  assert (f"{folder / TRAIN}: holds 5 training images, svhn has 4; it is another set"
          == files.error("svhn", folder))


@pytest.mark.parametrize("label", [0, 11, 255])
def test_labels_out_of_range(folder, label):
  files.write_svhn(folder / TRAIN, IMAGES[TRAIN], [1, 2, 3, 4, label])
  assert f"{folder / TRAIN}: labels (y) other than 1 ... 10" in files.error("svhn", folder)


@pytest.mark.parametrize("arrays, part", [
    ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, "holds no array y"),
    ({"y": np.ones((2, 1))}, "holds no array X"),
    ({"X": np.zeros((32, 32, 3), np.uint8), "y": np.ones((2, 1))}, "X has 3 dimensions"),
    ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.ones((3, 1))}, "2 images and 3 labels"),
    ({"X": np.zeros((32, 28, 3, 2), np.uint8), "y": np.ones((2, 1))},
     "its images are uint8 32 x 28 x 3, expected uint8 32 x 32 x 3"),
    ({"X": np.zeros((32, 32, 3, 2)), "y": np.ones((2, 1))}, "its images are float64"),
    ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([1.5, 2])}, "labels (y) other than"),
    ({"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array(["a", "b"], object)},
     "labels (y) other than"),
], ids=["no_y", "no_X", "dimensions", "counts", "shape", "floats", "fractions", "strings"])
def test_wrong_content_is_said_in_one_line(folder, arrays, part):
  matlab.savemat(folder / TRAIN, arrays)
  message = files.error("svhn", folder)
  assert str(folder / TRAIN) in message and part in message
