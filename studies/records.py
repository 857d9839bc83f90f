"""The runs of a study, and what is kept of them beside its page."""

from collections.abc import Mapping
import json
import os
import pathlib
import shutil
from typing import Any, NamedTuple

_MOST_NUMBERS = 5000  # Of an array that is kept.
_PLACE = "--config.data.dir="  # Where the data lies is not what a run is.
RUNS = "{runs}"  # In options: the folder of all runs of the study, wherever that is.


class Job(NamedTuple):
  """One run."""
  name: str  # Of its folder.
  steps: int | None  # After which it is done; None: when its recipe says so.
  options: tuple[str, ...]  # Of `python -m socialized_learning.main`; see RUNS.
  pictures: Mapping[str, str] = {}  # File in its folder -> name beside the page.
  logged: tuple[str, ...] = ()  # Splits whose last line of metrics is wanted beside its summary.


class Records:
  """What is kept of finished runs, so that the page can be made again without them.

  Beside `docs/results/STUDY.md` lie the pictures of the runs, and in `docs/results/STUDY/` of every
  run `NAME.json`: its options, all but where its data lay, and its summary without arrays of more
  than 5,000 numbers. Where the runs lay is in none of it.
  """

  def __init__(self, page: pathlib.Path):
    """Those of a page."""
    self._page, self._folder = page, page.with_suffix("")

  def read(self, job: Job) -> dict[str, Any] | None:
    """The summary of a run, None if no record with its options and pictures is there."""
    if not all(self._page.with_name(picture).is_file() for picture in job.pictures.values()):
      return None
    try:
      record = json.loads(self._path(job).read_text(encoding="utf-8"))
      return record["summary"] if record["job"] == _told(job) else None
    except (OSError, ValueError, KeyError, TypeError):  # Not there, or damaged.
      return None

  def write(self, job: Job, run: pathlib.Path, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Keeps what the folder of a run holds; returns the summary as it is kept."""
    self._folder.mkdir(exist_ok=True)
    for file, picture in job.pictures.items():
      shutil.copyfile(run / file, self._page.with_name(picture))
    kept = _lasting(summary, os.path.abspath(run.parent))
    begun = self._path(job).with_suffix(".part")
    begun.write_text(_lines({"job": _told(job), "summary": kept}) + "\n", encoding="utf-8")
    os.replace(begun, self._path(job))
    return kept

  def _path(self, job: Job) -> pathlib.Path:
    return self._folder / f"{job.name}.json"


def lasting_options(job: Job) -> list[str]:
  """Those that make a run what it is: all but where its data lies."""
  return [option for option in job.options if not option.startswith(_PLACE)]


def _told(job: Job) -> dict[str, Any]:
  """What must be the same for a record to stand for a run."""
  return {"steps": job.steps, "options": lasting_options(job)}


def _lasting(value: Any, runs: str) -> Any:
  """A summary without large arrays, and without the place of the runs."""
  if isinstance(value, dict):
    return {name: _lasting(each, runs) for name, each in value.items() if _numbers(each) <= _MOST_NUMBERS}
  return value.replace(runs, RUNS) if isinstance(value, str) else value


def _numbers(value: Any) -> int:
  return sum(map(_numbers, value)) if isinstance(value, list) else 1


def _lines(value: Any, indent: str = "") -> str:
  """JSON with a line for each array, so that a change of one is seen as such."""
  if not isinstance(value, dict) or not value:
    return json.dumps(value, ensure_ascii=False)
  inner = indent + "  "
  entries = [f"{inner}{json.dumps(name)}: {_lines(each, inner)}" for name, each in value.items()]
  return "{\n" + ",\n".join(entries) + f"\n{indent}}}"
