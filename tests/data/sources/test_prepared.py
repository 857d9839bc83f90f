"""Sets prepared by TensorFlow Datasets, read without TensorFlow, and their download."""

import json
from pathlib import Path
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from socialized_learning.data import sources
from tests.data.sources import files
from tests.emcom_datasets import prepared

# As TFDS calls them, with the shape of an image.
SETS = {"mnist": ("mnist", (28, 28, 1), 10), "cifar10": ("cifar10", (32, 32, 3), 10),
        "cifar100": ("cifar100", (32, 32, 3), 100), "svhn": ("svhn_cropped", (32, 32, 3), 10)}
SIZES = {"train": 23, "test": 8, "extra": 2}


def _made(name, split):
  images = files.pixels(SIZES[split], SIZES[split], *SETS[name][1])
  return images, np.arange(SIZES[split]) % SETS[name][2]


def _write(root, name, **changes):
  """Writes a set as ArrayRecord and as TFRecord; `changes` are other features."""
  tfds_name, shape, num_classes = SETS[name]
  features = tfds.features.FeaturesDict({
      "id": tfds.features.Text(), "image": tfds.features.Image(shape=shape),
      "label": tfds.features.ClassLabel(num_classes=num_classes)} | changes)
  items = {}
  for split in SIZES:
    pairs = zip(*_made(name, split))
    items[split] = [prepared.subset({"id": "x", "image": files.encoded(image.squeeze()),
                                     "label": int(label), "logit": [1.]}, features)
                    for image, label in pairs]
  folder = prepared.write_array_record(root / "array_record", tfds_name, features, items, "3.0.2")
  prepared.write_tfrecord(folder, root / "tfrecord", features, items)


@pytest.fixture(scope="module", name="roots")
def _roots(tmp_path_factory):
  root = tmp_path_factory.mktemp("prepared")
  for name in SETS:
    _write(root, name)
  return root


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
@pytest.mark.parametrize("name", SETS)
def test_images_and_labels_are_those_written(roots, name, file_format):
  found = sources.load(name, data_dir=roots / file_format)
  files.check(found.train, *_made(name, "train"))
  files.check(found.test, *_made(name, "test"))
  assert found.num_classes == SETS[name][2]
  assert "tensorflow" not in sys.modules


def test_more_records_than_are_read_at_once(roots, monkeypatch, tmp_path):
  shutil.copytree(roots / "tfrecord", tmp_path / "data")
  monkeypatch.setattr(sources.prepared, "_CHUNK", 5)
  files.check(sources.load("mnist", data_dir=tmp_path / "data").train, *_made("mnist", "train"))


def test_the_highest_version_is_taken(roots, tmp_path):
  shutil.copytree(roots / "array_record" / "mnist", tmp_path / "mnist")
  (tmp_path / "mnist" / "3.0.2").rename(tmp_path / "mnist" / "3.0.9")
  (tmp_path / "mnist" / "3.0.10").mkdir()
  (tmp_path / "mnist" / "3.0.10" / "dataset_info.json").write_text("{}")
  assert "3.0.10 is not a complete prepared TFDS folder" in files.error("mnist", tmp_path)


