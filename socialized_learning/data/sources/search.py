"""Finds a set under the data folder and reads it: of all that is there, the first that is complete."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import functools
from pathlib import Path
import sys
from typing import NamedTuple

from emcom_datasets.errors import DataSetError
from emcom_datasets.listing import Folder

from socialized_learning.data.sources import places
from socialized_learning.data.sources.source import check_number
from socialized_learning.data.sources.source import checked
from socialized_learning.data.sources.source import Format
from socialized_learning.data.sources.source import Images
from socialized_learning.data.sources.source import Spec
from socialized_learning.platform.errors import UserError

_MOST_PROBLEMS = 3  # In one message.


class Found(NamedTuple):
  """A set as it was read."""
  train: Images
  test: Images
  is_official: bool  # whether its format is one of the set itself


def read(spec: Spec, formats: Sequence[Format], root: Path) -> Found | None:
  """Reads a set from the nearest place, and there in the first format, in which it is complete.

  Notes on standard error what was not complete and therefore passed over.

  Args:
    spec: the set.
    formats: in order of preference.
    root: the data folder.

  Returns:
    The set, or None if nothing of it is there.

  Raises:
    UserError: all that is there is incomplete, damaged or of another set.
  """
  problems: dict[places.Place, str] = {}
  seen: list[places.Place] = []
  with contextlib.ExitStack() as stack:
    for level in _levels(root, spec, stack):
      seen += level
      for a_format in formats:
        for place in level:
          # Of one place the format that fits best is told, not others that fail there too.
          note = functools.partial(problems.setdefault, place)
          found = _read_place(place, a_format, spec, note)
          if found is not None:
            for problem in _in_order(problems, seen):
              print(f"note: {problem}; {spec.name} was read from {found[1]} instead",
                    file=sys.stderr, flush=True)
            return found[0]
  if problems:
    raise UserError("; and ".join(_in_order(problems, seen)[:_MOST_PROBLEMS]))
  return None


def _in_order(problems: Mapping[places.Place, str], seen: Sequence[places.Place]) -> list[str]:
  """Returns each problem once, that of the nearest place first."""
  return list(dict.fromkeys(problems[place] for place in seen if place in problems))


def _levels(root: Path, spec: Spec, stack: contextlib.ExitStack) -> Iterator[list[places.Place]]:
  try:
    yield from places.levels(root, spec, stack)
  except DataSetError as error:
    raise UserError(f"{spec.name}: {error}") from error


def _read_place(place: places.Place, a_format: Format, spec: Spec, note: Callable[[str], None]
                ) -> tuple[Found, Path] | None:
  """Returns the set and where it was, or None if a place does not hold all of it in a format."""
  try:
    for folder in place.folders(a_format.is_nested):
      try:
        found = _read_folder(folder, a_format, spec)
      except (UserError, DataSetError) as error:
        note(str(error))
        continue
      if found is not None:
        return found
  except DataSetError as error:  # The place cannot be listed.
    note(str(error))
  return None


def _read_folder(folder: Folder, a_format: Format, spec: Spec) -> tuple[Found, Path] | None:
  """Returns the set and where it was, or None if a folder holds nothing of a format."""
  parts = a_format.read(folder, spec)
  if parts is None:
    return None
  if a_format.is_official:
    for split, part in enumerate(parts):
      check_number(len(part.images), spec, split, part.path)
  train, test = (checked(part, spec.shape, spec.num_classes) for part in parts)
  return Found(train, test, a_format.is_official), parts[0].path
