"""How CelebA is split for the communication games, from its official annotation files.

The published rule walks over the images in the order of `identity_CelebA.txt`. Of each identity
every fifth image after the first goes to `valid` (even identity) or to `test` (odd identity), all
others go to `train`. Counted after the first, the images held out are the 6th, 11th, 16th, ... of
their identity: those with 5, 10, 15, ... of the same identity before them. An identity of n images
gives floor((n - 1) / 5) of them.

What can be verified without the files: CelebA has 202,599 images of 10,177 identities, and the
published sizes hold 33,155 images out. Were the k-th image of an identity the first to be held out
(k up to 6), then 5 * 33,155 = 202,599 + (5 - k) * 10,177 - R, where R sums one remainder of a
division by five for each identity. The mean remainder would be 7.6, 6.6, 5.6 and 4.6 for k = 1, 2,
3 and 4: impossible, since none is above 4, so that the first four images are never held out. For
k = 5 it would be 3.62, which needs the remainder 4 in more than 61 % of all identities; for k = 6,
the rule as worded above, it is an unremarkable 2.62. How many of the 33,155 have an even identity
hangs on the files alone: `size_warning` compares all sizes where the whole of CelebA is there.

Letters for shapes: `N` images, `C` columns of a file.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emcom_datasets import listing
from emcom_datasets.byol import LABELS
from emcom_datasets.errors import DataSetError

PUBLISHED_SIZES = {"train": 169_444, "valid": 16_669, "test": 16_486}
_EVERY = 5
_NUM_IDENTITIES = LABELS["byol_celeb_a2"].num_classes
_OFFICIAL_TEST = 2

_IDENTITIES = "identity_CelebA.txt"
_ATTRIBUTES = "list_attr_celeba.txt"
_PARTITION = "list_eval_partition.txt"
_LANDMARKS = "list_landmarks_align_celeba.txt"


class Annotations(NamedTuple):
  """What the official files say, in the order of `identity_CelebA.txt`."""
  images: list[str]  # N file names
  identities: np.ndarray  # [N] int32
  partition: np.ndarray  # [N] int32: officially 0 train, 1 valid, 2 test
  attributes: dict[str, np.ndarray]  # name -> [N] bool
  landmarks: dict[str, np.ndarray]  # name -> [N] int32, pixels; empty without their file


def read_annotations(folder: Path) -> Annotations:
  """Reads the official files.

  Args:
    folder: holds `identity_CelebA.txt`, `list_attr_celeba.txt`, `list_eval_partition.txt` and, if
      landmarks are wanted, `list_landmarks_align_celeba.txt`, there or in `Anno/` and `Eval/`.

  Raises:
    DataSetError: a file is missing or one of its lines is not as it should be.
  """
  identities = _read(
      _locate(folder, _IDENTITIES), lambda values: (0 <= values) & (values < _NUM_IDENTITIES),
      f"an identity is a number from 0 to {_NUM_IDENTITIES - 1}", columns=("identity",))
  partition = _aligned(_read(
      _locate(folder, _PARTITION), lambda values: np.isin(values, (0, 1, _OFFICIAL_TEST)),
      "the official split is 0, 1 or 2", columns=("partition",)), identities)
  attributes = _aligned(_read(
      _locate(folder, _ATTRIBUTES), lambda values: abs(values) == 1, "an attribute is -1 or 1"), identities)
  landmarks = {}
  if (path := _locate(folder, _LANDMARKS)).exists():
    table = _aligned(_read(path), identities)
    landmarks = dict(zip(table.columns, table.values.T))
  return Annotations(
      identities.images, identities.values[:, 0], partition.values[:, 0],
      dict(zip(attributes.columns, attributes.values.T > 0)), landmarks)


def _locate(folder: Path, name: str) -> Path:
  """Returns where an annotation file is: in the folder or in one of the official subfolders."""
  if folder.is_dir():
    top = listing.on_disk(folder)
    for below in (top, top.folder("Anno"), top.folder("Eval")):
      if below is not None and (file := below.file(name)):
        return file.path
  return folder / name


def published_split(identities: np.ndarray) -> dict[str, np.ndarray]:
  """Returns the images of each split, as increasing indices.

  Args:
    identities: [N] integers, who is on each image, in the order of the walk.
  """
  order = np.argsort(identities, kind="stable")
  _, starts, counts = np.unique(identities[order], return_index=True, return_counts=True)
  earlier = np.empty(len(identities), np.int64)  # Images of the same identity before this one.
  earlier[order] = np.arange(len(identities)) - np.repeat(starts, counts)
  held_out = (earlier > 0) & (earlier % _EVERY == 0)
  even = identities % 2 == 0
  return {"train": np.flatnonzero(~held_out), "valid": np.flatnonzero(held_out & even),
          "test": np.flatnonzero(held_out & ~even)}


def official_test(partition: np.ndarray) -> np.ndarray:
  """Returns the indices of the official test split; `partition` is [N], as in `Annotations`."""
  return np.flatnonzero(partition == _OFFICIAL_TEST)


def size_warning(splits: Mapping[str, np.ndarray]) -> str | None:
  """Says in which sizes the splits of the whole of CelebA differ from the published ones.

  Returns None if they agree, and for a set of another number of images, which is not CelebA.
  """
  sizes = {name: len(splits[name]) for name in PUBLISHED_SIZES}
  if sum(sizes.values()) != sum(PUBLISHED_SIZES.values()) or sizes == PUBLISHED_SIZES:
    return None
  listed = lambda sizes: ", ".join(f"{name} {size:,}" for name, size in sizes.items())
  return f"the splits are {listed(sizes)}; as published they are {listed(PUBLISHED_SIZES)}"


class _Table(NamedTuple):
  """An annotation file: after its header one line for each image."""
  path: Path
  num_header_lines: int
  columns: tuple[str, ...]  # C names
  images: list[str]  # N file names
  values: np.ndarray  # [N, C] int32


def _read(path: Path, allowed: Callable[[np.ndarray], np.ndarray] | None = None, rule: str = "",
          columns: tuple[str, ...] | None = None) -> _Table:
  """Reads a file.

  Args:
    path: of the file.
    allowed: which of the values, an array, may be there; by default all.
    rule: what an error says of a value that may not.
    columns: names of the numbers of a line; by default the file begins with two lines more, the
      number of images and these names.
  """
  lines = _lines(path)
  num_header_lines = 0 if columns else 2
  columns = columns or _header(path, lines)
  images: dict[str, None] = {}  # In order, and quick to look up.
  values = np.empty((len(lines) - num_header_lines, len(columns)), np.int32)
  for row, line in enumerate(lines[num_header_lines:]):
    image, *numbers = line.split() or [""]
    problem = f"is a second line of {image}" if image in images else None
    try:
      values[row] = np.array([int(number) for number in numbers], np.int32)
    except (ValueError, OverflowError):
      problem = "is not an image and its numbers"
    if len(numbers) != len(columns):
      problem = f"has {len(numbers)} numbers after the image, expected {len(columns)}"
    if problem:
      raise _error(path, num_header_lines + row, f"{line.strip()[:40]!r} {problem}")
    images[image] = None
  if allowed is not None and not (fine := allowed(values)).all():
    row, column = np.argwhere(~fine)[0]
    raise _error(path, num_header_lines + row,
                 f"{columns[column]} of {list(images)[row]} is {values[row, column]}; {rule}")
  return _Table(path, num_header_lines, columns, list(images), values)


def _header(path: Path, lines: list[str]) -> tuple[str, ...]:
  """Returns the names in the second line; the first must be the number of lines after that."""
  if lines[0].strip() != str(len(lines) - 2):
    raise _error(path, 0, f"{lines[0].strip()[:40]!r} is not the number of images, which is "
                          f"{max(0, len(lines) - 2)} by the lines of the file")
  columns = tuple(lines[1].split())
  if not columns or len(set(columns)) != len(columns):
    raise _error(path, 1, "a name is there twice" if columns else "there are no names")
  return columns


def _lines(path: Path) -> list[str]:
  """Returns the lines of a text file, at least one."""
  try:
    text = path.read_text(encoding="utf-8")
  except FileNotFoundError:
    raise DataSetError(f"{path}: is missing; it is one of the official annotation files of CelebA, "
                       "whose folder --annotations names") from None
  except (OSError, UnicodeDecodeError) as error:
    reason = getattr(error, "strerror", None) or "it is not text"
    raise DataSetError(f"{path}: cannot be read ({reason})") from error
  return text.rstrip().split("\n")


def _aligned(table: _Table, identities: _Table) -> _Table:
  """Returns the table with its images, which must be the same, in the order of `identities`."""
  if table.images == identities.images:
    return table
  rows = {image: row for row, image in enumerate(table.images)}
  for image in identities.images:
    if image not in rows:
      raise DataSetError(f"{table.path}: has no line for {image}, which {identities.path} names")
  known = set(identities.images)
  for row, image in enumerate(table.images):
    if image not in known:
      raise _error(table.path, table.num_header_lines + row,
                   f"{image} is not named in {identities.path}")
  order = [rows[image] for image in identities.images]
  return table._replace(images=identities.images, values=table.values[order])


def _error(path: Path, line: int, what: str) -> DataSetError:
  """Names a line, given by its index."""
  return DataSetError(f"{path}, line {line + 1}: {what}")
