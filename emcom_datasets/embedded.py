"""Sets that come with the package, as small files in `arrays/`.

`make_arrays.py` writes these files and says what they are made of. A file `NAME.npz` holds, for `N`
items: `split` [N] uint8 (0 train, 1 valid, 2 test), `names` [N], the recipe's inputs, `images`
[N, H, W, C] uint8, and for each label and attribute its codes [N] uint8 and `KEY_names`, what the
codes mean. The split is stored, so that it hangs on no random stream.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from emcom_datasets.errors import DataSetError
from emcom_datasets.splits import ResidentSplit
from emcom_datasets.splits import Rows
from emcom_datasets.splits import Split

ARRAYS = Path(__file__).with_name("arrays")
SPLITS = ("train", "valid", "test")


class _Recipe(NamedTuple):
  """Which arrays of the file are what. Bytes become floats in [0, 1], float16 becomes float32."""
  inputs: str
  labels: tuple[str, ...]
  attributes: tuple[str, ...]


_RECIPES = {
    "emoji": _Recipe("embeddings", labels=("category", "subcategory"), attributes=()),
    # The role is what one would classify, and one of the three properties that make the picture.
    "emoji_people": _Recipe("images", labels=("role",), attributes=("role", "gender", "skin_tone")),
    "mnist5k": _Recipe("images", labels=("digit",), attributes=()),
}


def load(name: str, split: str, *, data_dir: str | None = None) -> Split:
  """Loads one split of an embedded set into memory.

  Args:
    name: `emoji`, `emoji_people` or `mnist5k`.
    split: `train`, `valid` or `test`.
    data_dir: not used: these sets are part of the package.

  Raises:
    DataSetError: unknown split, or the package's file is missing or damaged.
  """
  del data_dir
  if split not in SPLITS:
    raise DataSetError(f"{name} has no split {split!r}; its splits are {', '.join(SPLITS)}")
  recipe = _RECIPES[name]
  keys = tuple(dict.fromkeys(recipe.labels + recipe.attributes))
  arrays = _read(ARRAYS / f"{name}.npz", {"split", "names", "images", recipe.inputs, *keys,
                                          *(f"{key}_names" for key in keys)})
  chosen = np.flatnonzero(arrays["split"] == SPLITS.index(split))
  codes = {key: arrays[key][chosen].astype(np.int32) for key in keys}
  class_names = {key: arrays[f"{key}_names"].tolist() for key in keys}
  rows = Rows(
      inputs=_as_float(arrays[recipe.inputs][chosen]),
      labels={key: codes[key] for key in recipe.labels},
      attributes={key: codes[key] for key in recipe.attributes})
  return ResidentSplit(
      name, split, rows, names=arrays["names"][chosen], images=arrays["images"][chosen],
      num_classes={key: len(names) for key, names in class_names.items()}, class_names=class_names)


def _as_float(array: np.ndarray) -> np.ndarray:
  if array.dtype == np.uint8:
    return array.astype(np.float32) / np.float32(255)
  return array.astype(np.float32)


def _read(path: Path, keys: set[str]) -> dict[str, np.ndarray]:
  """Reads arrays of a package file, never a pickle.

  Raises:
    DataSetError: the file is missing or damaged.
  """
  repair = "install the package emcom_datasets again, or restore the file with git checkout"
  try:
    # Opened here, because NumPy leaves a file open that turns out not to be an archive.
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
      return {key: archive[key] for key in keys}
  except FileNotFoundError:
    raise DataSetError(f"{path.stem}: its package file {path} is missing; {repair}") from None
  except Exception as error:  # Of damaged archives NumPy, zipfile and zlib make many kinds.
    raise DataSetError(
        f"{path.stem}: its package file {path} is damaged "
        f"({type(error).__name__}); {repair}") from error
