"""BYOL features of ImageNet and CelebA, from folders prepared by TensorFlow Datasets (TFDS).

These are the sets of "Emergent Communication at Scale" (Chaabouni et al., ICLR 2022): for each
picture `logit`, the 2048 features of a BYOL ResNet-50, and `label`; CelebA also has `attributes`,
`landmarks` and `image_id`. They are read item by item, without TensorFlow, both as TFRecord (the
published archives) and as ArrayRecord files. Features this module does not name, such as the
picture itself, are never decoded.
"""

from collections.abc import Callable, Iterator
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emcom_datasets import listing
from emcom_datasets import tfds_folder
from emcom_datasets.decoding import make_decoder
from emcom_datasets.decoding import subset
from emcom_datasets.errors import DataSetError
from emcom_datasets.errors import one_line
from emcom_datasets.shards import Shards
from emcom_datasets.splits import checked_indices
from emcom_datasets.splits import Rows
from emcom_datasets.splits import Split

DATA_VARIABLE = "SOCIALIZED_LEARNING_DATA"
_ARCHIVES = "https://storage.googleapis.com/dm_emcom_at_scale_dataset"


class _Label(NamedTuple):
  name: str
  num_classes: int


LABELS = {
    "byol_imagenet2012": _Label("class", 1000),
    "byol_celeb_a2": _Label("identity", 10178),
}


def load(name: str, split: str, *, data_dir: str | None = None) -> Split:
  """Opens one split of a prepared set; see `emcom_datasets.load`.

  Opening walks once over all records of TFRecord files (for the training split of ImageNet, 1.3
  million records: seconds when cached, else as long as the disk needs to seek them).

  Raises:
    DataSetError: the set, the split or one of its files is missing, damaged or of a kind that
      cannot be read.
  """
  folder = find_prepared(name, data_dir)
  info = _read_info(name, folder)
  if split not in info.splits:
    raise DataSetError(
        f"{name} has no split {split!r} in {folder}; its splits are {', '.join(info.splits)}")
  found = info.splits[split]
  shards = Shards(found.filepaths, found.shard_lengths, info.file_format.value)
  return _RecordSplit(name, split, shards, info.features)


def find_prepared(name: str, data_dir: str | None = None) -> Path:
  """Returns the folder `DATA/name/[config/]VERSION` of the highest version.

  Args:
    name: of the set.
    data_dir: `DATA`; by default the environment variable SOCIALIZED_LEARNING_DATA, then TFDS's own
      default (TFDS_DATA_DIR, else ~/tensorflow_datasets).

  Raises:
    DataSetError: there is none, or several configurations have one.
  """
  root = Path(os.path.expanduser(
      data_dir or os.environ.get(DATA_VARIABLE) or os.environ.get("TFDS_DATA_DIR")
      or "~/tensorflow_datasets"))
  found = None
  if root.is_dir():
    top = listing.on_disk(root)
    of_set = top.folder(name)
    found = highest_version(name, of_set or top, with_configs=bool(of_set) or root.name.lower() == name)
  if found is None:
    raise DataSetError(
        f"{name}: no prepared TFDS folder {root / name}/[config/]VERSION with dataset_info.json; "
        f"unpack {_ARCHIVES}/{name}.tar.gz into {root}, or name the folder that holds {name}/ with "
        f"{DATA_VARIABLE} or --config.data.dir")
  return found


def highest_version(name: str, folder: listing.Folder, with_configs: bool) -> Path | None:
  """Returns the highest prepared version in the folder of a set, if there is any.

  Args:
    name: of the set, for errors.
    folder: of the set, which holds VERSION/; or a version itself.
    with_configs: whether it may also hold CONFIG/VERSION/.

  Raises:
    DataSetError: several configurations are prepared, or a folder cannot be listed.
  """
  if _is_version(folder):
    return folder.path
  parents = (folder, *folder.folders.values()) if with_configs else (folder,)
  found = {parent.path: versions for parent in parents
           if (versions := [below.path for below in parent.folders.values() if _is_version(below)])}
  if len(found) > 1:
    raise DataSetError(f"{name}: more than one configuration is prepared "
                       f"({', '.join(map(str, found))}); keep the one to use under that name")
  return max(next(iter(found.values())), key=_version) if found else None


