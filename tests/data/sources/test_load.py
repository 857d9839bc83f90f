"""Which set and which format is loaded, and what is said if there is none."""

import os
import subprocess
import sys

import emcom_datasets
import numpy as np
import pytest

from socialized_learning.data import sources
from socialized_learning.platform.errors import UserError
from tests.data.sources import files
from tests.data.sources import python2

FOUND_AS = {
    "mnist": ("mnist/VERSION/ prepared by TFDS", "train-images-idx3-ubyte[.gz]", "MNIST/raw/",
              "mnist.npz"),
    "cifar10": ("cifar10/VERSION/", "cifar-10-batches-py/", "cifar-10-python.tar.gz"),
    "cifar100": ("cifar100/VERSION/", "cifar-100-python/", "cifar-100-python.tar.gz",
                 "cifar100_webp.zip"),
    "svhn": ("svhn_cropped/VERSION/", "train_32x32.mat", "test_32x32.mat"),
    "tinyimagenet": ("tiny-imagenet-200/",),
}


@pytest.fixture(autouse=True)
def _no_folder_of_this_machine(monkeypatch, tmp_path):
  monkeypatch.delenv("SOCIALIZED_LEARNING_DATA", raising=False)
  monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
  monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_names():
  assert sources.NAMES == ("mnist", "mnist5k", "emoji", "cifar10", "cifar100", "svhn", "tinyimagenet",
                           "class_folders", "task_folders")


def test_an_unknown_set(tmp_path):
  message = files.error("imagenet", tmp_path)
  assert message == ("unknown image set 'imagenet'; the known ones are mnist, mnist5k, emoji, cifar10, "
                     "cifar100, svhn, tinyimagenet, class_folders, task_folders")


def test_embedded_digits():
  found = sources.load("mnist5k")
  splits = {split: emcom_datasets.load("mnist5k", split) for split in ("train", "valid", "test")}
  files.check(found.train, np.concatenate([splits["train"].images, splits["valid"].images]),
              np.concatenate([splits[name].rows.labels["digit"] for name in ("train", "valid")]))
  files.check(found.test, splits["test"].images, splits["test"].rows.labels["digit"])
  assert found.train.images.shape == (4000, 28, 28, 1)
  assert np.bincount(found.train.labels).tolist() == [400] * 10
  assert np.bincount(found.test.labels).tolist() == [100] * 10
  assert (found.name, found.num_classes) == ("mnist5k", 10)
  assert found.kind == "real, 5,000 images of MNIST train"


@pytest.mark.parametrize("name", FOUND_AS)
def test_nothing_found_says_what_was_looked_for_and_where(tmp_path, name):
  message = files.error(name, tmp_path)
  assert f"{name}: nothing found in {tmp_path}; looked for" in message
  for part in (*FOUND_AS[name], "--config.data.dir", "SOCIALIZED_LEARNING_DATA"):
    assert part in message
  assert ("--config.data.download=True" in message) == (name != "tinyimagenet")
  assert "no folder" not in message and "which is no folder" in files.error(name, tmp_path / "no")


def test_a_set_tfds_does_not_have_is_not_downloaded(tmp_path):
  assert "TFDS has no such set" in files.error("tinyimagenet", tmp_path, download=True)


def test_where_sets_are_looked_for(monkeypatch, tmp_path):
  folders = [tmp_path / name for name in ("argument", "ours", "tfds")]
  for number, folder in enumerate(folders, start=1):
    files.write_idx(folder, train=number)
  monkeypatch.setenv("SOCIALIZED_LEARNING_DATA", str(folders[1]))
  monkeypatch.setenv("TFDS_DATA_DIR", str(folders[2]))
  size = lambda **kwargs: len(sources.load("mnist", **kwargs).train.labels)
  assert (size(data_dir=str(folders[0])), size(), size(data_dir="")) == (1, 2, 2)
  monkeypatch.delenv("SOCIALIZED_LEARNING_DATA")
  assert size() == 3
  monkeypatch.delenv("TFDS_DATA_DIR")
  with pytest.raises(UserError, match=f"{tmp_path}/home/tensorflow_datasets, which is no folder"):
    sources.load("mnist")
  files.write_idx(tmp_path / "home", train=4)
  assert size(data_dir="~") == 4
  monkeypatch.chdir(folders[0])
  assert size(data_dir=".") == 1


