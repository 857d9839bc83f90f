"""Sets of labelled images that continual learning makes its streams of.

    cifar = sources.load("cifar10", data_dir="~/data")
    cifar.train.images, cifar.train.labels  # [50000, 32, 32, 3] uint8, [50000] int32

A set is recognised by what lies in the data folder; of several formats the first of this table is
taken.

| set | TFDS folder | official files | single file |
|---|---|---|---|
| `mnist` | `mnist/VERSION/` | idx files, plain or .gz, there or in `MNIST/raw/` | `mnist.npz` |
| `cifar10` | `cifar10/VERSION/` | `cifar-10-batches-py/`, `cifar-10-python.tar.gz` | |
| `cifar100` | `cifar100/VERSION/` | `cifar-100-python/`, `cifar-100-python.tar.gz` | \
`cifar100_webp.zip` |
| `svhn` | `svhn_cropped/VERSION/` | `train_32x32.mat`, `test_32x32.mat` | |
| `tinyimagenet` | | `tiny-imagenet-200/` | |
| `mnist5k` | part of the package; train is its train and valid, 4,000 images | | |
| `emoji` | part of the package, in the same way: 8 categories of drawings | | |
| `task_folders` | | `Task_0/traindata_0/CLASS/*.png` and so on: images of your own | |

All formats of a set hold the same images, but TFDS and `cifar100_webp.zip` in another order than
the official files. A stream that cuts a set by position depends on that.

Importing this package costs no more than NumPy. TensorFlow is never imported but by TFDS, to
download.
"""

import functools
import os
from pathlib import Path
from typing import NamedTuple

import emcom_datasets
from emcom_datasets.byol import DATA_VARIABLE
from emcom_datasets.embedded import ARRAYS
from emcom_datasets.errors import one_line
import numpy as np

from socialized_learning.data.sources import archives
from socialized_learning.data.sources import cifar
from socialized_learning.data.sources import idx
from socialized_learning.data.sources import prepared
from socialized_learning.data.sources import svhn
from socialized_learning.data.sources import task_folders
from socialized_learning.data.sources import tiny_imagenet
from socialized_learning.data.sources.source import checked
from socialized_learning.data.sources.source import Images
from socialized_learning.data.sources.source import ImageSet
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Source
from socialized_learning.platform.errors import UserError

__all__ = ["load", "Images", "ImageSet", "NAMES"]


class _Set(NamedTuple):
  """What is known of a set before it is read."""
  shape: tuple[int, int, int]
  num_classes: int
  num_images: tuple[int, int]  # train and test, when complete
  files: tuple[Source, ...]  # in order of preference
  tfds_name: str | None = None

  @property
  def sources(self) -> tuple[Source, ...]:
    return ((prepared.source(self.tfds_name),) if self.tfds_name else ()) + self.files


def _read_embedded(label: str, path: Path) -> tuple[Part, Part]:
  """Returns an embedded set: nothing is chosen by its valid split, so it is for training."""
  try:
    train, valid, test = (emcom_datasets.load(path.stem, split)
                          for split in ("train", "valid", "test"))
  except emcom_datasets.DataSetError as error:
    raise UserError(str(error)) from error
  labels = lambda split: split.rows.labels[label]
  return (Part(np.concatenate([train.images, valid.images]),
               np.concatenate([labels(train), labels(valid)]), path),
          Part(test.images, labels(test), path))


def _embedded(name: str, label: str) -> Source:
  return Source("the package's own file", lambda root: ARRAYS / f"{name}.npz",
                functools.partial(_read_embedded, label))


_SETS = {
    "mnist": _Set((28, 28, 1), 10, (60_000, 10_000), (idx.MNIST, archives.MNIST), "mnist"),
    "mnist5k": _Set((28, 28, 1), 10, (4_000, 1_000), (_embedded("mnist5k", "digit"),)),
    "emoji": _Set((32, 32, 3), 8, (1_375, 256), (_embedded("emoji", "category"),)),
    "cifar10": _Set((32, 32, 3), 10, (50_000, 10_000), (cifar.CIFAR10,), "cifar10"),
    "cifar100": _Set((32, 32, 3), 100, (50_000, 10_000), (cifar.CIFAR100, archives.CIFAR100),
                     "cifar100"),
    "svhn": _Set((32, 32, 3), 10, (73_257, 26_032), (svhn.SVHN,), "svhn_cropped"),
    "tinyimagenet": _Set((64, 64, 3), 200, (100_000, 10_000), (tiny_imagenet.TINY_IMAGENET,)),
}
NAMES = (*_SETS, task_folders.NAME)


def load(name: str, *, data_dir: str | os.PathLike | None = None, download: bool = False
        ) -> ImageSet:
  """Returns a set, all of it in memory; the same arrays, read-only, each time it is asked for.

  Args:
    name: one of `NAMES`.
    data_dir: folder to look in; by default the environment variable SOCIALIZED_LEARNING_DATA, then
      TFDS's own default (TFDS_DATA_DIR, else ~/tensorflow_datasets).
    download: if nothing is found there, let TFDS download the set into it.

  Raises:
    UserError: unknown set, nothing found, or files that are missing, damaged or of another set.
  """
  if name not in NAMES:
    raise UserError(f"unknown image set {name!r}; the known ones are {', '.join(NAMES)}")
  folder = (data_dir or os.environ.get(DATA_VARIABLE) or os.environ.get("TFDS_DATA_DIR")
            or "~/tensorflow_datasets")
  root = Path(os.path.expanduser(folder)).absolute()
  if name == task_folders.NAME:  # What classes, sizes and numbers it has is for its files to say.
    return task_folders.load(root)
  tfds_name = _SETS[name].tfds_name
  if download and tfds_name and _find(name, root) is None:
    prepared.download(tfds_name, root)
  return _load(name, root)


@functools.cache
def _load(name: str, root: Path) -> ImageSet:
  """Reads a set from the first of its formats that lies in the folder."""
  this = _SETS[name]
  found = _find(name, root)
  if found is None:
    raise UserError(_nothing_found(name, root))
  source, path = found
  train, test = (checked(part, this.shape, this.num_classes) for part in source.read(path))
  kind = emcom_datasets.KINDS.get(name, "real")
  sizes = len(train.labels), len(test.labels)
  if sizes != this.num_images:
    # Numbers measured on a part of a set must not pass for numbers of the set.
    kind = "real, but {:,} + {:,} images instead of {:,} + {:,}".format(*sizes, *this.num_images)
  return ImageSet(name, kind, train, test, this.num_classes)


def _find(name: str, root: Path) -> tuple[Source, Path] | None:
  """Returns the first format that lies in the folder, and where it lies."""
  try:
    for source in _SETS[name].sources:
      path = source.find(root)
      if path is not None:
        return source, path
  except OSError as error:
    raise UserError(f"{name}: {root} cannot be searched ({one_line(error)})") from error
  return None


def _nothing_found(name: str, root: Path) -> str:
  looked_for = "; ".join(source.looked_for for source in _SETS[name].sources)
  place = f"in {root}" if root.is_dir() else f"in {root}, which is no folder"
  otherwise = (", or let TFDS download it with --config.data.download=True"
               if _SETS[name].tfds_name else "; TFDS has no such set to download")
  return (f"{name}: nothing found {place}; looked for {looked_for}. Name the folder that holds it "
          f"with --config.data.dir or {DATA_VARIABLE}{otherwise}")