def _is_version(folder: listing.Folder) -> bool:
  # Looked at only if the name fits: the data folder may hold folders that cannot be listed.
  return bool(_version(folder.path)) and folder.file("dataset_info.json") is not None


def _version(folder: Path) -> tuple[int, ...]:
  """Returns `1.10.0` as (1, 10, 0), and () for a folder that is no version."""
  parts = folder.name.split(".")
  return tuple(map(int, parts)) if len(parts) == 3 and all(map(str.isdecimal, parts)) else ()


def _read_info(name: str, folder: Path) -> Any:
  """Returns TFDS's `DatasetInfo` of a prepared folder."""
  info = tfds_folder.read_info(name, folder, repair="copy or unpack it again")
  if not {"logit", "label"} <= set(info.features):
    raise DataSetError(f"{name}: {folder} has the features {', '.join(sorted(info.features))}, but "
                       "not `logit` and `label`; it is another set of that name")
  return info


class _RecordSplit(Split):
  """A split read on demand: records are fetched by index, and only needed features decoded."""

  resident = False

  def __init__(self, name: str, split: str, shards: Shards, features: Any):
    """Decodes the first item, to know its shape and how records are stored.

    Args:
      name: of the set.
      split: of the set.
      shards: its records.
      features: TFDS's description of a record.
    """
    if not len(shards):
      raise DataSetError(f"{name}: the split {split!r} is empty")
    self._shards = shards
    self._label = LABELS[name]
    self._image_id = subset(features, ("image_id",)) if "image_id" in features else None
    attributes = _attribute_names(features, shards.path_of(0))
    first = np.zeros(1, np.int64)
    make = lambda record: make_decoder(features, attributes, record)
    self._decode, = self._each(make, first, shards.read(first))
    item, = self._each(self._decode, first, shards.read(first))
    super().__init__(
        name, split, input_shape=item.logit.shape, label_names=(self._label.name,),
        attribute_names=attributes,
        num_classes={self._label.name: self._label.num_classes} | {key: 2 for key in attributes})

  def __len__(self) -> int:
    return len(self._shards)

  def take(self, indices: np.ndarray) -> Rows:
    indices = checked_indices(indices, len(self))
    inputs = np.empty((len(indices), *self.input_shape), np.float32)
    labels = np.empty(len(indices), np.int32)
    flags = np.empty((len(self.attribute_names), len(indices)), np.int32)
    for row, item in enumerate(self._each(self._decode, indices, self._shards.read(indices))):
      inputs[row], labels[row], flags[:, row] = item
    # A one-hot code of a label beyond the classes is all zeros, which nothing later would notice.
    if labels.size and not 0 <= labels.min() <= labels.max() < self._label.num_classes:
      raise DataSetError(f"{self.name}: labels from {labels.min()} to {labels.max()}, expected "
                         f"0 to {self._label.num_classes - 1}; it is another set of that name")
    return Rows(inputs, {self._label.name: labels}, dict(zip(self.attribute_names, flags)))

  def item_names(self, indices: np.ndarray) -> list[str | None]:
    indices = checked_indices(indices, len(self))
    if self._image_id is None:
      return [None] * len(indices)
    decode = self._image_id.deserialize_example_np
    names = [item["image_id"] for item in self._each(decode, indices, self._shards.read(indices))]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]

  def _each(self, function: Callable[[bytes], Any], indices: np.ndarray,
            records: list[bytes]) -> Iterator[Any]:
    """Applies `function` to records; what fails becomes an error that names the file."""
    for index, record in zip(indices, records, strict=True):
      try:
        result = function(record)
      except Exception as error:  # Protocol buffers and TFDS raise many kinds for damaged bytes.
        raise DataSetError(
            f"{self._shards.path_of(index)}: item {index} of the split cannot be decoded "
            f"({one_line(error)}); copy or unpack the set again") from error
      yield result


def _attribute_names(features: Any, path: Path) -> tuple[str, ...]:
  """Returns the names of the attributes in alphabetical order: TFDS keeps none between runs."""
  if "attributes" not in features:
    return ()
  if not isinstance(features["attributes"], type(features)):
    raise DataSetError(f"{path.parent}: the feature `attributes` is not a dictionary of flags")
  return tuple(sorted(features["attributes"]))
