"""Record files of a split as one sequence: TFRecord or ArrayRecord, neither needs TensorFlow."""

from collections.abc import Sequence
import os
from pathlib import Path
from typing import Protocol

import numpy as np

from emcom_datasets.errors import DataSetError
from emcom_datasets.tfrecord import TFRecordFile


class RecordFile(Protocol):
  """The records of one file."""
  path: Path

  def __len__(self) -> int:
    ...

  def read(self, positions: Sequence[int]) -> list[bytes]:
    """Returns the records at `positions`, in that order."""


class ArrayRecordFile:
  """The records of one ArrayRecord file, found by position."""

  def __init__(self, path: str | os.PathLike):
    """Opens the file.

    Raises:
      DataSetError: the file is missing, truncated or damaged, or array_record is not installed.
    """
    self.path = Path(path)
    if not self.path.is_file():
      raise DataSetError(f"{self.path}: cannot be read (No such file or directory)")
    try:
      # pylint: disable-next=g-import-not-at-top
      from array_record.python import array_record_data_source
    except ImportError as error:
      raise DataSetError(f"{self.path}: reading it needs `pip install array-record`") from error
    try:
      self._source = array_record_data_source.ArrayRecordDataSource([str(self.path)])
    except (RuntimeError, ValueError, OSError) as error:
      raise self._damaged(error) from error

  def __len__(self) -> int:
    return len(self._source)

  def read(self, positions: Sequence[int]) -> list[bytes]:
    """Returns the records at `positions`, in that order.

    Raises:
      DataSetError: a record is damaged.
    """
    try:
      return list(self._source.__getitems__(list(positions)))
    except (RuntimeError, ValueError, OSError) as error:
      raise self._damaged(error) from error

  def _damaged(self, error: Exception) -> DataSetError:
    reason = " ".join(str(error).split())[:120]
    return DataSetError(
        f"{self.path}: truncated or damaged ArrayRecord file ({reason or 'unreadable'})")


_FORMATS = {"tfrecord": TFRecordFile, "array_record": ArrayRecordFile}


class Shards:
  """Several record files read as one sequence, by index."""

  def __init__(self, paths: Sequence[str | os.PathLike], lengths: Sequence[int], file_format: str):
    """Opens all files.

    Args:
      paths: the files, in order.
      lengths: how many records each must hold.
      file_format: `tfrecord` or `array_record`.

    Raises:
      DataSetError: another format, or a file that is missing, damaged or of another length.
    """
    if file_format not in _FORMATS:
      raise DataSetError(f"{Path(paths[0]).parent}: holds {file_format} files; prepare it again as "
                         f"{' or '.join(_FORMATS)}")
    self.files: list[RecordFile] = [_FORMATS[file_format](path) for path in paths]
    for file, length in zip(self.files, lengths, strict=True):
      if len(file) != length:
        raise DataSetError(f"{file.path}: holds {len(file)} records, dataset_info.json beside it "
                           f"says {length}; copy the file again")
    self._ends = np.cumsum(lengths)

  def __len__(self) -> int:
    return int(self._ends[-1]) if len(self._ends) else 0

  def path_of(self, index: int) -> Path:
    """Returns the file that holds record `index`."""
    return self.files[int(np.searchsorted(self._ends, index, side="right"))].path

  def read(self, indices: np.ndarray) -> list[bytes]:
    """Returns the records `indices` ([B], each in 0 ... N-1), in that order.

    Raises:
      DataSetError: a file has become unreadable.
    """
    owners = np.searchsorted(self._ends, indices, side="right")
    records: list[bytes] = [b""] * len(indices)
    for owner in np.unique(owners):
      file = self.files[owner]
      slots = np.flatnonzero(owners == owner)
      first = int(self._ends[owner]) - len(file)
      found = file.read((indices[slots] - first).tolist())
      for slot, record in zip(slots.tolist(), found, strict=True):
        records[slot] = record
    return records
