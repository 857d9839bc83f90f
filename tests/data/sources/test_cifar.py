"""CIFAR's official pickles, in a folder and in the archive they come in."""

import gzip
import os
import pickle
import tarfile

import numpy as np
import pytest

from socialized_learning.data import sources
from tests.data.sources import files
from tests.data.sources import python2

FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
ARCHIVES = {"cifar10": "cifar-10-python.tar.gz", "cifar100": "cifar-100-python.tar.gz"}
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))


def _batches(name):
  """Batches of a few images, as they are stored."""
  sizes = dict.fromkeys(TRAIN, 2) | {"test_batch": 3} if name == "cifar10" else (
      {"train": 6, "test": 3})
  batches = {}
  for seed, (batch, size) in enumerate(sizes.items()):
    labels = [(7 * seed + place) % 10 for place in range(size)]
    batches[batch] = {"batch_label": batch, "data": files.pixels(seed, size, 3072)}
    batches[batch] |= {"labels": labels} if name == "cifar10" else {
        "fine_labels": [99 - label for label in labels], "coarse_labels": labels}
  return batches


def _images(batch):
  """Pixel by pixel: three planes, row by row."""
  planes = batch["data"].reshape(-1, 3, 32, 32)
  return np.stack([planes[:, colour] for colour in range(3)], axis=-1)


def _write(root, name, kind, batches):
  if kind == "folder":
    python2.write_folder(root / FOLDERS[name], batches)
  else:
    python2.write_archive(root / ARCHIVES[name], FOLDERS[name], batches)


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_images_and_labels_are_those_written(tmp_path, name, kind):
  batches = _batches(name)
  _write(tmp_path, name, kind, batches)
  found = sources.load(name, data_dir=tmp_path)
  assert found.num_classes == {"cifar10": 10, "cifar100": 100}[name]
  *train, test = batches.values()
  key = {"cifar10": "labels", "cifar100": "fine_labels"}[name]
  files.check(found.train, np.concatenate([_images(batch) for batch in train]),
              sum((batch[key] for batch in train), []))
  files.check(found.test, _images(test), test[key])


def test_one_image_by_hand(tmp_path):
  batches = _batches("cifar10")
  batches["test_batch"]["data"] = np.concatenate([np.full((3, 1024), 1), np.full((3, 1024), 2),
                                                  np.full((3, 1024), 3)], axis=1).astype(np.uint8)
  batches["test_batch"]["data"][0, 33] = 9  # Second row, second column, red.
  _write(tmp_path, "cifar10", "folder", batches)
  image = sources.load("cifar10", data_dir=tmp_path).test.images[0]
  assert image[1, 1].tolist() == [9, 2, 3] and image[0, 0].tolist() == [1, 2, 3]


def test_the_archive_lists_its_files_in_any_order_and_perhaps_with_a_dot(tmp_path):
  batches = _batches("cifar10")
  python2.write_archive(tmp_path / ARCHIVES["cifar10"], "./" + FOLDERS["cifar10"],
                        dict(reversed(batches.items())))
  found = sources.load("cifar10", data_dir=tmp_path)
  np.testing.assert_array_equal(found.train.labels,
                                sum((batches[name]["labels"] for name in TRAIN), []))


def test_the_folder_comes_before_the_archive(tmp_path):
  (tmp_path / ARCHIVES["cifar10"]).write_bytes(b"damaged")
  _write(tmp_path, "cifar10", "folder", _batches("cifar10"))
  assert len(sources.load("cifar10", data_dir=tmp_path).test.labels) == 3


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_missing_batch_is_named(tmp_path, kind):
  batches = _batches("cifar10")
  del batches["data_batch_4"]
  _write(tmp_path, "cifar10", kind, batches)
  place = tmp_path if kind == "folder" else tmp_path / ARCHIVES["cifar10"]
  path = place / FOLDERS["cifar10"] / "data_batch_4"
  assert f"{path}: is missing" in files.error("cifar10", tmp_path)


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_pickle_that_would_run_something(tmp_path, kind):
  target = tmp_path / "ran"

  class Evil:

    def __reduce__(self):
      return os.system, (f"touch {target}",)

  evil = pickle.dumps({"data": Evil(), "labels": [1]}, 2)
  batches = _batches("cifar10")
  _write(tmp_path, "cifar10", "folder", batches)
  (tmp_path / FOLDERS["cifar10"] / "data_batch_3").write_bytes(evil)
  if kind == "archive":
    with tarfile.open(tmp_path / ARCHIVES["cifar10"], "w:gz") as archive:
      archive.add(tmp_path / FOLDERS["cifar10"], FOLDERS["cifar10"])
    (tmp_path / FOLDERS["cifar10"]).rename(tmp_path / "elsewhere")
  message = files.error("cifar10", tmp_path)
  assert "data_batch_3: this pickle asks for 'posix.system'" in message
  assert not target.exists()


@pytest.mark.parametrize("damage", ["half", "garbage", "empty", "flipped", "no_tar"])
def test_damaged_archive(tmp_path, damage):
  _write(tmp_path, "cifar100", "archive", _batches("cifar100"))
  path = tmp_path / ARCHIVES["cifar100"]
  whole = bytearray(path.read_bytes())
  whole[len(whole) // 2] ^= 255
  path.write_bytes({"half": whole[:len(whole) // 3], "garbage": b"x" * 1000, "empty": b"",
                    "flipped": whole, "no_tar": gzip.compress(b"x" * 5000)}[damage])
  assert str(path) in files.error("cifar100", tmp_path)


def _changed(tmp_path, **changes):
  batches = _batches("cifar10")
  batches["data_batch_2"] |= changes
  batches["data_batch_2"] = {key: value for key, value in batches["data_batch_2"].items()
                             if value is not None}
  _write(tmp_path, "cifar10", "folder", batches)
  message = files.error("cifar10", tmp_path)
  assert FOLDERS["cifar10"] in message
  return message


@pytest.mark.parametrize("changes, part", [
    ({"labels": None}, "but not labels: it is no such file of CIFAR"),
    ({"data": None}, "but not data: it is no such file of CIFAR"),
    ({"data": files.pixels(0, 2, 3071)}, "its images are of shape (2, 3071), expected [N, 3072]"),
    ({"data": files.pixels(0, 6144)}, "its images are of shape (6144,), expected [N, 3072]"),
    ({"data": b"bytes"}, "its images are of bytes, expected [N, 3072]"),
    ({"labels": [1]}, "2 images and 1 labels"),
    ({"labels": [1, b"2"]}, "its labels are no list of integers"),
    ({"labels": (1, 2)}, "its labels are no list of integers"),
    ({"labels": [1, 10]}, "labels from 0 to 10, expected 0 to 9"),
    ({"labels": [1, -1]}, "labels from -1 to"),
], ids=str)
def test_wrong_content_is_said_in_one_line(tmp_path, changes, part):
  assert part in _changed(tmp_path, **changes)


def test_labels_beyond_any_number(tmp_path):
  batches = _batches("cifar10")
  _write(tmp_path, "cifar10", "folder", batches)
  (tmp_path / FOLDERS["cifar10"] / "test_batch").write_bytes(
      pickle.dumps({"data": files.pixels(0, 1, 3072), "labels": [10 ** 30]}, 4))
  assert "test_batch: cannot be read" in files.error("cifar10", tmp_path)
