"""Single files that hold a whole set: `mnist.npz` and `cifar100_webp.zip`.

`mnist.npz` holds `x_train y_train x_test y_test`, uint8. `cifar100_webp.zip` holds for each class,
in the official order of the fine labels, the lossless WebP sheets `train/00.webp` and
`test/00.webp`: images 25 abreast, row by row. Its images are therefore ordered by class.
"""

import io
from pathlib import Path
import zipfile

import numpy as np

from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import decode
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Source
from socialized_learning.platform.errors import UserError

_MNIST = "mnist.npz"
_CIFAR100 = "cifar100_webp.zip"
_NUM_CLASSES = 100
_SIDE = 32
_ABREAST = 25


def _find_mnist(root: Path) -> Path | None:
  path = root / _MNIST
  return path if path.is_file() else None


def _read_mnist(path: Path) -> tuple[Part, Part]:
  """Returns train and test; raises UserError for a damaged file, never reads a pickle."""
  keys = ("x_train", "y_train", "x_test", "y_test")
  try:
    # Opened here, because NumPy leaves a file open that turns out not to be an archive.
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
      absent = [key for key in keys if key not in archive]
      arrays = [] if absent else [archive[key] for key in keys]
  except Exception as error:  # Of damaged archives NumPy, zipfile and zlib make many kinds.
    raise damaged(path, error) from error
  absent += [key for key, array in zip(keys, arrays) if not isinstance(array, np.ndarray)]
  if absent:
    raise UserError(f"{path}: holds no {', '.join(absent)}, expected {', '.join(keys)}")
  return Part(*arrays[:2], path), Part(*arrays[2:], path)


def _find_cifar100(root: Path) -> Path | None:
  path = root / _CIFAR100
  return path if path.is_file() else None


def _read_cifar100(path: Path) -> tuple[Part, Part]:
  """Returns train and test; raises UserError for a damaged file or a missing sheet."""
  try:
    archive = zipfile.ZipFile(path)
  except Exception as error:  # Of damaged archives zipfile makes several kinds.
    raise damaged(path, error) from error
  with archive:
    return _sheets(archive, path, "train"), _sheets(archive, path, "test")


def _sheets(archive: zipfile.ZipFile, path: Path, split: str) -> Part:
  """Returns the images of one split, class by class."""
  classes = [_images(archive, path, f"{split}/{label:02d}.webp") for label in range(_NUM_CLASSES)]
  labels = np.repeat(np.arange(_NUM_CLASSES, dtype=np.int32), [len(images) for images in classes])
  return Part(np.concatenate(classes), labels, path / split)


def _images(archive: zipfile.ZipFile, path: Path, name: str) -> np.ndarray:
  """Returns the images of one sheet, [N, 32, 32, 3]."""
  try:
    data = archive.read(name)
  except KeyError:
    raise UserError(f"{path}: holds no {name}, expected a sheet for each of {_NUM_CLASSES} classes "
                    "in train/ and test/") from None
  except Exception as error:  # A damaged member, or one packed in a way zipfile does not know.
    raise damaged(path / name, error) from error
  try:
    sheet = decode(io.BytesIO(data))
  except Exception as error:  # Pillow raises many kinds.
    raise damaged(path / name, error) from error
  height, width, channels = sheet.shape
  if width != _ABREAST * _SIDE or height % _SIDE:
    raise UserError(f"{path / name}: is {height} x {width} pixels, expected {_ABREAST} images of "
                    f"{_SIDE} x {_SIDE} abreast")
  grid = sheet.reshape(height // _SIDE, _SIDE, _ABREAST, _SIDE, channels)
  return grid.swapaxes(1, 2).reshape(-1, _SIDE, _SIDE, channels)


MNIST = Source(_MNIST, _find_mnist, _read_mnist)
CIFAR100 = Source(_CIFAR100, _find_cifar100, _read_cifar100)
