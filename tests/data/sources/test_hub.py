"""Parquet files as the Hugging Face hub serves them."""

import sys

import numpy as np
import pytest

from socialized_learning.data import sources
from tests.data.sources import files

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

# Set, the columns of its repository, the folder in it, its test split.
SETS = {
    "mnist": ("image", "label", "mnist", "test", (28, 28, 1)),
    "cifar10": ("img", "label", "plain_text", "test", (32, 32, 3)),
    "cifar100": ("img", "fine_label", "cifar100", "test", (32, 32, 3)),
    "svhn": ("image", "label", "cropped_digits", "test", (32, 32, 3)),
    "tinyimagenet": ("image", "label", "data", "valid", (64, 64, 3)),
}


def _table(name, images, labels):
  image, label = SETS[name][:2]
  rows = [{"bytes": files.encoded(picture.squeeze()), "path": None} for picture in images]
  columns = {image: rows, label: list(labels)}
  if name == "cifar100":
    columns["coarse_label"] = [0] * len(rows)
  return pyarrow.table(columns)


def _write(folder, name, train=(3, 2), test=(4,), pattern="{}-{:05d}-of-{:05d}.parquet"):
  """Writes files of so many rows; returns all images of training and test."""
  folder.mkdir(parents=True, exist_ok=True)
  made = {}
  for split, sizes in (("train", train), (SETS[name][3], test)):
    images = files.pixels(len(split), sum(sizes), *SETS[name][4])
    labels = np.arange(sum(sizes)) % 10
    made[split], start = (images, labels), 0
    for number, size in enumerate(sizes):
      rows = slice(start, start + size)
      path = folder / pattern.format(split, number, len(sizes))
      path.parent.mkdir(exist_ok=True)
      parquet.write_table(_table(name, images[rows], labels[rows]), path)
      start += size
  return list(made.values())


def _check(name, root, made):
  found = sources.load(name, data_dir=root)
  for images, expected in zip((found.train, found.test), made, strict=True):
    files.check(images, *expected)
  assert found.kind.startswith("real, but 5 + 4 images")


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("place", ["", "{name}/{config}", "owner--{name}/data", (
    "datasets--owner--{name}/snapshots/0123abcd/{config}"), "{config}"])
def test_repositories(tmp_path, name, place):
  folder = tmp_path / place.format(name=name, config=SETS[name][2])
  _check(name, tmp_path, _write(folder, name))


@pytest.mark.parametrize("pattern", ["{}-{:05d}-of-{:05d}-1359597a978bc4fa.parquet",
                                     "{}/{:04d}.parquet"])
def test_other_names_of_files(tmp_path, pattern):
  _check("tinyimagenet", tmp_path, _write(tmp_path / "data", "tinyimagenet", pattern=pattern))


def test_another_configuration_beside_it(tmp_path, capsys):
  made = _write(tmp_path / "svhn" / "cropped_digits", "svhn")
  other = tmp_path / "svhn" / "full_numbers"
  other.mkdir()
  for split in ("train", "test"):
    parquet.write_table(pyarrow.table({"image": [b""], "digits": [1]}),
                        other / f"{split}-00000-of-00001.parquet")
  _check("svhn", tmp_path, made)
  assert not capsys.readouterr().err


def test_a_missing_file_is_named(tmp_path):
  _write(tmp_path, "mnist")
  path = tmp_path / "train-00001-of-00002.parquet"
  path.unlink()
  assert files.error("mnist", tmp_path).startswith(f"{path}: is missing")
  (tmp_path / "train-00000-of-00002.parquet").unlink()
  assert "holds parquet files of test, but not of train" in files.error("mnist", tmp_path)


def _replaced(tmp_path, table):
  _write(tmp_path, "cifar10", test=(1,))
  path = tmp_path / "test-00000-of-00001.parquet"
  if isinstance(table, bytes):
    path.write_bytes(table)
  else:
    parquet.write_table(table, path)
  message = files.error("cifar10", tmp_path)
  assert message.startswith(f"{path}: ")
  return message


def test_wrong_files_are_named(tmp_path):
  image = files.encoded(files.pixels(0, 32, 32, 3))
  for table, part in (
      (b"PAR1 half", "cannot be read, it is damaged"),
      (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
      (pyarrow.table({"img": [image]}), "has the columns img, expected an image and a label"),
      (pyarrow.table({"img": [image[:99]], "label": [1]}), "row 0 of the split cannot be decoded"),
      (pyarrow.table({"img": [files.encoded(files.pixels(0, 40, 32, 3))], "label": [1]}),
       "row 0 of the split cannot be decoded (OtherSizeError: 40 x 32)"),
      (pyarrow.table({"img": [image], "label": [-1]}), "labels from -1 to -1, expected 0 to 9")):
    assert part in _replaced(tmp_path, table)


def test_rows_without_end_are_not_unpacked(tmp_path, monkeypatch):
  table = pyarrow.table({"img": pyarrow.array([b""] * 10_001), "label": [1] * 10_001})
  assert "holds 10,001 test images, cifar10 has 10,000" in _replaced(tmp_path, table)
  monkeypatch.setattr(type(sources._SETS["cifar10"].spec), "max_bytes", 1 << 19)
  table = pyarrow.table({"img": pyarrow.array([bytes(1 << 20)]), "label": [1]})
  assert "unpacks to 1,048,7" in _replaced(tmp_path, table)
  assert (tmp_path / "test-00000-of-00001.parquet").stat().st_size < 1 << 17


def test_without_pyarrow(tmp_path, monkeypatch):
  _write(tmp_path, "mnist")
  monkeypatch.setitem(sys.modules, "pyarrow", None)
  assert "reading it needs `pip install pyarrow`" in files.error("mnist", tmp_path)
