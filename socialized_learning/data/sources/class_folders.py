"""Images in a folder for each class: `train/CLASS/*.png` and `test/CLASS/*.png`.

The most common form of all, for sets that are known by name and for images of one's own. `train` may
also be called `training`, and `test` may be `testing`, `val`, `valid` or `validation`. Images are
found in subfolders of a class's folder too (`train/WNID/images/*.JPEG`). Files of other kinds and
names that begin with a dot do not count.

A label is the place of its class's name among all, sorted as text, which is the order of torchvision's
ImageFolder; of a known set numbers are sorted as numbers, so that 10 comes after 2. Images of a split
are ordered by label and then by path.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from emcom_datasets import listing
from emcom_datasets.listing import File
from emcom_datasets.listing import Folder
import numpy as np

from socialized_learning.data.sources.source import checked
from socialized_learning.data.sources.source import Format
from socialized_learning.data.sources.source import ImageSet
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Spec
from socialized_learning.data.sources.source import stack
from socialized_learning.platform.errors import UserError

NAME = "class_folders"
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")
_EXPECTED = "expected train/CLASS/*.png and test/CLASS/*.png"
_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation")
_DEPTH = 2  # Levels below the data folder in which the folder of train/ and test/ may be.
_DEPTH_IN_CLASS = 2


class _Split(NamedTuple):
  """The classes of one split."""
  path: Path
  images: dict[str, list[File]]  # by name of the class


def load(root: Path) -> ImageSet:
  """Returns a set of one's own: as many classes as there are folders, images of any one size.

  Raises:
    UserError: no such folders, a class without images, or an image that cannot be read or is of
      another size; it is named.
    DataSetError: a folder cannot be listed.
  """
  for folder in listing.on_disk(root).walk(_DEPTH):
    if splits := _splits(folder):
      names = sorted(splits[0].images)
      train = _part(splits[0], names)
      test = _part(splits[1], names, shape=train.images.shape[1:])
      shape = train.images.shape[1:]
      return ImageSet(NAME, kind(len(names)), checked(train, shape, len(names)),
                      checked(test, shape, len(names)), len(names))
  raise UserError(f"{root}: holds no folders of classes; {_EXPECTED}")


def kind(num_classes: int) -> str:
  """What numbers measured on images in folders are numbers of."""
  return f"images of {num_classes} classes in folders"


def read(folder: Folder, spec: Spec) -> tuple[Part, Part] | None:
  """Returns a known set's train and test; raises UserError or DataSetError for wrong files."""
  splits = _splits(folder)
  if splits is None:
    return None
  train, test = splits
  names = list(train.images)
  if len(names) != spec.num_classes:
    raise UserError(f"{train.path}: holds {len(names)} folders of classes, {spec.name} has "
                    f"{spec.num_classes} classes")
  names.sort(key=(lambda name: (int(name), name)) if all(map(str.isdecimal, names)) else None)
  return _part(train, names, spec), _part(test, names, spec)


def _splits(folder: Folder) -> tuple[_Split, _Split] | None:
  """Returns the splits of a folder, or None if it holds none in folders of classes."""
  train = _classes(folder.folder(*_TRAIN))
  if train is None:
    return None
  others = [found for name in _TEST if (found := _classes(folder.folder(name)))]
  if not others:
    raise UserError(f"{folder.path}: holds folders of classes in {train.path.name}/ but none in "
                    f"test/ or val/; {_EXPECTED}")
  # Tiny-ImageNet's test/ holds images without labels, in one folder.
  test = next((other for other in others if set(other.images) == set(train.images)), others[0])
  for one, other in ((test, train), (train, test)):
    for name in one.images:
      if name not in other.images:
        raise UserError(f"{one.path / name}: {other.path} has no images of this class; add some, or "
                        "take the folder away")
  return train, test


def _classes(folder: Folder | None) -> _Split | None:
  """Returns the images of the folders in a folder, or None if none holds any."""
  if folder is None:
    return None
  found = {name: images_of(below) for name, below in folder.folders.items()}
  if not any(found.values()):
    return None
  for name, images in found.items():
    if not images:
      raise UserError(f"{folder.path / name}: holds no images; add some, or take the folder away")
  return _Split(folder.path, found)


def images_of(folder: Folder) -> list[File]:
  """Returns the images of a class: those in its folder, and in folders below."""
  return [file for below in folder.walk(_DEPTH_IN_CLASS) for name, file in below.files.items()
          if name.lower().endswith(ENDINGS)]


def _part(split: _Split, names: Sequence[str], spec: Spec | None = None,
          shape: Sequence[int] | None = None) -> Part:
  """Returns the images of a split; a label is the place of the class in `names`."""
  labels = np.repeat(np.arange(len(names), dtype=np.int32),
                     [len(split.images[name]) for name in names])
  files = [file for name in names for file in split.images[name]]
  return Part(stack(files, spec, shape), labels, split.path)


CLASS_FOLDERS = Format("train/CLASS/*.png and test/CLASS/*.png (or .jpg)", read, is_official=False)
