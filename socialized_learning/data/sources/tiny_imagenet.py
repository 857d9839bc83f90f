"""Tiny-ImageNet's official folder, `tiny-imagenet-200/`.

    wnids.txt                       the names of the 200 classes (WordNet ids)
    train/WNID/images/*.JPEG        500 images of each
    val/images/*.JPEG               10,000 images
    val/val_annotations.txt         a line for each: file, WNID, box

The official validation split is the test set here, since the labels of the official test split are
not public. A label is the place of its WNID among all, sorted. Training images are ordered by class
and then by name, test images as in `val_annotations.txt`.
Source: http://cs231n.stanford.edu/tiny-imagenet-200.zip.
"""

from collections.abc import Sequence
import os
from pathlib import Path

import numpy as np

from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import decode
from socialized_learning.data.sources.source import missing
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Source
from socialized_learning.platform.errors import UserError

_FOLDER = "tiny-imagenet-200"
_NUM_CLASSES = 200
_SHAPE = (64, 64, 3)


def _find(root: Path) -> Path | None:
  folder = root / _FOLDER
  return folder if folder.is_dir() else None


def _read(folder: Path) -> tuple[Part, Part]:
  """Returns train and test; raises UserError for missing or damaged files."""
  wnids = sorted(_lines(folder / "wnids.txt"))
  if len(set(wnids)) != _NUM_CLASSES or len(wnids) != _NUM_CLASSES:
    raise UserError(f"{folder / 'wnids.txt'}: names {len(set(wnids))} classes in {len(wnids)} "
                    f"lines, expected {_NUM_CLASSES}; unpack the set again")
  labels = {wnid: label for label, wnid in enumerate(wnids)}
  # Both lists before the first image: what is missing is said at once.
  train, test = _train(folder / "train", labels), _test(folder / "val", labels)
  return _part(folder / "train", *train), _part(folder / "val", *test)


def _train(folder: Path, labels: dict[str, int]) -> tuple[list[Path], list[int]]:
  """Returns files and labels of the training images."""
  files, codes = [], []
  for wnid, label in labels.items():
    images = folder / wnid / "images"
    try:
      names = sorted(name for name in os.listdir(images) if name.endswith(".JPEG"))
    except OSError as error:
      raise UserError(f"{images}: the folder of a class that wnids.txt names cannot be read "
                      f"({error.strerror}); unpack the set again") from error
    if not names:
      raise UserError(f"{images}: holds no *.JPEG; unpack the set again")
    files += [images / name for name in names]
    codes += [label] * len(names)
  return files, codes


def _test(folder: Path, labels: dict[str, int]) -> tuple[list[Path], list[int]]:
  """Returns files and labels of the validation images."""
  annotations = folder / "val_annotations.txt"
  files, codes = [], []
  for number, line in enumerate(_lines(annotations), start=1):
    name, wnid, *_ = (*line.split("\t"), "")
    if wnid not in labels:
      raise UserError(f"{annotations}: line {number} gives {name!r} the class {wnid!r}, which "
                      "wnids.txt does not name; unpack the set again")
    # Only the name, so that no line leads out of the folder.
    files.append(folder / "images" / os.path.basename(name))
    codes.append(labels[wnid])
  return files, codes


def _lines(path: Path) -> list[str]:
  """Returns the lines of a text file that are not empty."""
  try:
    lines = path.read_text(encoding="utf-8").splitlines()
  except FileNotFoundError:
    raise missing(path) from None
  except (OSError, UnicodeDecodeError) as error:
    raise damaged(path, error) from error
  return [line for line in lines if line.strip()]


def _part(folder: Path, files: Sequence[Path], labels: Sequence[int]) -> Part:
  """Returns the images of one split."""
  # One after another: measured on two cores, threads were no quicker for images as small as these.
  images = np.empty((len(files), *_SHAPE), np.uint8)
  for row, path in enumerate(files):
    try:
      image = decode(path)
    except Exception as error:  # Pillow raises many kinds.
      raise damaged(path, error) from error
    if image.shape != _SHAPE:
      raise UserError(f"{path}: is {image.shape[0]} x {image.shape[1]} pixels, expected "
                      f"{_SHAPE[0]} x {_SHAPE[1]}")
    images[row] = image
  return Part(images, np.array(labels, np.int32), folder)


TINY_IMAGENET = Source(f"{_FOLDER}/ (unpack tiny-imagenet-200.zip)", _find, _read)
