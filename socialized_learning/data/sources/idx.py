"""MNIST's official files, in the idx format, plain or compressed.

An idx file is (big endian): two zero bytes, one byte for the type (8: unsigned bytes), one for the
number of dimensions, a uint32 for each dimension, and the values.
Source: http://yann.lecun.com/exdb/mnist, "The IDX file format".
"""

import gzip

from emcom_datasets.listing import File
from emcom_datasets.listing import Folder
import numpy as np

from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import Format
from socialized_learning.data.sources.source import missing
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Spec
from socialized_learning.platform.errors import UserError

_PARTS = ("train", "t10k")
_IMAGES, _LABELS = "images-idx3", "labels-idx1"
_UNSIGNED_BYTES = 8
_GZIP_MAGIC = b"\x1f\x8b"


def _read(folder: Folder, spec: Spec) -> tuple[Part, Part] | None:
  """Returns train and test; raises UserError for missing, truncated or damaged files."""
  files = {(part, kind): _locate(folder, part, kind)
           for part in _PARTS for kind in (_IMAGES, _LABELS)}
  if not any(files.values()):
    return None
  for (part, kind), file in files.items():
    if file is None:
      raise missing(folder.path / f"{part}-{kind}-ubyte")
  train, test = (
      Part(read_file(files[part, _IMAGES], num_dims=3, limit=spec.max_bytes),
           read_file(files[part, _LABELS], num_dims=1, limit=spec.max_bytes),
           files[part, _IMAGES].path) for part in _PARTS)
  return train, test


def _locate(folder: Folder, part: str, kind: str) -> File | None:
  """Returns one of the four files, under any of the names it goes by."""
  # Some programs that unpack it turn the first `-` before `idx` into a dot.
  names = (f"{part}-{kind}-ubyte", f"{part}-{kind.replace('-', '.')}-ubyte")
  return folder.file(*(f"{name}{ending}" for name in names for ending in ("", ".gz")))


def read_file(file: File, num_dims: int, limit: int) -> np.ndarray:
  """Returns the array of one idx file of unsigned bytes: `num_dims` dimensions, uint8.

  Whether it is compressed is told by its content, since browsers unpack without renaming.

  Args:
    file: the idx file.
    num_dims: 3 for images, 1 for labels.
    limit: how many bytes the file may hold unpacked.

  Raises:
    UserError: the file cannot be read, is damaged, truncated or too long, or not such an idx file.
  """
  path = file.path
  try:
    with file.open() as opened:
      is_packed = opened.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    with file.open() as opened, (gzip.open(opened) if is_packed else opened) as unpacked:
      data = unpacked.read(limit + 1)
  except Exception as error:  # Of damaged streams gzip and zlib make several kinds.
    raise damaged(path, error) from error
  if len(data) > limit:
    raise UserError(f"{path}: holds more than {limit:,} bytes, which no file of this set does; "
                    "download it again")
  start = 4 + 4 * num_dims
  magic = bytes([0, 0, _UNSIGNED_BYTES, num_dims])
  if data[:4] != magic:
    raise UserError(f"{path}: starts with 0x{data[:4].hex()}, expected 0x{magic.hex()}: it is not "
                    f"an idx file of {'images' if num_dims == 3 else 'labels'}")
  shape = tuple(np.frombuffer(data[4:start], ">u4").tolist()) if len(data) >= start else ()
  # Python's integers, which do not wrap around, whatever a damaged header says.
  expected = start
  if shape:
    num_values = 1
    for size in shape:
      num_values *= size
    expected += num_values
  if not shape or len(data) != expected:
    raise UserError(f"{path}: is truncated or damaged: it holds {len(data):,} bytes, its header "
                    f"asks for {expected:,}; copy or download it again")
  return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


MNIST = Format("train-images-idx3-ubyte[.gz] and the other three official files, there or in MNIST/raw/",
               _read)
