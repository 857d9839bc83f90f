"""Writes tiny prepared sets, both as ArrayRecord and as TFRecord files, without TensorFlow."""

import io
import json
from pathlib import Path
import shutil
import struct

import numpy as np
from PIL import Image
import tensorflow_datasets as tfds

from emcom_datasets.tfrecord import masked_crc32c

WIDTH = 24
NUM_ITEMS = {"train": 23, "valid": 7, "test": 8, "test_official": 5}
ATTRIBUTES = ("Young", "Bald", "Eyeglasses")
_SHARD_ITEMS = 10


def celeba_features() -> tfds.features.FeaturesDict:
  """Features of the CelebA set, with a picture that nothing needs."""
  flag = tfds.features.Tensor(shape=(), dtype=np.bool_)
  return tfds.features.FeaturesDict({
      "logit": tfds.features.Tensor(shape=(WIDTH,), dtype=np.float32),
      "label": tfds.features.Tensor(shape=(), dtype=np.int64),
      "attributes": {name: flag for name in ATTRIBUTES},
      "landmarks": {"lefteye_x": np.int64},
      "image_id": tfds.features.Text(),
      "image": tfds.features.Image(shape=(4, 4, 3)),
  })


def celeba_item(split: str, index: int) -> dict:
  """Item `index` of a split, the same each time."""
  random = np.random.RandomState(1000 * list(NUM_ITEMS).index(split) + index)
  return {
      "logit": random.normal(size=WIDTH).astype(np.float32),
      "label": random.randint(10178),
      "attributes": {name: bool(random.randint(2)) for name in ATTRIBUTES},
      "landmarks": {"lefteye_x": 3},
      "image_id": f"{split}_{index:06d}.jpg",
      "image": _png(random.randint(256, size=(4, 4, 3)).astype(np.uint8)),
  }


def _png(image: np.ndarray) -> bytes:
  # Given pixels, TFDS would encode them with TensorFlow.
  file = io.BytesIO()
  Image.fromarray(image).save(file, "PNG")
  return file.getvalue()


def subset(item: dict, features: tfds.features.FeaturesDict) -> dict:
  return {name: item[name] for name in features}


def write_array_record(data_dir: Path, name: str, features: tfds.features.FeaturesDict,
                       items: dict[str, list[dict]], version: str = "1.0.0") -> Path:
  """Writes a prepared set with TFDS's own writer; returns its folder."""
  folder = data_dir / name / version
  folder.mkdir(parents=True)
  identity = tfds.core.dataset_info.DatasetIdentity(
      name=name, version=tfds.core.Version(version), data_dir=str(folder), module_name="test")
  info = tfds.core.DatasetInfo(builder=identity, features=features)
  writer = tfds.core.SequentialWriter(info, _SHARD_ITEMS, file_format="array_record")
  writer.initialize_splits(list(items))
  writer.add_examples(items)
  writer.close_all()
  return folder


def tfrecord_bytes(records: list[bytes]) -> bytes:
  """Frames records as a TFRecord file."""
  framed = []
  for record in records:
    length = struct.pack("<Q", len(record))
    framed += [length, struct.pack("<I", masked_crc32c(length)), record,
               struct.pack("<I", masked_crc32c(record))]
  return b"".join(framed)


def write_tfrecord(array_record: Path, data_dir: Path, features: tfds.features.FeaturesDict,
                   items: dict[str, list[dict]]) -> Path:
  """Writes the same set as TFRecord files, as TFDS of 2022 did; returns its folder."""
  name, version = array_record.parent.name, array_record.name
  folder = data_dir / name / version
  folder.mkdir(parents=True)
  shutil.copy(array_record / "features.json", folder)
  info = json.loads((array_record / "dataset_info.json").read_text())
  info["fileFormat"] = "tfrecord"
  for split in info["splits"]:
    del split["filepathTemplate"]
    records = [features.serialize_example(item) for item in items[split["name"]]]
    num_shards = len(split["shardLengths"])
    for shard in range(num_shards):
      path = folder / f"{name}-{split['name']}.tfrecord-{shard:05d}-of-{num_shards:05d}"
      path.write_bytes(tfrecord_bytes(records[shard * _SHARD_ITEMS:(shard + 1) * _SHARD_ITEMS]))
  (folder / "dataset_info.json").write_text(json.dumps(info))
  return folder
