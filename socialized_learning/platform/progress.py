"""How far a run is: a bar on a terminal, one plain line per log interval elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
import math
import numbers
import sys
import time
from typing import Any, TextIO

import numpy as np
import rich.box
import rich.console
import rich.progress
import rich.table
import rich.text

_MAX_METRICS = 4  # More would not fit on a line.
_NOT_SHOWN = ("steps_per_sec", "updates")  # The first is shown as the speed.
_PIPED_WIDTH = 10_000  # Characters: a file has no right margin.


class Progress:
  """Shows steps, speed, remaining time and the latest metrics.

  On a terminal a bar stays at the bottom and lines of other splits scroll above it. Otherwise every
  update prints one line: `step 200/1000 · 35.2 steps/s · loss 3.123 · accuracy 0.42`.
  """

  def __init__(self, total_steps: int, *, first_metrics: Sequence[str] = ("loss", "accuracy"),
               file: TextIO | None = None):
    """Starts showing.

    Args:
      total_steps: the step at which the run ends.
      first_metrics: metrics to show before others, if there are such.
      file: where to print; default the standard output.
    """
    self._total = total_steps
    self._first = tuple(first_metrics)
    self._console = _console(file)
    self._last: tuple[int, float] | None = None  # Step and time (s) of the last training update.
    self._bar = None
    if self._console.is_terminal:
      self._bar = rich.progress.Progress(
          rich.progress.TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
          rich.progress.BarColumn(), rich.progress.TextColumn("{task.fields[text]}", markup=False),
          console=self._console, auto_refresh=False)
      self._task = self._bar.add_task("", total=total_steps, text="")
      self._bar.start()

  def update(self, step: int, metrics: Mapping[str, Any], split: str = "train") -> None:
    """Shows the metrics of a step; `steps_per_sec` among them is taken as the speed."""
    shown = self._format_metrics(metrics)
    if split != "train":
      self._print([f"step {step}/{self._total}", split] + shown)
      return
    speed = self._speed(step, metrics)
    rate = [f"{speed:.3g} steps/s" if speed < 100 else f"{speed:.0f} steps/s"] if speed else []
    if self._bar is None:
      self._print([f"step {step}/{self._total}"] + rate + shown)
      return
    left = [f"{_duration((self._total - step) / speed)} left"] if speed else []
    self._bar.update(self._task, completed=step, text=" · ".join(rate + left + shown))
    self._bar.refresh()

  def close(self) -> None:
    """Leaves the bar as it is and gives the terminal back."""
    if self._bar is not None:
      self._bar.stop()

  def _print(self, parts: Sequence[str]) -> None:
    text = _encodable(" · ".join(parts), self._console.file)
    self._console.print(rich.text.Text(text), soft_wrap=True)
    self._console.file.flush()

  def _format_metrics(self, metrics: Mapping[str, Any]) -> list[str]:
    scalars = {name: value for name, value in metrics.items()
               if name not in _NOT_SHOWN and _is_scalar(value)}
    names = [name for name in self._first if name in scalars]
    names += [name for name in scalars if name not in names]
    return [f"{name} {format_number(scalars[name])}" for name in names[:_MAX_METRICS]]

  def _speed(self, step: int, metrics: Mapping[str, Any]) -> float:
    """Steps per second, 0 if not known."""
    now, last = time.monotonic(), self._last
    self._last = (step, now)
    if "steps_per_sec" in metrics:
      return float(metrics["steps_per_sec"])
    return max(0., (step - last[0]) / (now - last[1])) if last and now > last[1] else 0.


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *,
                file: TextIO | None = None) -> None:
  """Prints a table of results; numbers stand to the right, with four significant digits.

  Nothing is cut off: a terminal that is too narrow breaks lines inside cells, a file gets full
  lines without colours.
  """
  rows = [list(row) for row in rows]
  console = _console(file)
  def cell_text(cell: Any) -> rich.text.Text:
    return rich.text.Text(_encodable(_format_cell(cell), console.file))
  table = rich.table.Table(title=cell_text(title), title_justify="left", box=rich.box.SIMPLE)
  for index, column in enumerate(columns):
    cells = [row[index] for row in rows]
    is_number = bool(cells) and all(cell is None or _is_scalar(cell) for cell in cells)
    table.add_column(cell_text(column), justify="right" if is_number else "left",
                     overflow="fold")
  for row in rows:
    table.add_row(*map(cell_text, row))
  console.print(table)


def format_number(value: Any) -> str:
  """A number for people: four significant digits, whole numbers in full."""
  value = np.asarray(value).item()
  if isinstance(value, (bool, int)):
    return str(value)
  if not math.isfinite(value) or abs(value) < 1e4:
    return f"{value:.4g}"
  return f"{value:.0f}" if abs(value) < 1e9 else f"{value:.3e}"


def _format_cell(cell: Any) -> str:
  if cell is None:
    return "-"
  return format_number(cell) if _is_scalar(cell) else str(cell)


def _is_scalar(value: Any) -> bool:
  """Whether it is one number (or truth value), of Python, NumPy or JAX."""
  if isinstance(value, numbers.Number):
    return True
  return getattr(value, "shape", None) == () and value.dtype.kind not in "OSU"


def _duration(seconds: float) -> str:
  """Hours, minutes and seconds, such as 1:02:03 or 2:03."""
  minutes, seconds = divmod(max(0, round(seconds)), 60)
  hours, minutes = divmod(minutes, 60)
  return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _console(file: TextIO | None) -> rich.console.Console:
  file = sys.stdout if file is None else file
  is_terminal = file.isatty()
  return rich.console.Console(file=file, force_terminal=is_terminal, highlight=False,
                              no_color=not is_terminal, width=None if is_terminal else _PIPED_WIDTH)


def _encodable(text: str, file: TextIO) -> str:
  """Replaces what the stream's encoding lacks, such as the middle dot in plain ASCII."""
  encoding = getattr(file, "encoding", None) or "utf-8"
  try:
    text.encode(encoding)
    return text
  except UnicodeEncodeError:
    return text.replace("·", "|").encode(encoding, "replace").decode(encoding)