def test_two_configurations(roots, tmp_path):
  for config in ("one", "two"):
    shutil.copytree(roots / "array_record" / "mnist", tmp_path / "mnist" / config)
  assert "more than one configuration" in files.error("mnist", tmp_path)
  shutil.rmtree(tmp_path / "mnist" / "two")
  assert len(sources.load("mnist", data_dir=tmp_path).test.labels) == 8


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
@pytest.mark.parametrize("damage", ["missing", "half", "garbage"])
def test_a_damaged_file_is_named(roots, tmp_path, file_format, damage):
  shutil.copytree(roots / file_format, tmp_path / "data")
  path = sorted((tmp_path / "data").glob("mnist/*/*train*"))[1]
  whole = path.read_bytes()
  path.unlink()
  if damage != "missing":
    path.write_bytes(whole[:len(whole) // 2] if damage == "half" else b"x" * len(whole))
  assert str(path) in files.error("mnist", tmp_path / "data")


def test_a_damaged_record_is_named(roots, tmp_path):
  shutil.copytree(roots / "tfrecord", tmp_path / "data")
  path = sorted((tmp_path / "data").glob("mnist/*/*train*"))[1]
  whole = bytearray(path.read_bytes())
  whole[100:140] = b"\xff" * 40
  path.write_bytes(whole)
  message = files.error("mnist", tmp_path / "data")
  assert str(path) in message and "item 10 of train cannot be decoded" in message


def test_a_missing_split(roots, tmp_path):
  shutil.copytree(roots / "tfrecord", tmp_path / "data")
  path = tmp_path / "data" / "mnist" / "3.0.2" / "dataset_info.json"
  info = json.loads(path.read_text())
  info["splits"] = [split for split in info["splits"] if split["name"] != "test"]
  path.write_text(json.dumps(info))
  assert "but not test" in files.error("mnist", tmp_path / "data")


def test_another_set_of_that_name(tmp_path):
  _write(tmp_path / "a", "mnist", image=tfds.features.Image(shape=(None, None, 1)))
  assert "of one size" in files.error("mnist", tmp_path / "a" / "array_record")
  _write(tmp_path / "b", "mnist", image=tfds.features.Image(shape=(28, 20, 1)))
  message = files.error("mnist", tmp_path / "b" / "tfrecord")
  assert "train: its images are uint8 28 x 20 x 1, expected uint8 28 x 28 x 1" in message


def test_a_set_under_the_name_of_another(roots, tmp_path):
  shutil.copytree(roots / "tfrecord" / "cifar100", tmp_path / "cifar10")
  assert "labels from 0 to 22, expected 0 to 9" in files.error("cifar10", tmp_path)
  shutil.copytree(roots / "tfrecord" / "mnist", tmp_path / "cifar100")
  message = files.error("cifar100", tmp_path)
  assert "its images are uint8 28 x 28 x 1, expected uint8 32 x 32 x 3" in message


def test_without_the_features_of_a_picture(tmp_path):
  features = tfds.features.FeaturesDict({"logit": tfds.features.Tensor(shape=(1,),
                                                                       dtype=np.float32)})
  items = {"train": [{"logit": np.zeros(1, np.float32)}]}
  prepared.write_array_record(tmp_path, "mnist", features, items)
  message = files.error("mnist", tmp_path)
  assert "has the features logit, expected `image`, of one size, and `label`" in message


class _Builder:
  """Stands for a TFDS builder, which needs a connection."""

  def __init__(self, prepare):
    self.prepare = prepare

  def download_and_prepare(self, *, file_format):
    assert file_format == "array_record"
    self.prepare()


def _replace_builder(monkeypatch, prepare):
  asked = []

  def builder(name, data_dir):
    asked.append((name, data_dir))
    return _Builder(lambda: prepare(Path(data_dir)))

  monkeypatch.setattr(tfds, "builder", builder)
  return asked


def test_download_prepares_what_is_then_read(roots, monkeypatch, tmp_path):
  asked = _replace_builder(monkeypatch, lambda root: shutil.copytree(
      roots / "array_record" / "svhn_cropped", root / "svhn_cropped"))
  assert "--config.data.download=True" in files.error("svhn", tmp_path)
  found = sources.load("svhn", data_dir=tmp_path, download=True)
  files.check(found.train, *_made("svhn", "train"))
  assert asked == [("svhn_cropped", str(tmp_path))]
  assert sources.load("svhn", data_dir=tmp_path, download=True) is found
  assert len(asked) == 1


def test_nothing_is_downloaded_if_something_is_there(monkeypatch, tmp_path):
  asked = _replace_builder(monkeypatch, lambda root: None)
  files.write_mnist_npz(tmp_path)
  assert len(sources.load("mnist", data_dir=tmp_path, download=True).train.labels) == 5
  assert not asked


@pytest.mark.parametrize("raised, part", [
    (ConnectionError("no route\nto host"), "could not download and prepare it in"),
    (AssertionError("Not enough disk space"), "Not enough disk space"),
    (ModuleNotFoundError("No module named 'tensorflow'"), "pip install tensorflow"),
])
def test_a_download_that_fails_is_said_in_one_line(monkeypatch, tmp_path, raised, part):

  def prepare(root):
    raise raised

  _replace_builder(monkeypatch, prepare)
  message = files.error("cifar100", tmp_path, download=True)
  assert message.startswith("cifar100: ") and part in message and "official files" in message


def test_a_download_that_leaves_nothing(monkeypatch, tmp_path):
  _replace_builder(monkeypatch, lambda root: None)
  assert "nothing found" in files.error("cifar100", tmp_path, download=True)


def test_without_tfds_official_files_are_read_and_prepared_ones_are_not(roots, tmp_path):
  """In a process of its own, since TFDS stays imported."""
  files.write_mnist_npz(tmp_path)
  program = """
import sys
sys.modules["tensorflow_datasets"] = None
from socialized_learning.data import sources
from socialized_learning.platform.errors import UserError
print(len(sources.load("mnist", data_dir=sys.argv[1]).train.labels))
for kwargs in ({"data_dir": sys.argv[2]}, {"data_dir": sys.argv[3], "download": True}):
  try:
    sources.load("mnist", **kwargs)
  except UserError as error:
    print(error)
"""
  done = subprocess.run(
      [sys.executable, "-c", program, str(tmp_path), str(roots / "tfrecord"), str(tmp_path / "no")],
      capture_output=True, text=True, check=True)
  first, second, third = done.stdout.splitlines()
  assert first == "5" and "needs `pip install tensorflow-datasets`" in second
  assert "pip install tensorflow" in third
