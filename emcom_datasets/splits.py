"""The types every data set is handed out in: `Rows`, a batch of items, and `Split`.

Letters for shapes: `B` items asked for, `N` items of the split, `D` width of a vector, `H W C`
height, width and channels of an image.
"""

import abc
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
  """A batch of items."""
  inputs: np.ndarray  # [B, D] or [B, H, W, C] float32
  labels: dict[str, np.ndarray]  # name -> [B] int32
  attributes: dict[str, np.ndarray]  # name -> [B] int32


class Split(abc.ABC):
  """One split of one data set.

  Attributes:
    name: the data set, as given to `load`.
    split: the split, as given to `load`.
    input_shape: shape of one item's inputs, `(D,)` or `(H, W, C)`.
    label_names: what one would classify (class, identity, digit, ...).
    attribute_names: properties of an item; a name may be a label as well.
    num_classes: how many values each label and each attribute takes; they are 0 ... n-1.
    class_names: what these values are called, for the sets that say so (else without that key).
    resident: True if everything is in memory, in `rows`; False if items are read on demand.
    rows: all items in order, or None where the set is not resident.
    images: [N, H, W, C] uint8 pictures of the items, or None where the set has none.
  """

  resident: bool
  rows: Rows | None = None
  images: np.ndarray | None = None

  def __init__(
      self,
      name: str,
      split: str,
      *,
      input_shape: tuple[int, ...],
      label_names: Sequence[str],
      attribute_names: Sequence[str],
      num_classes: Mapping[str, int],
      class_names: Mapping[str, Sequence[str]] | None = None,
  ):
    self.name = name
    self.split = split
    self.input_shape = tuple(input_shape)
    self.label_names = tuple(label_names)
    self.attribute_names = tuple(attribute_names)
    self.num_classes = dict(num_classes)
    self.class_names = {key: tuple(names) for key, names in (class_names or {}).items()}

  @abc.abstractmethod
  def __len__(self) -> int:
    """Number of items."""

  @abc.abstractmethod
  def take(self, indices: np.ndarray) -> Rows:
    """Returns the items `indices` ([B] integers in 0 ... N-1), in that order, as fresh arrays.

    Raises:
      IndexError: an index lies outside the split.
      TypeError: the indices are not a vector of integers.
      DataSetError: a file has become unreadable.
    """

  @abc.abstractmethod
  def item_names(self, indices: np.ndarray) -> list[str | None]:
    """Returns what a person would call the items `indices`; None for an item without a name."""


class ResidentSplit(Split):
  """A split held in memory; its arrays are read-only."""

  resident = True

  def __init__(self, name: str, split: str, rows: Rows, *, names: Sequence[str],
               num_classes: Mapping[str, int], images: np.ndarray | None = None,
               class_names: Mapping[str, Sequence[str]] | None = None):
    super().__init__(
        name, split, input_shape=rows.inputs.shape[1:], label_names=tuple(rows.labels),
        attribute_names=tuple(rows.attributes), num_classes=num_classes, class_names=class_names)
    self.rows = rows
    self.images = images
    self._names = [str(item) for item in names]
    for array in (rows.inputs, *rows.labels.values(), *rows.attributes.values(), images):
      if array is not None:
        array.setflags(write=False)

  def __len__(self) -> int:
    return len(self.rows.inputs)

  def take(self, indices: np.ndarray) -> Rows:
    indices = checked_indices(indices, len(self))
    pick = lambda arrays: {name: array[indices] for name, array in arrays.items()}
    return Rows(self.rows.inputs[indices], pick(self.rows.labels), pick(self.rows.attributes))

  def item_names(self, indices: np.ndarray) -> list[str | None]:
    return [self._names[index] for index in checked_indices(indices, len(self))]


def checked_indices(indices: np.ndarray, num_items: int) -> np.ndarray:
  """Returns `indices` as [B] int64.

  Raises:
    TypeError: they are not a vector of integers.
    IndexError: one is negative or not below `num_items`. NumPy would count a negative one from the
      end, which hides a wrong cursor.
  """
  indices = np.asarray(indices)
  if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer):
    raise TypeError(f"indices must be a vector of integers, got {indices.dtype}{indices.shape}")
  if indices.size and not 0 <= indices.min() <= indices.max() < num_items:
    raise IndexError(
        f"indices from {indices.min()} to {indices.max()} in a split of {num_items} items")
  return indices.astype(np.int64)
