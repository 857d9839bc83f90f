"""Single files that hold a whole set: `mnist.npz` and `cifar100_webp.zip`, and those of other sets.

`NAME.npz` holds `x_train y_train x_test y_test`, images uint8, as Keras keeps MNIST. `NAME_webp.zip`
holds for each class, in the official order, the lossless WebP sheets `train/00.webp` and
`test/00.webp`: images 25 abreast, row by row. Its images are therefore ordered by class.
"""

from typing import NamedTuple
import zipfile

from emcom_datasets.listing import File
from emcom_datasets.listing import Folder
import numpy as np

from socialized_learning.data.sources.places import known_as
from socialized_learning.data.sources.source import check_images
from socialized_learning.data.sources.source import check_number
from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import decode
from socialized_learning.data.sources.source import Format
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Spec
from socialized_learning.platform.errors import UserError

_KEYS = ("x_train", "y_train", "x_test", "y_test")
_SPLITS = ("train", "test")
_ABREAST = 25


class _Declared(NamedTuple):
  """What an array claims to be, before it is unpacked."""
  shape: tuple[int, ...]
  dtype: np.dtype


def _read_npz(folder: Folder, spec: Spec) -> tuple[Part, Part] | None:
  """Returns train and test; raises UserError for a damaged file, never reads a pickle."""
  file = next((file for name, file in folder.files.items() if name.lower().endswith(".npz")
               and known_as(name[:-len(".npz")]) in spec.aliases), None)
  if file is None:
    return None
  try:
    with file.open() as opened, zipfile.ZipFile(opened) as archive:
      if absent := [key for key in _KEYS if f"{key}.npy" not in archive.namelist()]:
        raise UserError(f"{file.path}: holds no {', '.join(absent)}, expected {', '.join(_KEYS)}")
      for split, (images, labels) in enumerate((_KEYS[:2], _KEYS[2:])):
        _check_declared(_declared(archive, images), _declared(archive, labels), spec, split, file)
      arrays = [_array(archive, key) for key in _KEYS]
  except UserError:
    raise
  except Exception as error:  # Of damaged archives NumPy, zipfile and zlib make many kinds.
    raise damaged(file.path, error) from error
  # Keras gives labels as columns.
  labels = [array[:, 0] if array.shape[1:] == (1,) else array for array in arrays[1::2]]
  return Part(arrays[0], labels[0], file.path), Part(arrays[2], labels[1], file.path)


def _declared(archive: zipfile.ZipFile, key: str) -> _Declared:
  """Returns shape and type of an array, of which only the header is unpacked."""
  with archive.open(f"{key}.npy") as member:
    version = np.lib.format.read_magic(member)
    read = (np.lib.format.read_array_header_1_0 if version == (1, 0)
            else np.lib.format.read_array_header_2_0)
    shape, _, dtype = read(member)
  return _Declared(shape, dtype)


def _check_declared(images: _Declared, labels: _Declared, spec: Spec, split: int, file: File
                    ) -> None:
  """Raises UserError for arrays that are not the set's: a small file can hold any number of zeros."""
  if images.dtype.hasobject or labels.dtype.hasobject:
    return  # Pickles, which NumPy refuses in words of its own.
  check_images(images, spec.shape, file.path)
  check_number(images.shape[0], spec, split, file.path)
  check_number(int(np.prod(labels.shape, dtype=object)), spec, split, file.path)


def _array(archive: zipfile.ZipFile, key: str) -> np.ndarray:
  with archive.open(f"{key}.npy") as member:
    return np.lib.format.read_array(member, allow_pickle=False)


def _read_sheets(folder: Folder, spec: Spec) -> tuple[Part, Part] | None:
  """Returns train and test; raises UserError or DataSetError for a damaged or missing sheet."""
  folders = [folder.folder(split) for split in _SPLITS]
  if not any(below and below.file("00.webp") for below in folders):
    return None
  train, test = (_sheets(below or folder, folder, spec, split)
                 for split, below in enumerate(folders))
  return train, test


def _sheets(of_split: Folder, folder: Folder, spec: Spec, split: int) -> Part:
  """Returns the images of one split, class by class."""
  classes = []
  for label in range(spec.num_classes):
    file = of_split.file(f"{label:02d}.webp")
    if file is None:
      raise UserError(f"{folder.path}: holds no {_SPLITS[split]}/{label:02d}.webp, expected a sheet "
                      f"for each of {spec.num_classes} classes in train/ and test/")
    classes.append(_images(file, spec, split))
  labels = np.repeat(np.arange(spec.num_classes, dtype=np.int32),
                     [len(images) for images in classes])
  return Part(np.concatenate(classes), labels, of_split.path)


def _images(file: File, spec: Spec, split: int) -> np.ndarray:
  """Returns the images of one sheet, [N, H, W, C]."""
  from PIL import Image  # pylint: disable=g-import-not-at-top
  height, width, channels = spec.shape
  try:
    with file.open() as opened, Image.open(opened) as sheet:
      full_width, full_height = sheet.size
      if full_width != _ABREAST * width or full_height % height:
        raise UserError(f"{file.path}: is {full_height} x {full_width} pixels, expected {_ABREAST} "
                        f"images of {height} x {width} abreast")
      check_number(full_height // height * _ABREAST, spec, split, file.path)
    with file.open() as opened:
      pixels = decode(opened, spec.mode)
  except UserError:
    raise
  except Exception as error:  # Pillow raises many kinds, and zipfile for damaged members.
    raise damaged(file.path, error) from error
  grid = pixels.reshape(full_height // height, height, _ABREAST, width, channels)
  return grid.swapaxes(1, 2).reshape(-1, height, width, channels)


def npz(name: str) -> Format:
  """Returns the format `NAME.npz` of a set."""
  return Format(f"{name}.npz", _read_npz)


def sheets(name: str) -> Format:
  """Returns the format `NAME_webp.zip` of a set."""
  return Format(f"{name}_webp.zip", _read_sheets)
