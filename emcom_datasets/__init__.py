"""Data sets of the communication games.

    split = emcom_datasets.load("emoji", "train")
    rows = split.take(np.array([3, 1, 4]))

Importing this package costs no more than NumPy: TensorFlow Datasets is imported when a prepared
set is loaded, TensorFlow never.
"""

from emcom_datasets import byol
from emcom_datasets import dummy
from emcom_datasets import embedded
from emcom_datasets.errors import DataSetError
from emcom_datasets.splits import Rows
from emcom_datasets.splits import Split

__all__ = ["load", "Split", "Rows", "DataSetError", "NAMES", "KINDS"]

_LOADERS = {
    "emoji": embedded.load,
    "emoji_people": embedded.load,
    "mnist5k": embedded.load,
    "byol_imagenet2012": byol.load,
    "byol_celeb_a2": byol.load,
    "dummy": dummy.load,
}
NAMES = tuple(_LOADERS)
# What the numbers measured on a set are numbers of; said wherever such a number appears.
KINDS = {
    "emoji": "real",
    "emoji_people": "real",
    "mnist5k": "real, 5,000 images of MNIST train",
    "byol_imagenet2012": "real",
    "byol_celeb_a2": "real",
    "dummy": "synthetic",
}


def load(name: str, split: str, *, data_dir: str | None = None) -> Split:
  """Loads one split of one data set.

  Args:
    name: one of `NAMES`.
    split: `train`, `valid` or `test`; a prepared set may have more (`test_official`).
    data_dir: folder of the prepared TFDS sets; only the sets `byol_*` look there. By default the
      environment variable SOCIALIZED_LEARNING_DATA, then TFDS's own default.

  Raises:
    DataSetError: unknown set or split, or data that are missing or damaged.
  """
  if name not in _LOADERS:
    raise DataSetError(f"unknown data set {name!r}; the known ones are {', '.join(NAMES)}")
  return _LOADERS[name](name, split, data_dir=data_dir)
