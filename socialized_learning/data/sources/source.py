"""What a format module provides: a `Format`, which reads a set from a folder as two `Part`s.

Letters for shapes: `N` images, `H W C` height, width and channels.
"""

from collections.abc import Callable, Sequence
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

from emcom_datasets.errors import damaged as damaged_data
from emcom_datasets.listing import File
from emcom_datasets.listing import Folder
import numpy as np

from socialized_learning.platform.errors import UserError

_SPARE_BYTES = 1 << 26


class Images(NamedTuple):
  """One split, read-only."""
  images: np.ndarray  # [N, H, W, C] uint8
  labels: np.ndarray  # [N] int32, 0 ... num_classes - 1


class ImageSet(NamedTuple):
  """A set of labelled images."""
  name: str
  kind: str  # what numbers measured on it are numbers of: "real", "real, 5,000 images of …"
  train: Images
  test: Images
  num_classes: int
  tasks: tuple[tuple[int, ...], ...] = ()  # classes of each task, of a set that comes in tasks


class Part(NamedTuple):
  """One split as its files hold it, not yet checked."""
  images: np.ndarray  # [N, H, W, C], or [N, H, W] of grey images
  labels: np.ndarray  # [N] integers
  path: Path  # what to name if something is wrong with it


class Spec(NamedTuple):
  """What is known of a set before it is read."""
  name: str
  shape: tuple[int, int, int]
  num_classes: int
  num_images: tuple[int, int]  # train and test, when complete
  aliases: frozenset[str]  # see `places.known_as`

  @property
  def max_bytes(self) -> int:
    """How many bytes no file of the set exceeds, in whatever format."""
    return 2 * sum(self.num_images) * math.prod(self.shape) + _SPARE_BYTES

  @property
  def mode(self) -> str:
    """Pillow's name for the colours of its images."""
    return "L" if self.shape[-1] == 1 else "RGB"


class Format(NamedTuple):
  """One format of a set."""
  looked_for: str  # what should be in the data folder, in words
  # Train and test if a folder holds files of this format, else None; raises UserError or
  # DataSetError if some are missing or damaged.
  read: Callable[[Folder, Spec], tuple[Part, Part] | None]
  is_nested: bool = True  # whether it may also be in subfolders
  is_official: bool = True  # whether it is known to hold the images of the set


def checked(part: Part, shape: tuple[int, int, int], num_classes: int) -> Images:
  """Returns a split that is what its name promises, as read-only arrays.

  Args:
    part: as read from files.
    shape: `(H, W, C)` of the set.
    num_classes: of the set.

  Raises:
    UserError: no images, images of another shape or type, another number of labels than of images,
      or labels outside 0 ... num_classes - 1.
  """
  images, labels, path = part
  check_images(images, shape, path)
  if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
    raise UserError(f"{path}: its labels are {labels.dtype} of shape {labels.shape}, expected a "
                    "vector of integers")
  if len(images) != len(labels) or not len(images):
    raise UserError(f"{path}: {len(images):,} images and {len(labels):,} labels, expected as many "
                    "labels as images, and at least one; copy or download the set again")
  if not 0 <= labels.min() <= labels.max() < num_classes:
    raise UserError(f"{path}: labels from {labels.min()} to {labels.max()}, expected 0 to "
                    f"{num_classes - 1}")
  found = Images(np.ascontiguousarray(images.reshape(-1, *shape)), labels.astype(np.int32))
  for array in found:
    array.setflags(write=False)
  return found


def check_images(images: Any, shape: tuple[int, int, int], path: Path) -> None:
  """Raises UserError unless images are uint8 [N, H, W, C], or [N, H, W] where C is 1.

  Args:
    images: whatever has `shape` and `dtype`; they may be known before the pixels are.
    shape: `(H, W, C)` of the set.
    path: what to name in errors.
  """
  found = (*images.shape, 1) if len(images.shape) == 3 else images.shape
  if found[1:] != shape or len(found) != 4 or images.dtype != np.uint8:
    raise UserError(f"{path}: its images are {images.dtype} {_times(found[1:])}, expected "
                    f"uint8 {_times(shape)}")


