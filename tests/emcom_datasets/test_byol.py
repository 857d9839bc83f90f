"""The BYOL sets, read from tiny prepared folders in both file formats."""

import dataclasses
from pathlib import Path
import shutil
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

import emcom_datasets
from tests.emcom_datasets import prepared

NAME = "byol_celeb_a2"


@dataclasses.dataclass
class Folders:
  array_record: Path
  tfrecord: Path


def _items(features):
  return {split: [prepared.subset(prepared.celeba_item(split, index), features)
                  for index in range(count)] for split, count in prepared.NUM_ITEMS.items()}


def _write_both(root, name, features, items):
  folder = prepared.write_array_record(root / "array_record", name, features, items)
  prepared.write_tfrecord(folder, root / "tfrecord", features, items)
  return Folders(root / "array_record", root / "tfrecord")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
  features = prepared.celeba_features()
  return _write_both(tmp_path_factory.mktemp("sets"), NAME, features, _items(features))


@pytest.fixture
def copies(folders, tmp_path):
  shutil.copytree(folders.array_record, tmp_path / "array_record")
  shutil.copytree(folders.tfrecord, tmp_path / "tfrecord")
  return Folders(tmp_path / "array_record", tmp_path / "tfrecord")


def _error(*args, **kwargs):
  """Loads and reads everything; returns the one-line message of the error this raises."""
  with pytest.raises(emcom_datasets.DataSetError) as caught:
    split = emcom_datasets.load(*args, **kwargs)
    split.take(np.arange(len(split)))
  assert "\n" not in str(caught.value)
  return str(caught.value)


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
@pytest.mark.parametrize("split", prepared.NUM_ITEMS)
def test_items_are_those_written(folders, file_format, split):
  found = emcom_datasets.load(NAME, split, data_dir=getattr(folders, file_format))
  assert len(found) == prepared.NUM_ITEMS[split]
  assert (found.resident, found.rows, found.images) == (False, None, None)
  assert found.input_shape == (prepared.WIDTH,)
  assert found.label_names == ("identity",)
  assert found.attribute_names == tuple(sorted(prepared.ATTRIBUTES))
  assert found.num_classes == {"identity": 10178, "Young": 2, "Bald": 2, "Eyeglasses": 2}
  indices = np.random.RandomState(0).permutation(np.repeat(np.arange(len(found)), 2))
  rows = found.take(indices)
  assert rows.inputs.dtype == np.float32 and rows.labels["identity"].dtype == np.int32
  items = [prepared.celeba_item(split, index) for index in indices]
  np.testing.assert_array_equal(rows.inputs, [item["logit"] for item in items])
  np.testing.assert_array_equal(rows.labels["identity"], [item["label"] for item in items])
  for key in prepared.ATTRIBUTES:
    assert rows.attributes[key].dtype == np.int32
    np.testing.assert_array_equal(
        rows.attributes[key], [item["attributes"][key] for item in items])
  assert found.item_names(indices) == [item["image_id"] for item in items]
  assert "tensorflow" not in sys.modules


def test_both_formats_give_identical_rows(folders):
  first, second = (emcom_datasets.load(NAME, "train", data_dir=folder).take(np.arange(23))
                   for folder in (folders.array_record, folders.tfrecord))
  np.testing.assert_array_equal(first.inputs, second.inputs)
  assert list(first.attributes) == list(second.attributes)
  for key, codes in (first.labels | first.attributes).items():
    np.testing.assert_array_equal(codes, (second.labels | second.attributes)[key])


def test_no_items_and_wrong_indices(folders):
  split = emcom_datasets.load(NAME, "train", data_dir=folders.tfrecord)
  rows = split.take(np.array([], np.int64))
  assert rows.inputs.shape == (0, prepared.WIDTH) and rows.labels["identity"].shape == (0,)
  with pytest.raises(IndexError):
    split.take(np.array([23]))


@pytest.mark.parametrize("stored", [
    tfds.features.Tensor(shape=(prepared.WIDTH,), dtype=np.float32),
    tfds.features.Tensor(shape=(prepared.WIDTH,), dtype=np.float32, encoding="zlib"),
    tfds.features.Tensor(shape=(prepared.WIDTH,), dtype=np.float64, encoding="bytes"),
    tfds.features.Tensor(shape=(None,), dtype=np.float32),
], ids=["plain", "zlib", "double", "open_shape"])
def test_only_features_and_a_label(tmp_path, stored):
  features = tfds.features.FeaturesDict({
      "logit": stored, "label": tfds.features.ClassLabel(num_classes=1000)})
  written = [{"logit": np.full(prepared.WIDTH, index / 7, stored.np_dtype), "label": index}
             for index in range(12)]
  both = _write_both(tmp_path, "byol_imagenet2012", features, {"valid": written})
  for folder in (both.array_record, both.tfrecord):
    split = emcom_datasets.load("byol_imagenet2012", "valid", data_dir=folder)
    assert split.num_classes == {"class": 1000} and split.attribute_names == ()
    rows = split.take(np.array([11, 4]))
    np.testing.assert_array_equal(
        rows.inputs, np.float32([[11 / 7] * prepared.WIDTH, [4 / 7] * prepared.WIDTH]))
    assert rows.labels["class"].tolist() == [11, 4] and rows.attributes == {}
    assert split.item_names(np.array([0, 1])) == [None, None]


def test_minus_one_is_an_attribute_that_is_not_set(tmp_path):
  features = tfds.features.FeaturesDict({
      "logit": tfds.features.Tensor(shape=(2,), dtype=np.float32), "label": np.int64,
      "attributes": {"Young": np.int64}})
  items = [{"logit": np.zeros(2, np.float32), "label": 0, "attributes": {"Young": value}}
           for value in (-1, 1)]
  prepared.write_array_record(tmp_path, NAME, features, {"train": items})
  rows = emcom_datasets.load(NAME, "train", data_dir=tmp_path).take(np.arange(2))
  assert rows.attributes["Young"].tolist() == [0, 1]