def test_a_set_is_read_once(tmp_path):
  files.write_idx(tmp_path)
  found = sources.load("mnist", data_dir=tmp_path)
  assert sources.load("mnist", data_dir=str(tmp_path)) is found
  (tmp_path / "train-images-idx3-ubyte").unlink()
  assert sources.load("mnist", data_dir=tmp_path) is found


def test_what_was_wrong_can_be_put_right_in_the_same_process(tmp_path):
  files.error("mnist", tmp_path)
  files.write_idx(tmp_path)
  assert len(sources.load("mnist", data_dir=tmp_path).train.labels) == 7


def test_official_files_come_before_a_single_file(tmp_path):
  files.write_mnist_npz(tmp_path)
  files.write_idx(tmp_path)
  assert len(sources.load("mnist", data_dir=tmp_path).train.labels) == 7
  (tmp_path / "cifar100_webp.zip").write_bytes(b"damaged")
  python2.write_folder(tmp_path / "cifar-100-python", {
      name: {"data": files.pixels(0, 2, 3072), "fine_labels": [98, 99]}
      for name in ("train", "test")})
  assert sources.load("cifar100", data_dir=tmp_path).train.labels.tolist() == [98, 99]


def test_a_prepared_folder_that_is_not_complete_is_passed_over_with_a_note(tmp_path, capsys):
  files.write_idx(tmp_path)
  (tmp_path / "mnist" / "no_version").mkdir(parents=True)
  assert len(sources.load("mnist", data_dir=tmp_path).train.labels) == 7
  assert not capsys.readouterr().err
  other = tmp_path / "other"
  files.write_idx(other)
  (other / "mnist" / "3.0.1").mkdir(parents=True)
  (other / "mnist" / "3.0.1" / "dataset_info.json").write_text("{}")
  assert len(sources.load("mnist", data_dir=other).train.labels) == 7
  note = capsys.readouterr().err
  assert note.startswith("note: ") and note.count("\n") == 1
  assert "not a complete prepared TFDS folder" in note
  assert f"mnist was read from {other / 'train-images-idx3-ubyte'} instead" in note


def _with_sizes(name, *num_images):
  """A set that is complete with so few images."""
  this = sources._SETS[name]
  return this._replace(spec=this.spec._replace(num_images=num_images))


def test_part_of_a_set_says_so(tmp_path, monkeypatch):
  files.write_idx(tmp_path)
  assert sources.load("mnist", data_dir=tmp_path).kind == (
      "real, but 7 + 4 images instead of 60,000 + 10,000")
  monkeypatch.setitem(sources._SETS, "mnist", _with_sizes("mnist", 5, 4))
  files.write_idx(tmp_path / "whole", train=5)
  assert sources.load("mnist", data_dir=tmp_path / "whole").kind == "real"


def test_more_images_than_the_set_has(tmp_path, monkeypatch):
  files.write_idx(tmp_path)
  monkeypatch.setitem(sources._SETS, "mnist", _with_sizes("mnist", 6, 4))
  assert files.error("mnist", tmp_path) == (
      f"{tmp_path / 'train-images-idx3-ubyte'}: holds 7 training images, mnist has 6; it is another set")


def test_folders_that_must_not_be_listed(tmp_path, monkeypatch):
  """One of somebody else is passed over, as lost+found is in the root of every disk."""
  files.write_idx(tmp_path / "mine" / "MNIST")
  (tmp_path / "lost+found").mkdir()
  listed = os.scandir
  forbidden = [tmp_path / "lost+found"]

  def scandir(path):
    if path in forbidden:
      raise PermissionError(13, "Permission denied", str(path))
    return listed(path)

  monkeypatch.setattr("emcom_datasets.listing.os.scandir", scandir)
  assert len(sources.load("mnist", data_dir=tmp_path).train.labels) == 7
  forbidden.append(tmp_path)
  assert files.error("cifar10", tmp_path) == (
      f"cifar10: {tmp_path}: cannot be listed (Permission denied)")


def test_importing_costs_no_more_than_numpy():
  program = ("import sys; from socialized_learning.data import sources; "
             "print([name for name in ('jax', 'scipy', 'PIL', 'tensorflow_datasets', 'tensorflow') "
             "if name in sys.modules])")
  done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
  assert done.stdout.strip() == "[]"
