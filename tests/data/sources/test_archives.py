"""Single files that hold a whole set."""

import shutil
import zipfile

import numpy as np
import pytest

from socialized_learning.data import sources
from tests.data.sources import files


def test_mnist_of_one_file(tmp_path):
  arrays = files.write_mnist_npz(tmp_path)
  found = sources.load("mnist", data_dir=tmp_path)
  files.check(found.train, arrays["x_train"][..., None], arrays["y_train"])
  files.check(found.test, arrays["x_test"][..., None], arrays["y_test"])


@pytest.mark.parametrize("changes, part", [
    ({"y_test": None}, "holds no y_test, expected x_train, y_train, x_test, y_test"),
    ({"x_train": files.pixels(0, 5, 28, 27)}, "its images are uint8 28 x 27 x 1, expected"),
    ({"x_train": np.zeros((5, 28, 28))}, "its images are float64 28 x 28 x 1"),
    ({"x_train": np.uint8(3)}, "its images are uint8 numbers"),
    ({"y_train": np.arange(4)}, "5 images and 4 labels"),
    ({"y_train": np.arange(5) - 1}, "labels from -1 to 3, expected 0 to 9"),
    ({"y_train": np.arange(5) + 2 ** 40}, "labels from 1099511627776 to"),
    ({"y_train": np.arange(5.)}, "its labels are float64"),
    ({"y_train": np.arange(5)[None]}, "its labels are int64 of shape (1, 5)"),
    ({"y_train": np.array([1, 2, 3, 4, None])}, "Object arrays cannot be loaded"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_wrong_arrays_are_said_in_one_line(tmp_path, changes, part):
  files.write_mnist_npz(tmp_path, **changes)
  message = files.error("mnist", tmp_path)
  assert str(tmp_path / "mnist.npz") in message and part in message


def test_no_pickle_is_read(tmp_path):
  ran = []

  class Evil:

    def __reduce__(self):
      return ran.append, (1,)

  files.write_mnist_npz(tmp_path, x_test=np.array([Evil()]))
  assert "Object arrays cannot be loaded" in files.error("mnist", tmp_path)
  (tmp_path / "mnist.npz").write_bytes(b"\x80\x04cos\nsystem\n\x8c\x04true\x85R.")
  assert "cannot be read" in files.error("mnist", tmp_path)
  assert not ran


@pytest.mark.parametrize("damage", ["half", "flipped", "empty", "single"])
def test_damaged_mnist(tmp_path, damage):
  files.write_mnist_npz(tmp_path)
  path = tmp_path / "mnist.npz"
  whole = bytearray(path.read_bytes())
  whole[len(whole) // 3] ^= 255
  np.save(tmp_path / "single.npy", np.zeros(3))
  path.write_bytes({"half": whole[:len(whole) // 2], "flipped": whole, "empty": b"",
                    "single": (tmp_path / "single.npy").read_bytes()}[damage])
  assert f"{path}: cannot be read, it is damaged" in files.error("mnist", tmp_path)


@pytest.fixture(scope="module", name="sheets")
def _sheets(tmp_path_factory):
  folder = tmp_path_factory.mktemp("sheets")
  return folder, files.write_sheets(folder / "cifar100_webp.zip", {"train": 2, "test": 1})


def test_cifar100_of_one_file(sheets):
  folder, made = sheets
  found = sources.load("cifar100", data_dir=folder)
  files.check(found.train, made["train"], np.repeat(np.arange(100), 50))
  files.check(found.test, made["test"], np.repeat(np.arange(100), 25))
  assert found.num_classes == 100


def _with(sheets, tmp_path, name, data):
  """A copy of the archive in which one sheet is missing or another."""
  path = tmp_path / "cifar100_webp.zip"
  with zipfile.ZipFile(sheets[0] / path.name) as old, zipfile.ZipFile(path, "w") as new:
    for member in old.namelist():
      if member != name:
        new.writestr(member, old.read(member))
    if data is not None:
      new.writestr(name, data)
  return files.error("cifar100", tmp_path)


@pytest.mark.parametrize("data, part", [
    (None, "holds no train/42.webp, expected a sheet for each of 100 classes"),
    (b"RIFF", "train/42.webp: cannot be read"),
    (files.encoded(files.pixels(0, 32, 768, 3)), "train/42.webp: is 32 x 768 pixels"),
    (files.encoded(files.pixels(0, 40, 800, 3)), "train/42.webp: is 40 x 800 pixels"),
], ids=["missing", "damaged", "narrow", "high"])
def test_a_wrong_sheet_is_named(sheets, tmp_path, data, part):
  message = _with(sheets, tmp_path, "train/42.webp", data)
  assert str(tmp_path / "cifar100_webp.zip") in message and part in message


@pytest.mark.parametrize("damage", ["half", "empty", "flipped"])
def test_damaged_zip(sheets, tmp_path, damage):
  path = tmp_path / "cifar100_webp.zip"
  shutil.copy(sheets[0] / path.name, path)
  whole = bytearray(path.read_bytes())
  whole[len(whole) // 2] ^= 255
  path.write_bytes({"half": whole[:len(whole) // 2], "empty": b"", "flipped": whole}[damage])
  message = files.error("cifar100", tmp_path)
  assert str(path) in message and "cannot be read" in message
