"""SVHN's cropped digits in their official files, of MATLAB: `train_32x32.mat`, `test_32x32.mat`.

Each holds `X` [32, 32, 3, N] uint8 and `y` [N, 1], 1 ... 10, where 10 is the digit 0. The third
file, `extra_32x32.mat`, is not used.
Source: http://ufldl.stanford.edu/housenumbers, "Format 2".
"""

import math

from emcom_datasets.listing import File
from emcom_datasets.listing import Folder
import numpy as np

from socialized_learning.data.sources.source import check_number
from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import Format
from socialized_learning.data.sources.source import missing
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Spec
from socialized_learning.platform.errors import UserError

_FILES = ("train_32x32.mat", "test_32x32.mat")
_HDF5_HEADER = b"MATLAB 7.3"


def _read(folder: Folder, spec: Spec) -> tuple[Part, Part] | None:
  """Returns train and test; raises UserError for missing or damaged files."""
  files = [folder.file(name) for name in _FILES]
  if not any(files):
    return None
  for name, file in zip(_FILES, files, strict=True):
    if file is None:
      raise missing(folder.path / name)
  train, test = (_part(file, spec, split) for split, file in enumerate(files))
  return train, test


def _part(file: File, spec: Spec, split: int) -> Part:
  from scipy import io  # pylint: disable=g-import-not-at-top
  path = file.path
  try:
    with file.open() as opened:
      is_hdf5 = opened.read(len(_HDF5_HEADER)) == _HDF5_HEADER
    if not is_hdf5:
      with file.open() as opened:
        shapes = {name: shape for name, shape, _ in io.whosmat(opened)}
      # Before the values are unpacked: a small file can hold an array of any size.
      for name, size in (("X", math.prod(spec.shape)), ("y", 1)):
        check_number(math.prod(shapes.get(name, (0,))) // size, spec, split, path)
      with file.open() as opened:
        arrays = io.loadmat(opened, variable_names=["X", "y"])
  except UserError:
    raise
  except Exception as error:  # SciPy raises many kinds for damaged files.
    raise damaged(path, error) from error
  if is_hdf5:
    raise UserError(f"{path}: is a MATLAB file of version 7.3 (HDF5), and SVHN is published in "
                    "version 5: download the official file, or in MATLAB load it and save it again "
                    f"with save('{path.name}', 'X', 'y', '-v7')")
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


SVHN = Format("train_32x32.mat and test_32x32.mat", _read)
