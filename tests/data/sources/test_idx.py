"""MNIST's official files: every way they lie about, and every way they are wrong."""

import gzip

from emcom_datasets import listing
import numpy as np
import pytest

from socialized_learning.data import sources
from socialized_learning.data.sources import idx
from tests.data.sources import files


def test_a_file_by_hand(tmp_path):
  (tmp_path / "a").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3]) + b"abcdef")
  found = idx.read_file(listing.on_disk(tmp_path).file("a"), num_dims=3, limit=99)
  assert found.tolist() == [[[97, 98, 99]], [[100, 101, 102]]] and found.dtype == np.uint8


@pytest.mark.parametrize("place", ["", "MNIST/raw"])
@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("pattern", ["{}-ubyte", "dotted"])
def test_every_place_and_name(tmp_path, place, pack, pattern):
  files.write_idx(tmp_path / place, pack=pack)
  if pattern == "dotted":
    for path in list((tmp_path / place).glob("*-idx*")):
      path.rename(path.with_name(path.name.replace("-idx", ".idx")))
  found = sources.load("mnist", data_dir=tmp_path)
  files.check(found.train, files.pixels(7, 7, 28, 28, 1), np.arange(7))
  files.check(found.test, files.pixels(4, 4, 28, 28, 1), np.arange(4))
  assert (found.name, found.num_classes) == ("mnist", 10)


def test_compressed_or_not_is_told_by_content(tmp_path):
  files.write_idx(tmp_path)
  path = tmp_path / "t10k-labels-idx1-ubyte"
  path.write_bytes(gzip.compress(path.read_bytes()))
  assert sources.load("mnist", data_dir=tmp_path).test.labels.tolist() == [0, 1, 2, 3]


def test_unpacked_files_come_before_compressed_ones_and_before_those_of_torchvision(tmp_path):
  files.write_idx(tmp_path, train=2)
  files.write_idx(tmp_path, train=3, pack=True)
  files.write_idx(tmp_path / "MNIST" / "raw", train=5)
  assert len(sources.load("mnist", data_dir=tmp_path).train.labels) == 2


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_missing_file_is_named(tmp_path, name):
  files.write_idx(tmp_path)
  (tmp_path / name).unlink()
  assert f"{tmp_path / name}: is missing" in files.error("mnist", tmp_path)


def test_every_truncation_is_noticed(tmp_path):
  files.write_idx(tmp_path)
  path = tmp_path / "train-labels-idx1-ubyte"
  whole = path.read_bytes()
  for size in range(len(whole)):
    path.write_bytes(whole[:size])
    message = files.error("mnist", tmp_path)
    assert str(path) in message and ("truncated" if size >= 4 else "starts with") in message
  path.write_bytes(whole + b"x")
  assert "it holds 16 bytes, its header asks for 15" in files.error("mnist", tmp_path)


def test_a_header_that_asks_for_more_than_there_can_be(tmp_path):
  files.write_idx(tmp_path)
  path = tmp_path / "train-images-idx3-ubyte"
  path.write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12 + b"x")
  assert "truncated or damaged" in files.error("mnist", tmp_path)


def test_labels_in_the_place_of_images(tmp_path):
  files.write_idx(tmp_path)
  path = tmp_path / "train-images-idx3-ubyte"
  path.write_bytes((tmp_path / "train-labels-idx1-ubyte").read_bytes())
  assert (f"{path}: starts with 0x00000801, expected 0x00000803: it is not an idx file of images"
          in files.error("mnist", tmp_path))


@pytest.mark.parametrize("damage", ["half", "flipped", "tail"])
def test_damaged_compression(tmp_path, damage):
  files.write_idx(tmp_path, pack=True)
  path = tmp_path / "train-images-idx3-ubyte.gz"
  whole = bytearray(path.read_bytes())
  if damage == "half":
    whole = whole[:len(whole) // 2]
  elif damage == "flipped":
    whole[len(whole) // 2] ^= 255
  else:
    whole[-6] ^= 255  # In the checksum.
  path.write_bytes(whole)
  assert f"{path}: cannot be read, it is damaged" in files.error("mnist", tmp_path)


def _change(folder, name, array):
  (folder / name).write_bytes(files.idx(array))


def test_images_of_another_shape(tmp_path):
  files.write_idx(tmp_path)
  _change(tmp_path, "train-images-idx3-ubyte", files.pixels(0, 7, 28, 20))
  message = files.error("mnist", tmp_path)
  assert "train-images-idx3-ubyte: its images are uint8 28 x 20 x 1, expected uint8 28" in message


def test_other_numbers_of_images_and_labels(tmp_path):
  files.write_idx(tmp_path)
  _change(tmp_path, "t10k-labels-idx1-ubyte", np.arange(3))
  assert "4 images and 3 labels" in files.error("mnist", tmp_path)


def test_no_images(tmp_path):
  files.write_idx(tmp_path, test=0)
  assert "0 images and 0 labels" in files.error("mnist", tmp_path)


def test_labels_out_of_range(tmp_path):
  files.write_idx(tmp_path)
  _change(tmp_path, "train-labels-idx1-ubyte", np.array([0, 1, 2, 3, 4, 5, 10]))
  assert "labels from 0 to 10, expected 0 to 9" in files.error("mnist", tmp_path)


def test_a_folder_in_the_place_of_a_file(tmp_path):
  files.write_idx(tmp_path)
  path = tmp_path / "t10k-images-idx3-ubyte"
  path.unlink()
  path.mkdir()
  assert f"{path}: is missing" in files.error("mnist", tmp_path)
