"""Parquet files as the Hugging Face hub serves image sets; reading them needs pyarrow.

A split is one file or several, `train-00000-of-00001.parquet` or, as the hub converts sets by itself,
`train/0000.parquet`. A row holds an encoded image, `image` or `img` with its `bytes`, and a label:
`label`, or `fine_label` in CIFAR-100. The test split is `test`, `valid` or `validation`.
Source: https://huggingface.co/docs/hub/datasets-image.
"""

from collections.abc import Mapping, Sequence
import contextlib
import io
import re
from typing import Any

from emcom_datasets.errors import one_line
from emcom_datasets.listing import File
from emcom_datasets.listing import Folder
import numpy as np

from socialized_learning.data.sources.source import check_number
from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import decode
from socialized_learning.data.sources.source import Format
from socialized_learning.data.sources.source import missing
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import Spec
from socialized_learning.platform.errors import UserError

_SPLITS = (("train",), ("test", "valid", "validation"))
_SHARD = re.compile(r"([a-z]+)(?:-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?)?\.parquet", re.IGNORECASE)
_CONVERTED = re.compile(r"\d{4}\.parquet")
_IMAGES, _LABELS = ("image", "img"), ("fine_label", "label")
_POINTER = b"version https://git-lfs"
_ROWS = 1024  # In memory at once.


def _read(folder: Folder, spec: Spec) -> tuple[Part, Part] | None:
  """Returns train and test; raises UserError or DataSetError for missing or damaged files."""
  shards = _shards(folder)
  found = [next((name for name in names if name in shards), None) for names in _SPLITS]
  if not any(found):
    return None
  for names, name in zip(_SPLITS, found, strict=True):
    if name is None:
      raise UserError(f"{folder.path}: holds parquet files of {', '.join(shards)}, but not of "
                      f"{' or '.join(names)}; download the whole set")
  train, test = (_part(shards[name], spec, split) for split, name in enumerate(found))
  return train, test


def _shards(folder: Folder) -> dict[str, list[File]]:
  """Returns the files of each split, in order; raises UserError if one is missing."""
  shards: dict[str, list[File]] = {}
  numbers: dict[str, dict[int, str]] = {}  # Of each split: how many there are, and which.
  for name, file in folder.files.items():
    if match := _SHARD.fullmatch(name):
      split, number, of = match[1].lower(), match[2], match[3]
      shards.setdefault(split, []).append(file)
      if number:
        numbers.setdefault(split, {})[int(number)] = of
  for split, present in numbers.items():
    of = next(iter(present.values()))
    if absent := [number for number in range(int(of)) if number not in present]:
      raise missing(folder.path / f"{split}-{absent[0]:05d}-of-{of}.parquet")
  for split in (name for names in _SPLITS for name in names):
    converted = folder.folder(split)
    if converted is not None and split not in shards:
      if files := [file for name, file in converted.files.items() if _CONVERTED.fullmatch(name)]:
        shards[split] = files
  return shards


def _part(files: Sequence[File], spec: Spec, split: int) -> Part:
  """Returns one split."""
  with contextlib.ExitStack() as stack:
    opened = [_open(file, stack, spec) for file in files]
    number = sum(table.metadata.num_rows for table in opened)
    path = files[0].path
    check_number(number, spec, split, path)
    images = np.empty((number, *spec.shape), np.uint8)
    labels = np.empty(number, np.int64)
    row = 0
    for file, table in zip(files, opened, strict=True):
      try:
        for image, label in _rows(table):
          images[row] = decode(io.BytesIO(image["bytes"] if isinstance(image, Mapping) else image),
                               spec.mode, spec.shape)
          labels[row] = label
          row += 1
      except Exception as error:  # Pillow and pyarrow raise many kinds.
        raise UserError(f"{file.path}: row {row} of the split cannot be decoded "
                        f"({one_line(error)}); download it again") from error
  return Part(images, labels, path)


def _rows(table: Any):
  """Yields image and label of each row."""
  image, label = (next(name for name in names if name in table.schema_arrow.names)
                  for names in (_IMAGES, _LABELS))
  for batch in table.iter_batches(batch_size=_ROWS, columns=[image, label]):
    yield from zip(batch.column(image).to_pylist(), batch.column(label).to_pylist(), strict=True)


def _open(file: File, stack: contextlib.ExitStack, spec: Spec) -> Any:
  """Returns a `pyarrow.parquet.ParquetFile` that has the columns; nothing is unpacked yet."""
  try:
    from pyarrow import parquet  # pylint: disable=g-import-not-at-top
  except ImportError as error:
    raise UserError(f"{file.path}: reading it needs `pip install pyarrow`") from error
  try:
    opened = stack.enter_context(file.open())
    is_pointer = opened.read(len(_POINTER)) == _POINTER
    opened.seek(0)
    table = None if is_pointer else stack.enter_context(parquet.ParquetFile(opened))
  except Exception as error:  # pyarrow raises many kinds.
    raise damaged(file.path, error) from error
  if is_pointer:
    raise UserError(f"{file.path}: is a pointer of Git LFS, not the file itself; get it with "
                    "`git lfs pull`")
  columns = table.schema_arrow.names
  if not all(any(name in columns for name in names) for names in (_IMAGES, _LABELS)):
    raise UserError(f"{file.path}: has the columns {', '.join(columns)}, expected an image and a "
                    "label; it is another set or another configuration of it")
  size = sum(table.metadata.row_group(i).total_byte_size
             for i in range(table.metadata.num_row_groups))
  if size > spec.max_bytes:
    raise UserError(f"{file.path}: unpacks to {size:,} bytes, more than {spec.name} has; it is "
                    "another set")
  return table


PARQUET = Format("train-*.parquet and test-*.parquet of the Hugging Face hub", _read)