def test_where_the_set_is_looked_for(folders, monkeypatch, tmp_path):
  monkeypatch.setenv("TFDS_DATA_DIR", str(folders.array_record))
  monkeypatch.setenv("SOCIALIZED_LEARNING_DATA", str(tmp_path))
  message = _error(NAME, "train")
  for part in (f"{tmp_path}/{NAME}/[config/]VERSION", "SOCIALIZED_LEARNING_DATA",
               "--config.data.dir", f"{NAME}.tar.gz"):
    assert part in message
  assert len(emcom_datasets.load(NAME, "valid", data_dir=folders.tfrecord)) == 7
  monkeypatch.delenv("SOCIALIZED_LEARNING_DATA")
  assert len(emcom_datasets.load(NAME, "valid")) == 7


def test_configurations_and_versions(folders, tmp_path):
  source = folders.tfrecord / NAME / "1.0.0"
  target = tmp_path / NAME / "plain"
  shutil.copytree(source, target / "1.9.0")
  (target / "1.10.0").mkdir()
  (target / "1.10.0" / "dataset_info.json").write_text("{}")
  assert f"{target / '1.10.0'} is not a complete" in _error(NAME, "train", data_dir=tmp_path)
  shutil.rmtree(target / "1.10.0")
  assert len(emcom_datasets.load(NAME, "train", data_dir=tmp_path)) == 23
  shutil.copytree(source, tmp_path / NAME / "other" / "1.0.0")
  message = _error(NAME, "train", data_dir=tmp_path)
  assert "more than one configuration" in message and str(target) in message


def test_its_own_folder_other_cases_and_hidden_folders(folders, tmp_path):
  target = tmp_path / NAME.upper()
  shutil.copytree(folders.tfrecord / NAME, target)
  for hidden in (".1.9.9", ".config/1.9.9"):
    (target / hidden).mkdir(parents=True)
    (target / hidden / "dataset_info.json").write_text("{}")
  (version,) = (path for path in target.iterdir() if path.name[0] != ".")
  for folder in (tmp_path, target, version):
    assert len(emcom_datasets.load(NAME, "train", data_dir=folder)) == 23


def test_unknown_split_lists_those_that_exist(folders):
  message = _error(NAME, "eval", data_dir=folders.tfrecord)
  assert "'eval'" in message and "train, valid, test, test_official" in message


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "garbage", "foreign"])
def test_damaged_file_is_named(copies, file_format, damage):
  folder = getattr(copies, file_format) / NAME / "1.0.0"
  path = sorted(folder.glob("*train*"))[1]
  whole = path.read_bytes()
  path.unlink()
  if damage != "missing":
    foreign = sorted(folder.glob("*test_official*"))[0].read_bytes()
    path.write_bytes({"empty": b"", "half": whole[:len(whole) // 2],
                      "garbage": b"x" * len(whole), "foreign": foreign}[damage])
  message = _error(NAME, "train", data_dir=getattr(copies, file_format))
  assert str(path) in message
  assert len(emcom_datasets.load(NAME, "valid", data_dir=getattr(copies, file_format))) == 7


def test_damaged_payload_names_the_file_and_the_item(copies):
  path = sorted((copies.tfrecord / NAME / "1.0.0").glob("*train*"))[1]
  whole = bytearray(path.read_bytes())
  whole[12:40] = b"\xff" * 28
  path.write_bytes(whole)
  message = _error(NAME, "train", data_dir=copies.tfrecord)
  assert str(path) in message and "item 10 " in message


def test_file_that_shrinks_or_goes_while_in_use(copies):
  split = emcom_datasets.load(NAME, "train", data_dir=copies.tfrecord)
  path = sorted((copies.tfrecord / NAME / "1.0.0").glob("*train*"))[2]
  path.write_bytes(path.read_bytes()[:50])
  with pytest.raises(emcom_datasets.DataSetError, match=path.name):
    split.take(np.array([22]))
  path.unlink()
  with pytest.raises(emcom_datasets.DataSetError, match=path.name):
    split.take(np.array([22]))


def test_folder_without_features_or_with_others(copies, tmp_path):
  (copies.tfrecord / NAME / "1.0.0" / "features.json").unlink()
  assert "not a complete prepared TFDS folder" in _error(NAME, "train", data_dir=copies.tfrecord)
  features = tfds.features.FeaturesDict({"label": np.int64})
  prepared.write_array_record(tmp_path / "other", NAME, features, {"train": [{"label": 1}]})
  assert "not `logit` and `label`" in _error(NAME, "train", data_dir=tmp_path / "other")


def test_label_beyond_the_classes(tmp_path):
  features = tfds.features.FeaturesDict({
      "logit": tfds.features.Tensor(shape=(2,), dtype=np.float32), "label": np.int64})
  items = [{"logit": np.zeros(2, np.float32), "label": 1000}]
  prepared.write_array_record(tmp_path, "byol_imagenet2012", features, {"train": items})
  assert "expected 0 to 999" in _error("byol_imagenet2012", "train", data_dir=tmp_path)


def test_file_format_that_cannot_be_read(copies):
  path = copies.tfrecord / NAME / "1.0.0" / "dataset_info.json"
  path.write_text(path.read_text().replace('"tfrecord"', '"riegeli"'))
  assert "prepare it again as tfrecord or array_record" in _error(
      NAME, "train", data_dir=copies.tfrecord)
