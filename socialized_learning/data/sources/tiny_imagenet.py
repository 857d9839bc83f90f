"""Tiny-ImageNet's official folder, `tiny-imagenet-200/`, unpacked or in its archive.

    wnids.txt                       the names of the 200 classes (WordNet ids)
    train/WNID/images/*.JPEG        500 images of each
    val/images/*.JPEG               10,000 images
    val/val_annotations.txt         a line for each: file, WNID, box

The official validation split is the test set here, since the labels of the official test split are
not public. A label is the place of its WNID among all, sorted. Training images are ordered by class
and then by name, test images as in `val_annotations.txt`. Often `val/` has been sorted into folders
of classes, `val/WNID/` or `val/images/WNID/`: then test images are ordered as training images are,
and neither list is needed.
Source: http://cs231n.stanford.edu/tiny-imagenet-200.zip.
"""

from collections.abc import Mapping
import os
import re

from emcom_datasets.listing import File
from emcom_datasets.listing import Folder
import numpy as np

from socialized_learning.data.sources import class_folders
from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import Format
from socialized_learning.data.sources.source import missing
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Spec
from socialized_learning.data.sources.source import stack
from socialized_learning.platform.errors import UserError

_CLASSES = "wnids.txt"
_ANNOTATIONS = "val_annotations.txt"
_WNID = re.compile(r"n\d{8}")


def _read(folder: Folder, spec: Spec) -> tuple[Part, Part] | None:
  """Returns train and test; raises UserError or DataSetError for missing or damaged files."""
  train, val = folder.folder("train"), folder.folder("val")
  has_lists = folder.file(_CLASSES) or (val and val.file(_ANNOTATIONS))
  if not has_lists and not (train and val and any(map(_WNID.fullmatch, train.folders))):
    return None
  for name, found in (("train", train), ("val", val)):
    if found is None:
      raise missing(folder.path / name)
  wnids = _wnids(folder, spec) if has_lists else sorted(train.folders)
  if len(wnids) != spec.num_classes:
    raise UserError(f"{train.path}: holds {len(wnids)} folders of classes, expected "
                    f"{spec.num_classes}; unpack the set again")
  labels = {wnid: label for label, wnid in enumerate(wnids)}
  # Both lists before the first image: what is missing is said at once.
  lists = _by_class(train, labels), _test(val, labels)
  train_part, test_part = (
      Part(stack(files, spec), np.array(codes, np.int32), of_split.path)
      for of_split, (files, codes) in zip((train, val), lists, strict=True))
  return train_part, test_part


def _wnids(folder: Folder, spec: Spec) -> list[str]:
  """Returns the names of the classes in the official list, sorted."""
  file = folder.file(_CLASSES)
  if file is None:
    raise missing(folder.path / _CLASSES)
  wnids = sorted(_lines(file))
  if len(set(wnids)) != spec.num_classes or len(wnids) != spec.num_classes:
    raise UserError(f"{file.path}: names {len(set(wnids))} classes in {len(wnids)} lines, "
                    f"expected {spec.num_classes}; unpack the set again")
  return wnids


def _by_class(folder: Folder, labels: Mapping[str, int]) -> tuple[list[File], list[int]]:
  """Returns files and labels of the images in folders of classes."""
  files, codes = [], []
  for wnid, label in labels.items():
    of_class = folder.folder(wnid)
    if of_class is None:
      raise UserError(f"{folder.path / wnid}: the folder of a class is missing; "
                      "unpack the set again")
    images = class_folders.images_of(of_class)
    if not images:
      raise UserError(f"{of_class.path}: holds no *.JPEG; unpack the set again")
    files += images
    codes += [label] * len(images)
  return files, codes


def _test(val: Folder, labels: Mapping[str, int]) -> tuple[list[File], list[int]]:
  """Returns files and labels of the validation images."""
  images = val.folder("images")
  for folder in (val, images):
    if folder is not None and any(folder.folder(wnid) for wnid in labels):
      return _by_class(folder, labels)
  annotations = val.file(_ANNOTATIONS)
  for name, found in ((_ANNOTATIONS, annotations), ("images", images)):
    if found is None:
      raise missing(val.path / name)
  files, codes = [], []
  for number, line in enumerate(_lines(annotations), start=1):
    name, wnid, *_ = (*line.split("\t"), "")
    if wnid not in labels:
      raise UserError(f"{annotations.path}: line {number} gives {name!r} the class {wnid!r}, which "
                      f"{_CLASSES} does not name; unpack the set again")
    # Only the name, so that no line leads out of the folder.
    file = images.file(os.path.basename(name))
    if file is None:
      raise missing(images.path / os.path.basename(name))
    files.append(file)
    codes.append(labels[wnid])
  if not files:
    raise UserError(f"{annotations.path}: names no images; unpack the set again")
  return files, codes


def _lines(file: File) -> list[str]:
  """Returns the lines of a text file that are not empty."""
  try:
    lines = file.read().decode("utf-8").splitlines()
  except UnicodeDecodeError as error:
    raise damaged(file.path, error) from error
  return [line for line in lines if line.strip()]


TINY_IMAGENET = Format("tiny-imagenet-200/ or tiny-imagenet-200.zip", _read)
