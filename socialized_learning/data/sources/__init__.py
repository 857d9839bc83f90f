"""Sets of labelled images that continual learning makes its streams of.

    cifar = sources.load("cifar10", data_dir="~/data")
    cifar.train.images, cifar.train.labels  # [50000, 32, 32, 3] uint8, [50000] int32

A set is found by the names of its files, in upper or lower case, in the data folder, in a folder or
archive of the set's name (`MNIST/`, `cifar-10-python.tar.gz`, plain `.tar` and `.zip` too) up to three
levels below it, or in the set's own folder given as the data folder; `places` says which names these
are. Names that begin with a dot never count. The nearest place comes first, and there the first format
of this table. What is not complete is passed over, with a note, if the set is complete elsewhere.

| set | TFDS folder | official files | also |
|---|---|---|---|
| `mnist` | `mnist/VERSION/` | idx files, plain or .gz, there or in `MNIST/raw/` | all of the below |
| `cifar10` | `cifar10/VERSION/` | `cifar-10-batches-py/`, `cifar-10-python.tar.gz` | |
| `cifar100` | `cifar100/VERSION/` | `cifar-100-python/`, `cifar-100-python.tar.gz` | |
| `svhn` | `svhn_cropped/VERSION/` | `train_32x32.mat`, `test_32x32.mat` | |
| `tinyimagenet` | | `tiny-imagenet-200/`, also with `val/` sorted into classes; its zip | |
| `mnist5k` | part of the package; train is its train and valid, 4,000 images | | nothing |
| `emoji` | part of the package, in the same way: 8 categories of drawings | | nothing |
| `class_folders` | | `train/CLASS/*.png`, `test/CLASS/*.png`: images of your own | |
| `task_folders` | | `Task_0/traindata_0/CLASS/*.png` and so on: images of your own | |

Every set that is not part of the package is also read from `NAME.npz` (`x_train`, `y_train`, `x_test`,
`y_test`), from `NAME_webp.zip` (see `archives`; not MNIST), from the parquet files of the Hugging Face
hub (needs pyarrow), and from `train/CLASS/*.png` with `test/CLASS/*.png` (see `class_folders`).

All formats of a set hold the same images, but in different orders. Experiments order them by content,
so that nothing they do depends on the format; `order="files"` keeps the order of the files.

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
from emcom_datasets.errors import DataSetError
import numpy as np

from socialized_learning.data.sources import archives
from socialized_learning.data.sources import cifar
from socialized_learning.data.sources import class_folders
from socialized_learning.data.sources import hub
from socialized_learning.data.sources import idx
from socialized_learning.data.sources import order as order_lib
from socialized_learning.data.sources import prepared
from socialized_learning.data.sources import search
from socialized_learning.data.sources import svhn
from socialized_learning.data.sources import task_folders
from socialized_learning.data.sources import tiny_imagenet
from socialized_learning.data.sources.source import checked
from socialized_learning.data.sources.source import Format
from socialized_learning.data.sources.source import Images
from socialized_learning.data.sources.source import ImageSet
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Spec
from socialized_learning.platform.errors import UserError

__all__ = ["load", "Images", "ImageSet", "NAMES"]


class _Set(NamedTuple):
  """A set that is found under the data folder."""
  spec: Spec
  formats: tuple[Format, ...]  # in order of preference
  tfds_name: str | None = None


class _Embedded(NamedTuple):
  """A set that is part of the package."""
  spec: Spec
  label: str


def _set(name: str, shape: tuple[int, int, int], num_classes: int, num_images: tuple[int, int],
         files: Format, tfds_name: str | None = None, aliases: tuple[str, ...] = ()) -> _Set:
  """Returns a set with its own files and those forms that every set may have."""
  formats = (
      *((prepared.prepared_format(tfds_name),) if tfds_name else ()), files, archives.npz(name),
      *((archives.sheets(name),) if shape[-1] == 3 else ()), hub.PARQUET,
      class_folders.CLASS_FOLDERS)
  spec = Spec(name, shape, num_classes, num_images, frozenset({name, *aliases}))
  return _Set(spec, formats, tfds_name)


def _embedded(name: str, shape: tuple[int, int, int], num_classes: int, num_images: tuple[int, int],
              label: str) -> _Embedded:
  return _Embedded(Spec(name, shape, num_classes, num_images, frozenset()), label)


_SETS = {this.spec.name: this for this in (
    _set("mnist", (28, 28, 1), 10, (60_000, 10_000), idx.MNIST, "mnist"),
    _embedded("mnist5k", (28, 28, 1), 10, (4_000, 1_000), "digit"),
    _embedded("emoji", (32, 32, 3), 8, (1_375, 256), "category"),
    _set("cifar10", (32, 32, 3), 10, (50_000, 10_000), cifar.CIFAR10, "cifar10"),
    _set("cifar100", (32, 32, 3), 100, (50_000, 10_000), cifar.CIFAR100, "cifar100"),
    _set("svhn", (32, 32, 3), 10, (73_257, 26_032), svhn.SVHN, "svhn_cropped"),
    _set("tinyimagenet", (64, 64, 3), 200, (100_000, 10_000), tiny_imagenet.TINY_IMAGENET,
         aliases=("tinyimagenet200",)),
)}
# What classes, sizes and numbers these have is for their files to say.
_OWN = {module.NAME: module.load for module in (class_folders, task_folders)}
NAMES = (*_SETS, *_OWN)


class _NothingFoundError(UserError):
  """No file of a set is there."""


def load(name: str, *, data_dir: str | os.PathLike | None = None, download: bool = False,
         order: str = "files") -> ImageSet:
  """Returns a set, all of it in memory; the same arrays, read-only, each time it is asked for.

  Args:
    name: one of `NAMES`.
    data_dir: folder to look in; by default the environment variable SOCIALIZED_LEARNING_DATA, then
      TFDS's own default (TFDS_DATA_DIR, else ~/tensorflow_datasets).
    download: if nothing is found there, let TFDS download the set into it.
    order: of the images of each split: `content`, the same whatever files hold them (see
      `order.by_content`), or `files`, as the files have it.

  Raises:
    UserError: unknown set, nothing found, or files that are missing, damaged or of another set.
  """
  if name not in NAMES:
    raise UserError(f"unknown image set {name!r}; the known ones are {', '.join(NAMES)}")
  if order not in order_lib.ORDERS:
    raise UserError(f"data.order={order!r}: choose one of {', '.join(order_lib.ORDERS)}")
  folder = (data_dir or os.environ.get(DATA_VARIABLE) or os.environ.get("TFDS_DATA_DIR")
            or "~/tensorflow_datasets")
  root = Path(os.path.expanduser(folder)).absolute()
  try:
    return _load(name, root, order)
  except _NothingFoundError:
    if not download or not _SETS[name].tfds_name:
      raise
  prepared.download(_SETS[name].tfds_name, root)
  return _load(name, root, order)


@functools.cache
def _load(name: str, root: Path, order: str) -> ImageSet:
  found = _in_files(name, root)
  if order == "files":
    return found
  return found._replace(train=order_lib.by_content(found.train), test=order_lib.by_content(found.test))


def _in_files(name: str, root: Path) -> ImageSet:
  """Returns a set in the order of its files."""
  try:
    if name in _OWN:
      return _OWN[name](root)
    this = _SETS[name]
    return _read_embedded(this) if isinstance(this, _Embedded) else _read(this, root)
  except DataSetError as error:
    raise UserError(str(error)) from error


def _read_embedded(this: _Embedded) -> ImageSet:
  """Returns an embedded set: nothing is chosen by its valid split, so it is for training."""
  name = this.spec.name
  path = ARRAYS / f"{name}.npz"
  train, valid, test = (emcom_datasets.load(name, split) for split in ("train", "valid", "test"))
  labels = lambda split: split.rows.labels[this.label]
  parts = (Part(np.concatenate([train.images, valid.images]),
                np.concatenate([labels(train), labels(valid)]), path),
           Part(test.images, labels(test), path))
  return ImageSet(name, emcom_datasets.KINDS.get(name, "real"),
                  *(checked(part, this.spec.shape, this.spec.num_classes) for part in parts),
                  this.spec.num_classes)


def _read(this: _Set, root: Path) -> ImageSet:
  """Reads a set from the data folder."""
  spec = this.spec
  found = search.read(spec, this.formats, root) if root.is_dir() else None
  if found is None:
    raise _NothingFoundError(_nothing_found(this, root))
  sizes = len(found.train.labels), len(found.test.labels)
  kind = "real"
  if not found.is_official:
    kind = class_folders.kind(spec.num_classes)
  elif sizes != spec.num_images:
    # Numbers measured on a part of a set must not pass for numbers of the set.
    kind = "real, but {:,} + {:,} images instead of {:,} + {:,}".format(*sizes, *spec.num_images)
  return ImageSet(spec.name, kind, found.train, found.test, spec.num_classes)


def _nothing_found(this: _Set, root: Path) -> str:
  looked_for = "; ".join(each.looked_for for each in this.formats)
  place = f"in {root}" if root.is_dir() else f"in {root}, which is no folder"
  otherwise = (", or let TFDS download it with --config.data.download=True" if this.tfds_name
               else "; TFDS has no such set to download")
  return (f"{this.spec.name}: nothing found {place}; looked for {looked_for}. Name the folder that "
          f"holds it with --config.data.dir or {DATA_VARIABLE}{otherwise}")
