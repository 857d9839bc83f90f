"""What a format module hands out: a `Source`, which finds its files and reads them as `Part`s.

Letters for shapes: `N` images, `H W C` height, width and channels.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from emcom_datasets.errors import one_line
import numpy as np

from socialized_learning.platform.errors import UserError


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


class Source(NamedTuple):
  """One format of one set."""
  looked_for: str  # what should lie in the data folder, in words
  find: Callable[[Path], Path | None]  # data folder -> the file or folder of that format, if any
  read: Callable[[Path], tuple[Part, Part]]  # what was found -> train and test


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
  images = images[..., None] if images.ndim == 3 else images
  if images.shape[1:] != shape or images.dtype != np.uint8:
    raise UserError(f"{path}: its images are {images.dtype} {_times(images.shape[1:])}, expected "
                    f"uint8 {_times(shape)}")
  if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
    raise UserError(f"{path}: its labels are {labels.dtype} of shape {labels.shape}, expected a "
                    "vector of integers")
  if len(images) != len(labels) or not len(images):
    raise UserError(f"{path}: {len(images):,} images and {len(labels):,} labels, expected as many "
                    "labels as images, and at least one; copy or download the set again")
  if not 0 <= labels.min() <= labels.max() < num_classes:
    raise UserError(f"{path}: labels from {labels.min()} to {labels.max()}, expected 0 to "
                    f"{num_classes - 1}")
  found = Images(np.ascontiguousarray(images), labels.astype(np.int32))
  for array in found:
    array.setflags(write=False)
  return found


def damaged(path: Path | str, error: Exception) -> UserError:
  """Returns what to raise where a file's bytes are not what its name promises."""
  return UserError(f"{path}: cannot be read, it is damaged or of another kind ({one_line(error)}); "
                   "copy or download it again")


def missing(path: Path) -> UserError:
  """Returns what to raise where a file of a set is not beside the others."""
  return UserError(f"{path}: is missing, though other files of its set are there; copy or download "
                   "the whole set")


def decode(file: Any, mode: str = "RGB") -> np.ndarray:
  """Returns an encoded image as [H, W, 3] uint8, or [H, W] for the mode `L` (grey).

  Args:
    file: what Pillow opens: a path or a binary file.
    mode: `RGB` or `L`; images of another mode are converted.

  Raises:
    Exception: whatever Pillow raises for a damaged image.
    ValueError: pixels of more than eight bits, which Pillow would cut off at 255.
  """
  from PIL import Image  # pylint: disable=g-import-not-at-top
  with Image.open(file) as image:
    if image.mode[0] in "IF":
      raise ValueError(f"its pixels are of mode {image.mode}, expected eight bits a channel")
    return np.asarray(image.convert(mode))


def _times(shape: tuple[int, ...]) -> str:
  return " x ".join(map(str, shape)) or "numbers"
