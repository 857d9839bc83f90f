"""Sets prepared by TensorFlow Datasets (TFDS), read without TensorFlow, and their download.

Folders and files are found and read as those of `emcom_datasets`, TFRecord and ArrayRecord alike.
"""

import functools
import io
from pathlib import Path
from typing import Any

from emcom_datasets import byol
from emcom_datasets import tfds_folder
from emcom_datasets.errors import one_line
from emcom_datasets.listing import Folder
from emcom_datasets.shards import Shards
import numpy as np

from socialized_learning.data.sources.places import known_as
from socialized_learning.data.sources.source import check_images
from socialized_learning.data.sources.source import check_number
from socialized_learning.data.sources.source import decode
from socialized_learning.data.sources.source import Format
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Spec
from socialized_learning.platform.errors import UserError

_CHUNK = 4096  # Records in memory at once.


def prepared_format(name: str) -> Format:
  """Returns the format of the set that TFDS calls `name`."""
  return Format(f"{name}/VERSION/ prepared by TFDS", functools.partial(_read, name), is_nested=False)


def download(name: str, root: Path) -> None:
  """Has TFDS download a set and prepare it in the folder `root`, as ArrayRecord files.

  Only for this, not for reading, TFDS itself needs TensorFlow.

  Raises:
    UserError: it could not, for whatever reason.
  """
  try:
    import tensorflow_datasets as tfds  # pylint: disable=g-import-not-at-top
    tfds.builder(name, data_dir=str(root)).download_and_prepare(file_format="array_record")
  except ImportError as error:
    raise UserError(
        f"{name}: to prepare a set TFDS needs `pip install tensorflow importlib_resources` "
        f"({one_line(error)}); or put its official files into {root}, which are read without "
        "them") from error
  except Exception as error:  # No connection, no space, a file that has moved: each its own kind.
    raise UserError(f"{name}: TFDS could not download and prepare it in {root} "
                    f"({one_line(error)}); or put its official files there") from error


def _read(name: str, folder: Folder, spec: Spec) -> tuple[Part, Part] | None:
  """Returns train and test; raises UserError or DataSetError for missing or other files."""
  if not folder.path.is_dir():  # TFDS reads no archives.
    return None
  # A data folder of TFDS holds many sets, which are no configurations of this one.
  is_of_set = known_as(folder.path.name) in spec.aliases
  version = byol.highest_version(name, folder, with_configs=is_of_set)
  if version is None:
    return None
  info = _read_info(name, version)
  for split in ("train", "test"):
    if split not in info.splits:
      raise UserError(f"{version}: holds the splits {', '.join(info.splits)}, but not {split}; "
                      "prepare it again with all splits")
  train, test = (_part(info, split, version, spec) for split in ("train", "test"))
  return train, test


def _read_info(name: str, folder: Path) -> Any:
  """Returns TFDS's `DatasetInfo` of a prepared folder of labelled images."""
  info = tfds_folder.read_info(name, folder, repair="copy or prepare it again")
  features = info.features
  # Not an image, or one of any size: then it is not a set this package knows.
  if not ({"image", "label"} <= set(features)
          and None not in (getattr(features["image"], "shape", None) or (None,))):
    raise UserError(f"{name}: {folder} has the features {', '.join(sorted(features))}, expected "
                    "`image`, of one size, and `label`; it is another set of that name")
  return info


def _part(info: Any, split: str, folder: Path, spec: Spec) -> Part:
  """Returns one split, in the order of its files.

  Raises:
    DataSetError: a file is missing or damaged.
    UserError: a record does not hold an image and a label, or there are more than the set has.
  """
  # pylint: disable-next=g-import-not-at-top
  from tensorflow_datasets.proto import tf_example_pb2
  found = info.splits[split]
  shards = Shards(found.filepaths, found.shard_lengths, info.file_format.value)
  check_number(len(shards), spec, ("train", "test").index(split), folder / split)
  shape = info.features["image"].shape
  check_images(np.broadcast_to(np.uint8(0), (len(shards), *shape)), spec.shape, folder / split)
  images = np.empty((len(shards), *shape), np.uint8)
  labels = np.empty(len(shards), np.int64)
  for start in range(0, len(shards), _CHUNK):
    indices = np.arange(start, min(start + _CHUNK, len(shards)))
    for index, record in zip(indices.tolist(), shards.read(indices), strict=True):
      try:
        # TFDS's own decoder takes 1.6 times as long, and asks for OpenCV.
        stored = tf_example_pb2.Example.FromString(record).features.feature
        images[index] = decode(io.BytesIO(stored["image"].bytes_list.value[0]), spec.mode, shape)
        labels[index] = stored["label"].int64_list.value[0]
      except Exception as error:  # Protocol buffers and Pillow raise many kinds.
        raise UserError(f"{shards.path_of(index)}: item {index} of {split} cannot be decoded "
                        f"({one_line(error)}); copy or prepare the set again") from error
  return Part(images, labels, folder / split)
