"""SVHN's cropped digits in their official files, of MATLAB: `train_32x32.mat`, `test_32x32.mat`.

Each holds `X` [32, 32, 3, N] uint8 and `y` [N, 1], 1 ... 10, where 10 is the digit 0. The third
file, `extra_32x32.mat`, is not used.
Source: http://ufldl.stanford.edu/housenumbers, "Format 2".
"""

from pathlib import Path

import numpy as np

from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import missing
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Source
from socialized_learning.platform.errors import UserError

_FILES = ("train_32x32.mat", "test_32x32.mat")


def _find(root: Path) -> Path | None:
  """Returns the folder if it holds one of the files."""
  return root if any((root / name).is_file() for name in _FILES) else None


def _read(folder: Path) -> tuple[Part, Part]:
  """Returns train and test; raises UserError for missing or damaged files."""
  train, test = (_part(folder / name) for name in _FILES)
  return train, test


def _part(path: Path) -> Part:
  if not path.is_file():
    raise missing(path)
  from scipy import io  # pylint: disable=g-import-not-at-top
  try:
    arrays = io.loadmat(path, variable_names=["X", "y"])
  except Exception as error:  # SciPy raises many kinds for damaged files.
    raise damaged(path, error) from error
  for name in ("X", "y"):
    if not isinstance(arrays.get(name), np.ndarray):
      raise UserError(f"{path}: holds no array {name}, expected X and y: it is no file of SVHN")
  images, labels = arrays["X"], arrays["y"].reshape(-1)
  if images.ndim != 4:
    raise UserError(f"{path}: X has {images.ndim} dimensions, expected [32, 32, 3, N]")
  if not np.issubdtype(labels.dtype, np.number) or not np.isin(labels, np.arange(1, 11)).all():
    raise UserError(f"{path}: labels (y) other than 1 ... 10, where 10 is the digit 0; copy or "
                    "download the official file again")
  return Part(images.transpose(3, 0, 1, 2), labels.astype(np.int32) % 10, path)


SVHN = Source("train_32x32.mat and test_32x32.mat", _find, _read)
