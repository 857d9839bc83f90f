"""MNIST's official files, in the idx format, plain or compressed.

An idx file is (big endian): two zero bytes, one byte for the type (8: unsigned bytes), one for the
number of dimensions, a uint32 for each dimension, and the values.
Source: http://yann.lecun.com/exdb/mnist, "The IDX file format".
"""

import gzip
from pathlib import Path

import numpy as np

from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import missing
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Source
from socialized_learning.platform.errors import UserError

_FOLDERS = (".", "MNIST/raw")  # The second is where torchvision puts them.
_UNSIGNED_BYTES = 8
_GZIP_MAGIC = b"\x1f\x8b"


def _find(root: Path) -> Path | None:
  """Returns the folder that holds MNIST's files, or some of them."""
  for folder in (root / place for place in _FOLDERS):
    if any(_locate(folder, part, kind) for part in ("train", "t10k")
           for kind in ("images-idx3", "labels-idx1")):
      return folder
  return None


def _read(folder: Path) -> tuple[Part, Part]:
  """Returns train and test; raises UserError for missing, truncated or damaged files."""
  train, test = (_part(folder, part) for part in ("train", "t10k"))
  return train, test


def _part(folder: Path, part: str) -> Part:
  paths = []
  for kind in ("images-idx3", "labels-idx1"):
    path = _locate(folder, part, kind)
    if path is None:
      raise missing(folder / f"{part}-{kind}-ubyte")
    paths.append(path)
  images, labels = paths
  return Part(read_file(images, num_dims=3), read_file(labels, num_dims=1), images)


def _locate(folder: Path, part: str, kind: str) -> Path | None:
  """Returns one of the four files, under any of the names it goes by."""
  # Some programs that unpack it turn the first `-` before `idx` into a dot.
  names = (f"{part}-{kind}-ubyte", f"{part}-{kind.replace('-', '.')}-ubyte")
  paths = (folder / f"{name}{ending}" for name in names for ending in ("", ".gz"))
  return next((path for path in paths if path.is_file()), None)


def read_file(path: Path, num_dims: int) -> np.ndarray:
  """Returns the array of one idx file of unsigned bytes: `num_dims` dimensions, uint8.

  Whether it is compressed is told by its content, since browsers unpack without renaming.

  Raises:
    UserError: the file cannot be read, is damaged, truncated or too long, or not such an idx file.
  """
  try:
    data = path.read_bytes()
    if data.startswith(_GZIP_MAGIC):
      data = gzip.decompress(data)
  except Exception as error:  # Of damaged streams gzip and zlib make several kinds.
    raise damaged(path, error) from error
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


MNIST = Source(
    "train-images-idx3-ubyte[.gz] and the other three official files, there or in MNIST/raw/",
    _find, _read)
