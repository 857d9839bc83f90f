"""CIFAR-10 and CIFAR-100 in their official "python version": pickles, in a folder or an archive.

A batch is a dictionary with `data` [N, 3072] uint8, an image being its red, green and blue planes,
and `labels` (of CIFAR-100 `fine_labels`), a list.
Source: https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import functools
from pathlib import Path
from typing import NamedTuple

from emcom_datasets.listing import Folder
import numpy as np

from socialized_learning.data.sources import restricted_unpickler
from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import Format
from socialized_learning.data.sources.source import missing
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Spec
from socialized_learning.platform.errors import UserError

_SIDE, _CHANNELS = 32, 3


class _Layout(NamedTuple):
  """What the files of one of both sets are called."""
  looked_for: str
  train: tuple[str, ...]
  test: str
  labels: str  # key of the batches


_CIFAR10 = _Layout("cifar-10-batches-py/ or cifar-10-python.tar.gz",
                   tuple(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "labels")
_CIFAR100 = _Layout("cifar-100-python/ or cifar-100-python.tar.gz", ("train",), "test",
                    "fine_labels")


def _read(layout: _Layout, folder: Folder, spec: Spec) -> tuple[Part, Part] | None:
  """Returns train and test; raises an error for missing or damaged files."""
  del spec  # A pickle holds no more than its file, see `restricted_unpickler`.
  files = {name: folder.file(name) for name in (*layout.train, layout.test)}
  if not any(files.values()):
    return None
  for name, file in files.items():
    if file is None:
      raise missing(folder.path / name)
  batches = [_batch(file.read(), layout.labels, file.path) for file in files.values()]
  *train, test = batches
  images, labels = (np.concatenate(arrays) for arrays in zip(*train))
  return Part(images, labels, folder.path), Part(*test, files[layout.test].path)


def _batch(data: bytes, label_key: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
  """Returns the images [N, 32, 32, 3] and labels [N] of one batch."""
  batch = restricted_unpickler.read(data, path)
  for key in ("data", label_key):
    if key not in batch:
      raise UserError(f"{path}: holds {str(sorted(batch))[:100]}, but not {key}: it is no such "
                      "file of CIFAR")
  planes, labels = batch["data"], batch[label_key]
  size = _CHANNELS * _SIDE * _SIDE
  if not isinstance(planes, np.ndarray) or planes.ndim != 2 or planes.shape[1] != size:
    shape = f"shape {planes.shape}" if isinstance(planes, np.ndarray) else type(planes).__name__
    raise UserError(f"{path}: its images are of {shape}, expected [N, {size}]")
  if not isinstance(labels, list) or not all(type(label) is int for label in labels):
    raise UserError(f"{path}: its {label_key} are no list of integers")
  if len(labels) != len(planes):
    raise UserError(f"{path}: {len(planes):,} images and {len(labels):,} labels, expected as many "
                    "labels as images; copy or download the set again")
  try:
    codes = np.array(labels, np.int64)
  except OverflowError as error:
    raise damaged(path, error) from error
  images = planes.reshape(-1, _CHANNELS, _SIDE, _SIDE).transpose(0, 2, 3, 1)
  return images, codes


CIFAR10, CIFAR100 = (Format(layout.looked_for, functools.partial(_read, layout))
                     for layout in (_CIFAR10, _CIFAR100))
