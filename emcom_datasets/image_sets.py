"""Which images a set is built from: their order, their labels and their splits.

The order is that of the rows of precomputed features, and what `--list_order` prints:

- CelebA: the lines of `identity_CelebA.txt`.
- ImageNet: `train/` before `val/`, in each the class folders by name, in each of them the files by
  name; which names count, and how they are sorted, is said in `listing`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emcom_datasets import celeba_split
from emcom_datasets import listing
from emcom_datasets.byol import LABELS
from emcom_datasets.errors import DataSetError
from emcom_datasets.make_arrays import split_column

VALID_SHARE = 0.01  # Of ImageNet's training images, as published.
_CELEBA = "byol_celeb_a2"
_IMAGENET = "byol_imagenet2012"


class ImageSet(NamedTuple):
  """The images of a set, `N` in number."""
  name: str
  images: list[str]  # N paths relative to the folder of images
  labels: np.ndarray  # [N] integers
  splits: dict[str, np.ndarray]  # name -> indices into the above; no split is empty
  attributes: dict[str, np.ndarray]  # name -> [N] bool
  landmarks: dict[str, np.ndarray]  # name -> [N] integers
  warnings: list[str]  # one line each


def celeba(annotations: Path) -> ImageSet:
  """Returns CelebA by its annotation files, with the published split and `test_official`.

  Raises:
    DataSetError: see `celeba_split.read_annotations`.
  """
  found = celeba_split.read_annotations(annotations)
  splits = celeba_split.published_split(found.identities)
  warning = celeba_split.size_warning(splits)
  splits["test_official"] = celeba_split.official_test(found.partition)
  return _without_empty_splits(ImageSet(
      _CELEBA, found.images, found.identities, splits, found.attributes, found.landmarks,
      [warning] if warning else []))


def imagenet(folder: Path, valid_share: float = VALID_SHARE) -> ImageSet:
  """Returns ImageNet by its folders: `train/CLASS/FILE` and `val/CLASS/FILE`.

  A class is the place of its folder among those of `train/`, by name. The test split is `val/`; the
  validation split is drawn from `train/`, with a fixed seed.

  Args:
    folder: holds `train/` and `val/`.
    valid_share: which share of `train/` becomes the validation split, in (0, 1).

  Raises:
    DataSetError: a folder is missing, empty or not of that form.
  """
  parts = {part: _part(folder, part) for part in ("train", "val")}
  classes = _names(parts["train"], folders=True)
  num_classes = LABELS[_IMAGENET].num_classes
  if len(classes) > num_classes:
    raise DataSetError(f"{folder / 'train'}: holds {len(classes)} class folders; ImageNet has "
                       f"{num_classes:,}")
  train, train_labels = _labelled(folder, parts["train"], classes)
  test, test_labels = _labelled(folder, parts["val"], classes)
  held_out = split_column(len(train), round(valid_share * len(train)), num_test=0) != 0
  splits = {"train": np.flatnonzero(~held_out), "valid": np.flatnonzero(held_out),
            "test": len(train) + np.arange(len(test))}
  warnings = [] if len(classes) == num_classes else [
      f"{folder / 'train'} holds {len(classes)} class folders; ImageNet has {num_classes:,}"]
  return _without_empty_splits(ImageSet(
      _IMAGENET, train + test, np.array(train_labels + test_labels), splits, {}, {}, warnings))


def locate(images: Sequence[str], folder: Path) -> Path:
  """Returns the folder that holds images: `folder`, or one folder in it, as archives often unpack.

  Raises:
    DataSetError: an image is missing.
  """
  if not folder.is_dir():
    raise DataSetError(f"{folder}: is not a folder")
  # One listing of a folder of 200,000 files is much quicker than as many look-ups.
  top = listing.on_disk(folder)
  found = next((below for below in top.walk(1) if images[0] in below.files), top)
  for image in images:
    if image not in found.files:
      raise DataSetError(f"{found.path / image}: is missing, but the annotation files name it")
  return found.path


def _part(folder: Path, name: str) -> listing.Folder:
  found = listing.on_disk(folder).folder(name) if folder.is_dir() else None
  return found or listing.on_disk(folder / name)


def _labelled(folder: Path, part: listing.Folder, classes: list[str]
              ) -> tuple[list[str], list[int]]:
  """Returns the images of one part, as paths relative to `folder`, and their classes."""
  images, labels = [], []
  for name in _names(part, folders=True):
    if name not in classes:
      raise DataSetError(f"{part.path / name}: there is no such class folder in "
                         f"{folder / 'train'}")
    of_class = part.folders[name]
    files = _names(of_class, folders=False)
    images += [(of_class.path / file).relative_to(folder).as_posix() for file in files]
    labels += [classes.index(name)] * len(files)
  return images, labels


def _names(folder: listing.Folder, folders: bool) -> list[str]:
  """Returns the sorted names of what a folder holds: folders or files, at least one.

  Every file that counts must be an image: leaving some out by their ending would move the rows of
  the features.
  """
  try:
    wanted, others = folder.folders, folder.files
  except DataSetError as error:
    raise DataSetError(f"{error}; --images names a folder with train/CLASS/FILE and val/CLASS/FILE"
                      ) from error
  if not folders:
    wanted, others = others, wanted
  kind = "class folders" if folders else "images"
  for name in others:
    raise DataSetError(f"{folder.path / name}: is a {'file' if folders else 'folder'}; expected "
                       f"only {kind} in {folder.path}")
  if not wanted:
    raise DataSetError(f"{folder.path}: holds no {kind}")
  return list(wanted)


def _without_empty_splits(images: ImageSet) -> ImageSet:
  """Leaves out splits without an image, which nothing could read, and says so."""
  empty = [name for name, indices in images.splits.items() if not len(indices)]
  return images._replace(
      splits={name: indices for name, indices in images.splits.items() if name not in empty},
      warnings=images.warnings + [f"no image falls into {name}: the set will not have that split"
                                  for name in empty])
