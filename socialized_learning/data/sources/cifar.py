"""CIFAR-10 and CIFAR-100 in their official "python version": pickles, in a folder or a tar.gz.

A batch is a dictionary with `data` [N, 3072] uint8, an image being its red, green and blue planes,
and `labels` (of CIFAR-100 `fine_labels`), a list.
Source: https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from collections.abc import Iterator
import functools
import gzip
from pathlib import Path
import tarfile
from typing import NamedTuple

import numpy as np

from socialized_learning.data.sources import restricted_unpickler
from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import missing
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Source
from socialized_learning.platform.errors import UserError

_SIDE, _CHANNELS = 32, 3
_CHUNK_BYTES = 1 << 20


class _Layout(NamedTuple):
  """What the files of one of both sets are called."""
  folder: str
  archive: str
  train: tuple[str, ...]
  test: str
  labels: str  # key of the batches


_CIFAR10 = _Layout("cifar-10-batches-py", "cifar-10-python.tar.gz",
                   tuple(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "labels")
_CIFAR100 = _Layout("cifar-100-python", "cifar-100-python.tar.gz", ("train",), "test",
                    "fine_labels")


def _find(layout: _Layout, root: Path) -> Path | None:
  """Returns the folder or, if there is none, the archive."""
  folder, archive = root / layout.folder, root / layout.archive
  return folder if folder.is_dir() else archive if archive.is_file() else None


def _read(layout: _Layout, path: Path) -> tuple[Part, Part]:
  """Returns train and test; raises UserError for missing or damaged files."""
  names = (*layout.train, layout.test)
  pickles = (_from_folder(path, names) if path.is_dir()
             else _from_archive(path, layout.folder, names))
  batches = {name: _batch(data, layout.labels, path / name) for name, data in pickles}
  for name in names:
    if name not in batches:
      raise missing(path / name)
  train = [batches[name] for name in layout.train]
  images, labels = (np.concatenate(arrays) for arrays in zip(*train))
  return Part(images, labels, path), Part(*batches[layout.test], path / layout.test)


def _from_folder(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
  """Yields name and content of the batches that are there."""
  for name in names:
    if (folder / name).is_file():
      try:
        data = (folder / name).read_bytes()
      except OSError as error:
        raise damaged(folder / name, error) from error
      yield name, data


def _from_archive(path: Path, folder: str, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
  """Yields name and content of the batches in a tar.gz, in its order; nothing is unpacked."""
  wanted = {f"{folder}/{name}": name for name in names}
  try:
    with gzip.open(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
      for member in archive:
        name = wanted.get(member.name.removeprefix("./"))
        if name and member.isfile():
          yield name, archive.extractfile(member).read()
      # A tar ends before the file does, and the checksum of its content stands at the very end.
      while file.read(_CHUNK_BYTES):
        pass
  except Exception as error:  # Of damaged archives tarfile, gzip and zlib make several kinds.
    raise damaged(path, error) from error


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


def _source(layout: _Layout) -> Source:
  return Source(f"{layout.folder}/ or {layout.archive}", functools.partial(_find, layout),
                functools.partial(_read, layout))


CIFAR10 = _source(_CIFAR10)
CIFAR100 = _source(_CIFAR100)
