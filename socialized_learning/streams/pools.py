"""Which images a stream may choose from, and every random choice by name.

A choice has its own generator, from the seed, its name and its place: so none depends on how many
others were made, nor on NumPy's global state.
"""

from typing import NamedTuple
import zlib

import numpy as np

from socialized_learning.platform.errors import UserError


class Pool(NamedTuple):
  """Images to choose from, in the order of the data set."""
  index: np.ndarray  # [n] int32, position in the data set.
  label: np.ndarray  # [n] int32, the source's label.

  def of_classes(self, classes: np.ndarray) -> np.ndarray:
    """Positions [m] of the images of these classes, in the order of the data set."""
    return self.index[np.isin(self.label, classes)]


def generator(seed: int, name: str, *place: int) -> np.random.Generator:
  """The generator of the choice called `name`; all places of one name have the same length."""
  return np.random.default_rng((seed, zlib.crc32(name.encode()), *place))


def whole(labels: np.ndarray, *, num_classes: int, what: str) -> Pool:
  """All images of a data set.

  Args:
    labels: [n] whole numbers.
    num_classes: labels are below this.
    what: what to call the labels in a message.

  Raises:
    UserError: other labels than 0 … num_classes - 1.
  """
  labels = np.asarray(labels)
  if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
    raise UserError(f"{what} are {labels.dtype} of shape {labels.shape}: must be whole numbers in "
                    "one row, one for each image")
  if labels.size and not (0 <= labels.min() and labels.max() < num_classes):
    raise UserError(f"{what} go from {labels.min()} to {labels.max()}: must be within 0 to "
                    f"{num_classes - 1}")
  return Pool(np.arange(len(labels), dtype=np.int32), labels.astype(np.int32))


def split(pool: Pool, share: float, seed: int) -> tuple[Pool, Pool]:
  """Splits training images by a seeded permutation: (those to train on, the first `share`).

  Both parts keep the order of the data set.

  Raises:
    UserError: one part would be empty.
  """
  num_held = round(share * len(pool.index))
  if not 0 < num_held < len(pool.index):
    raise UserError(f"stream.validation={share} of {len(pool.index)} training images are {num_held}: both "
                    "parts need at least one, choose another share")
  order = generator(seed, "validation").permutation(len(pool.index))
  held, left = np.sort(order[:num_held]), np.sort(order[num_held:])
  return Pool(pool.index[left], pool.label[left]), Pool(pool.index[held], pool.label[held])
