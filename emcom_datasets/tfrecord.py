"""Random access to TFRecord files without TensorFlow.

A TFRecord file is a row of records, each framed as (little endian)

    uint64 length, uint32 masked crc32c of these 8 bytes, payload, uint32 masked crc32c of payload.

Source: https://www.tensorflow.org/tutorials/load_data/tfrecord. Only uncompressed files are read.
"""

from collections.abc import Sequence
import os
from pathlib import Path
import struct

import numpy as np

from emcom_datasets.errors import DataSetError

_HEADER = struct.Struct("<QI")
_FOOTER_BYTES = 4


def _crc32c_table() -> tuple[int, ...]:
  table = []
  for value in range(256):
    for _ in range(8):
      value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    table.append(value)
  return tuple(table)


_TABLE = _crc32c_table()


def masked_crc32c(data: bytes) -> int:
  """Returns the masked CRC-32C (Castagnoli) of TFRecord framing, rotated and offset."""
  crc = 0xFFFFFFFF
  for byte in data:
    crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
  crc ^= 0xFFFFFFFF
  return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class TFRecordFile:
  """The records of one file, found by position.

  Opening it walks over the headers once (a few microseconds a record) and checks their length and
  its checksum. The checksum of a payload is not checked: in Python that would take longer than
  everything else in reading it.
  """

  def __init__(self, path: str | os.PathLike):
    """Indexes the file.

    Raises:
      DataSetError: the file is missing, truncated or damaged.
    """
    self.path = Path(path)
    try:
      with open(self.path, "rb", buffering=0) as file:
        self._spans = self._index(file.fileno())
    except OSError as error:
      raise DataSetError(f"{self.path}: cannot be read ({error.strerror})") from error

  def __len__(self) -> int:
    return len(self._spans)

  def read(self, positions: Sequence[int]) -> list[bytes]:
    """Returns the payloads at `positions`, in that order.

    Raises:
      DataSetError: the file has gone or become shorter since it was opened.
    """
    # Opened for each call: a set may have more shards than a process may hold files open, and
    # nothing is shared between threads.
    try:
      with open(self.path, "rb", buffering=0) as file:
        return [self._payload(file.fileno(), position) for position in positions]
    except OSError as error:
      raise DataSetError(f"{self.path}: cannot be read ({error.strerror})") from error

  def _payload(self, descriptor: int, position: int) -> bytes:
    start, length = self._spans[position].tolist()
    payload = os.pread(descriptor, length, start)
    if len(payload) != length:
      raise DataSetError(f"{self.path}: has become shorter while it was in use")
    return payload

  def _index(self, descriptor: int) -> np.ndarray:
    """Walks over the headers; returns start and length of each payload, [N, 2] int64."""
    size = os.fstat(descriptor).st_size
    spans, offset = [], 0
    while offset < size:
      header = os.pread(descriptor, _HEADER.size, offset)
      if len(header) < _HEADER.size:
        raise DataSetError(f"{self.path}: truncated in record {len(spans)} at byte {offset}")
      length, checksum = _HEADER.unpack(header)
      if masked_crc32c(header[:8]) != checksum:
        raise DataSetError(f"{self.path}: damaged, or not an uncompressed TFRecord file, in record "
                           f"{len(spans)} at byte {offset}")
      start = offset + _HEADER.size
      offset = start + length + _FOOTER_BYTES
      if offset > size:
        raise DataSetError(f"{self.path}: truncated in record {len(spans)} at byte {start}")
      spans.append((start, length))
    return np.array(spans, np.int64).reshape(-1, 2)
