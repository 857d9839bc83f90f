"""A small synthetic set, for tests and for the `debug` sweep: nothing to read, quick to learn."""

import itertools

import numpy as np

from emcom_datasets.errors import DataSetError
from emcom_datasets.splits import ResidentSplit
from emcom_datasets.splits import Rows
from emcom_datasets.splits import Split

_ATTRIBUTES = ("shape", "colour", "size")
_NUM_VALUES = 4
_WIDTH = 16
_NOISE = 0.25
# Items of each of the 4 x 4 x 4 combinations of attributes: 256, 64 and 64 items.
_COPIES = {"train": 4, "valid": 1, "test": 1}


def load(name: str, split: str, *, data_dir: str | None = None) -> Split:
  """Makes one split of the synthetic set; it is the same each time.

  An item is a fixed random projection of its three one-hot attributes (unit variance) plus
  Gaussian noise of standard deviation 0.25, a vector of 16. Every split holds all 64 combinations
  of attributes. The label `class` is the pair of shape and colour.

  Args:
    name: name under which the set is handed out.
    split: `train`, `valid` or `test`.
    data_dir: not used.

  Raises:
    DataSetError: unknown split.
  """
  del data_dir
  if split not in _COPIES:
    raise DataSetError(f"{name} has no split {split!r}; its splits are {', '.join(_COPIES)}")
  # RandomState rather than a Generator: NumPy promises that its stream never changes.
  random = np.random.RandomState(list(_COPIES).index(split))
  combinations = list(itertools.product(range(_NUM_VALUES), repeat=len(_ATTRIBUTES)))
  values = random.permutation(np.repeat(combinations, _COPIES[split], axis=0)).astype(np.int32)
  inputs = _projected(values) + _NOISE * random.normal(size=(len(values), _WIDTH))
  rows = Rows(
      inputs=inputs.astype(np.float32),
      labels={"class": values[:, 0] * _NUM_VALUES + values[:, 1]},
      attributes={key: values[:, i].copy() for i, key in enumerate(_ATTRIBUTES)})
  names = [", ".join(f"{key} {value}" for key, value in zip(_ATTRIBUTES, item)) for item in values]
  num_classes = {"class": _NUM_VALUES ** 2} | {key: _NUM_VALUES for key in _ATTRIBUTES}
  return ResidentSplit(name, split, rows, names=names, num_classes=num_classes)


def _projected(values: np.ndarray) -> np.ndarray:
  """Projects one-hot attributes, [N, 3] values to [N, 16]; the projection is the same for all."""
  projection = np.random.RandomState(12).normal(size=(len(_ATTRIBUTES), _NUM_VALUES, _WIDTH))
  columns = [projection[i, values[:, i]] for i in range(len(_ATTRIBUTES))]
  return sum(columns) / np.sqrt(len(_ATTRIBUTES))
