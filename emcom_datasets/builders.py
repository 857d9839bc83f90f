"""TFDS builders of the BYOL sets: ArrayRecord files, written without TensorFlow.

They are shard-based, TFDS's kind for sets that keep the order of their source. The generator-based
kind sorts each split before it is written, and beyond 1 GB (the training splits of both real sets)
does so with TensorFlow; see `tensorflow_datasets.core.shuffle`. The builders are not registered
with TFDS, since they need the features of the images; what they have written is read by
`emcom_datasets.load` or by `tfds.builder_from_directory`.
"""

from collections.abc import Callable, Iterator
import functools
import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
import tensorflow_datasets as tfds

from emcom_datasets import image_features
from emcom_datasets.byol import LABELS
from emcom_datasets.errors import DataSetError
from emcom_datasets.errors import one_line
from emcom_datasets.image_sets import ImageSet
from emcom_datasets.progress import Progress

_SHARD_BYTES = 64 << 20  # TFDS's own choice; a shard passes through memory.


class Contents(NamedTuple):
  """What a set is written from."""
  images: ImageSet
  features: np.ndarray  # [N, D] floats, perhaps mapped from a file
  made_by: str  # what made the features, for the description of the set
  folder: Path | None = None  # of the images, if the set is to hold them


class _ByolBuilder(tfds.core.ShardBasedBuilder, skip_registration=True):
  """What both sets share; TFDS takes a set's name from its class."""

  VERSION = tfds.core.Version("1.0.0")
  # Nothing is downloaded. To look for checksums of downloads beside this file, TFDS would need
  # importlib_resources, which does not come with it.
  url_infos = None

  def __init__(self, contents: Contents, *, data_dir: Path):
    if contents.images.name != self.name:
      raise ValueError(f"{self.name} cannot hold {contents.images.name}")
    self._contents = contents
    super().__init__(data_dir=data_dir, file_format="array_record")

  def _info(self) -> tfds.core.DatasetInfo:
    images, features, made_by, _ = self._contents
    return _Info(
        builder=self,
        description=f"{len(images.images):,} images, each as {features.shape[1]} features made by "
                    f"{made_by}. Built by emcom_datasets.build: not the published archive.",
        features=describe(self._contents),
        disable_shuffling=True)

  def _shard_iterators_per_split(self, dl_manager: Any) -> dict[str, list[Callable[[], Iterator]]]:
    del dl_manager
    splits = self._contents.images.splits
    num_items = max(1, _SHARD_BYTES // _item_bytes(self._contents))  # Of a shard.
    progress = Progress("wrote", sum(map(len, splits.values())), "items")
    return {split: [functools.partial(self._examples, indices[start:start + num_items], progress)
                    for start in range(0, len(indices), num_items)]
            for split, indices in splits.items()}

  def _examples(self, indices: np.ndarray, progress: Progress) -> Iterator[tuple[int, dict]]:
    for index in indices.tolist():
      yield index, item(self._contents, index)
      progress.add(1)

  def _log_download_bytes(self) -> None:
    """Says nothing: there is no download, and the folder is a temporary one."""

  _log_download_done = _log_download_bytes


class ByolCelebA2(_ByolBuilder, skip_registration=True):
  """`byol_celeb_a2`: features of CelebA, with identity, attributes, landmarks and file name."""


class ByolImagenet2012(_ByolBuilder, skip_registration=True):
  """`byol_imagenet2012`: features of ImageNet, with class and file name."""


class _Info(tfds.core.DatasetInfo):

  def initialize_from_bucket(self) -> None:
    """Looks nothing up online, for which TFDS would leave an empty folder behind."""


BUILDERS = {builder.name: builder for builder in (ByolCelebA2, ByolImagenet2012)}


def write(contents: Contents, data_dir: Path) -> Path:
  """Writes the set to `data_dir/NAME/VERSION`; returns that folder.

  Raises:
    DataSetError: an image cannot be read, or a record file not be written.
    OSError: the folder cannot be written.
  """
  builder = BUILDERS[contents.images.name](contents, data_dir=data_dir)
  try:
    builder.download_and_prepare()
  except RuntimeError as error:  # As ArrayRecord says that the disk is full.
    raise DataSetError(f"{data_dir}: cannot be written ({one_line(error)})") from error
  return Path(builder.data_dir)


def describe(contents: Contents) -> tfds.features.FeaturesDict:
  """Returns TFDS's description of an item; dictionaries that would be empty are left out."""
  images = contents.images
  described = {
      "logit": tfds.features.Tensor(shape=contents.features.shape[1:], dtype=np.float32),
      "label": tfds.features.ClassLabel(num_classes=LABELS[images.name].num_classes),
      "image_id": tfds.features.Text(),
  }
  if images.attributes:
    described["attributes"] = {name: np.bool_ for name in images.attributes}
  if images.landmarks:
    described["landmarks"] = {name: np.int64 for name in images.landmarks}
  if contents.folder is not None:
    side = image_features.SIDE
    described["image"] = tfds.features.Image(shape=(side, side, 3), encoding_format="png")
  return tfds.features.FeaturesDict(described)


def item(contents: Contents, index: int) -> dict[str, Any]:
  """Returns the item of image `index` of the order."""
  images = contents.images
  found = {
      "logit": np.asarray(contents.features[index], np.float32),
      "label": int(images.labels[index]),
      "image_id": images.images[index],
  }
  if images.attributes:
    found["attributes"] = {name: bool(column[index]) for name, column in images.attributes.items()}
  if images.landmarks:
    found["landmarks"] = {name: int(column[index]) for name, column in images.landmarks.items()}
  if contents.folder is not None:
    found["image"] = _png(image_features.load_image(contents.folder / images.images[index]))
  return found


def _png(image: np.ndarray) -> bytes:
  # Given pixels, TFDS would encode them with TensorFlow.
  file = io.BytesIO()
  Image.fromarray(image).save(file, "PNG")
  return file.getvalue()


def _item_bytes(contents: Contents) -> int:
  """Returns about how many bytes an item takes; an image as if not compressed."""
  pixels = 3 * image_features.SIDE ** 2 if contents.folder is not None else 0
  flags = 32 * (len(contents.images.attributes) + len(contents.images.landmarks))
  return 4 * contents.features.shape[1] + flags + pixels