def check_number(number: int, spec: Spec, split: int, path: Path) -> None:
  """Raises UserError if there are more images than the set has: they are not unpacked then."""
  if number > spec.num_images[split]:
    raise UserError(f"{path}: holds {number:,} {('training', 'test')[split]} images, {spec.name} "
                    f"has {spec.num_images[split]:,}; it is another set")


def damaged(path: Path | str, error: Exception) -> UserError:
  """Returns what to raise where a file's bytes are not what its name promises."""
  return UserError(str(damaged_data(path, error)))


def missing(path: Path) -> UserError:
  """Returns what to raise where a file of a set is not beside the others."""
  return UserError(f"{path}: is missing, though other files of its set are there; copy or download "
                   "the whole set")


class OtherSizeError(ValueError):
  """An image is of another size than the set's."""


def decode(file: Any, mode: str = "RGB", shape: Sequence[int] | None = None) -> np.ndarray:
  """Returns an encoded image as [H, W, C] uint8.

  Args:
    file: what Pillow opens: a path or a binary file.
    mode: `RGB` or `L` (grey, C is 1); images of another mode are converted.
    shape: which height and width, its first two numbers, the image must have. Nothing is decoded if
      it has others, since a small file can unpack to any size.

  Raises:
    Exception: whatever Pillow raises for a damaged image.
    OtherSizeError: another height or width.
    ValueError: pixels of more than eight bits, which Pillow would cut off at 255.
  """
  from PIL import Image  # pylint: disable=g-import-not-at-top
  with Image.open(file) as image:
    if image.mode[0] in "IF":
      raise ValueError(f"its pixels are of mode {image.mode}, expected eight bits a channel")
    size = image.height, image.width
    if shape is not None and size != tuple(shape[:2]):
      raise OtherSizeError(_times(size))
    return np.asarray(image.convert(mode)).reshape(*size, -1)


def stack(files: Sequence[File], spec: Spec | None = None, shape: Sequence[int] | None = None
          ) -> np.ndarray:
  """Decodes image files, at least one, into one array [N, H, W, C].

  Args:
    files: in order.
    spec: the set they are of; without it they are in colour.
    shape: `(H, W, C)` of every image; by default that of the set, else that of the first image.

  Raises:
    UserError: a file is damaged or of another size; or all together do not fit into memory.
  """
  mode = spec.mode if spec else "RGB"
  expected = f"expected {_times(spec.shape[:2])}" if spec else ""
  shape = spec.shape if spec else shape
  if shape is None:
    shape = _decoded(files[0], mode, None, "").shape
  expected = expected or (f"the first image is {_times(shape[:2])}; all must be of one size")
  # One after another: measured on two cores, threads were no quicker for images as small as these.
  images = _empty((len(files), *shape), files[0].path)
  for row, file in enumerate(files):
    images[row] = _decoded(file, mode, shape, expected)
  return images


def _empty(shape: tuple[int, ...], path: Path) -> np.ndarray:
  """Room for images; raises UserError where the machine cannot have it."""
  size = math.prod(shape)
  memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
  if size > memory:
    raise UserError(f"{path}: {shape[0]:,} images of {_times(shape[1:3])} pixels need "
                    f"{size / 1e9:.0f} GB, this machine has {memory / 1e9:.0f}; make them smaller")
  return np.empty(shape, np.uint8)


def _decoded(file: File, mode: str, shape: Sequence[int] | None, expected: str) -> np.ndarray:
  try:
    with file.open() as opened:
      return decode(opened, mode, shape)
  except OtherSizeError as error:
    raise UserError(f"{file.path}: is {error} pixels, {expected}") from error
  except Exception as error:  # Pillow raises many kinds.
    raise damaged(file.path, error) from error


def _times(shape: Sequence[int]) -> str:
  return " x ".join(map(str, shape)) or "numbers"
