"""Where metrics go: metrics.jsonl, TensorBoard events and the console.

One line of metrics.jsonl holds what one split gave at one step,
`{"step": 200, "split": "valid", "accuracy": 0.42}`. A resumed run first drops the lines after the
step it resumes from, so its file becomes that of a run that was never interrupted (but for timing
entries such as `steps_per_sec`). A line that is there already, as of an evaluation made again, is not
written a second time, and neither is a number of a step that TensorBoard has. A checkpoint keeps the
length and CRC-32 that the file had when it was saved.
"""

from collections.abc import Iterable, Mapping
import errno
import io
import json
import os
import threading
from typing import Any
import zlib

import jax

from socialized_learning.platform import events as events_lib
from socialized_learning.platform import json_files
from socialized_learning.platform import progress as progress_lib
from socialized_learning.platform import run_folder
from socialized_learning.platform.errors import UserError

_RESERVED = ("step", "split")


class RunWriter:
  """Implements `jaxline.utils.Writer`; make one per process and share it between threads.

  A key `valid/accuracy` is the metric `accuracy` of the split `valid`; keys without a slash belong
  to the default split. Arrays go to metrics.jsonl as lists, and nowhere else.
  """

  def __init__(self, folder: run_folder.RunFolder, *, default_split: str = "train",
               resume_step: int | None = None, tensorboard: bool = True,
               progress: progress_lib.Progress | None = None, process_index: int | None = None):
    """Reads metrics.jsonl; it is repaired and opened when the first line is written.

    Args:
      folder: where to write.
      default_split: the split of keys without a prefix.
      resume_step: the step training goes on from, 0 for a new run: whatever an earlier process
        wrote after it is dropped. None keeps everything (an evaluation of a finished run).
      tensorboard: whether to write TensorBoard events.
      progress: shows the scalars on the console, if given.
      process_index: this process; all but process 0 write nothing. Default: ask JAX.

    Raises:
      UserError: metrics.jsonl is damaged.
    """
    self._folder = folder
    self._default_split = default_split
    self._resume_step = resume_step
    self._progress = progress
    self._tensorboard: dict[str, events_lib.EventFile] | None = {} if tensorboard else None  # By split.
    self._lock = threading.Lock()
    self._is_primary = (jax.process_index() if process_index is None else process_index) == 0
    self._file: Any = None
    self._lines: dict[tuple[int, str], list[bytes]] = {}
    self._saved = {"bytes": 0, "crc32": 0}  # How much of the file `state` has looked at.
    if not self._is_primary:
      return
    _complete_lines(folder.metrics)

  def write_scalars(self, global_step: int, scalars: Mapping[str, Any]) -> None:
    """Writes the metrics of a step at once, one line per split."""
    self.write_split(global_step, scalars, self._default_split)

  def write_split(self, global_step: int, scalars: Mapping[str, Any], default_split: str) -> None:
    """`write_scalars` with another default split.

    Raises:
      UserError: the disk is full or not writable.
    """
    if not self._is_primary:
      return
    step = int(global_step)
    with self._lock:
      self._open()
      for split, metrics in _by_split(scalars, default_split).items():
        line = run_folder.json_line({"step": step, "split": split, **metrics}).encode()
        earlier = self._lines.setdefault((step, split), [])
        if line in earlier:
          continue
        self._write_line(line)
        self._write_events(step, split, _scalars(line).items() - _scalars(*earlier).items())
        earlier.append(line)
        if self._progress is not None:
          self._progress.update(step, metrics, split)

  def for_split(self, split: str) -> "SplitWriter":
    """A view of this writer with another default split, for `jaxline.train.evaluate`."""
    return SplitWriter(self, split)

  def state(self) -> dict[str, int]:
    """Length in `bytes` and `crc32` of metrics.jsonl as it is now; see `check_metrics`."""
    with self._lock:
      self._open()
      with open(self._folder.metrics, "rb") as file:
        file.seek(self._saved["bytes"])
        while block := file.read(1 << 20):
          self._saved = {"bytes": self._saved["bytes"] + len(block),
                         "crc32": zlib.crc32(block, self._saved["crc32"])}
      return dict(self._saved)

  def flush(self) -> None:
    """Does nothing: lines and TensorBoard events are on disk already."""

  def close(self) -> None:
    """Closes the files and ends the progress display."""
    with self._lock:
      if self._file is not None:
        self._file.close()
      for events in (self._tensorboard or {}).values():
        events.close()
      if self._progress is not None:
        self._progress.close()

  def _write_line(self, line: bytes) -> None:
    end = self._file.seek(0, os.SEEK_END)
    try:
      written = self._file.write(line)
      if written != len(line):  # A disk that is nearly full takes a part.
        self._file.truncate(end)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
      os.fsync(self._file.fileno())  # No checkpoint may outlive the lines before it.
    except OSError as error:
      raise UserError(f"cannot write {self._folder.metrics}: {error.strerror}") from error

  def _open(self) -> None:
    """Drops what does not belong to this run, and opens the file, once.

    Not before there is something to write: a run that is refused when its checkpoint is read leaves
    the file as it was.
    """
    if self._file is not None:
      return
    self._lines = _repair(self._folder, self._resume_step)
    self._purge_events()
    try:
      # One `write` call per line in append mode: lines of two processes cannot mix.
      self._file = open(self._folder.metrics, "ab", buffering=0)
    except OSError as error:
      raise UserError(f"cannot write {self._folder.metrics}: {error.strerror}") from error

  def _write_events(self, step: int, split: str, scalars: Iterable[tuple[str, float]]) -> None:
    if self._tensorboard is not None:
      self._events(split).add_scalars(step, dict(sorted(scalars)))

  def _events(self, split: str) -> events_lib.EventFile:
    """The file of a split, which is opened when it is needed."""
    if split not in self._tensorboard:
      self._tensorboard[split] = events_lib.EventFile(
          self._folder.tensorboard / split,
          purge_step=None if self._resume_step is None else self._resume_step + 1)
    return self._tensorboard[split]

  def _purge_events(self) -> None:
    """Has TensorBoard forget what was written after `resume_step`, in splits not written again too."""
    folder = self._folder.tensorboard
    if self._tensorboard is not None and self._resume_step is not None and folder.is_dir():
      for split in sorted(path.name for path in folder.iterdir() if path.is_dir()):
        self._events(split)


class ExperimentWriter:
  """What an experiment writes itself during training.

  Jaxline is given it for the experiment, and would write training metrics with it as well, but only
  after a checkpoint has been saved: `platform.run` writes them before.
  """

  def __init__(self, writer: RunWriter):
    self._writer = writer

  def write_now(self, global_step: int, scalars: Mapping[str, Any]) -> None:
    """Writes metrics of a step, before anything is saved; see `RunWriter`."""
    self._writer.write_scalars(global_step, scalars)

  def write_scalars(self, global_step: int, scalars: Mapping[str, Any]) -> None:
    """Leaves the training metrics to `platform.run`."""


class SplitWriter:
  """Writes through a `RunWriter` under another default split."""

  def __init__(self, writer: RunWriter, split: str):
    self._writer = writer
    self._split = split

  def write_scalars(self, global_step: int, scalars: Mapping[str, Any]) -> None:
    """Writes the metrics of a step; see `RunWriter`."""
    self._writer.write_split(global_step, scalars, self._split)

  def flush(self) -> None:
    """Flushes the writer behind."""
    self._writer.flush()

  def close(self) -> None:
    """Flushes; the writer behind is closed by who made it."""
    self._writer.flush()


def read_metrics(folder: run_folder.RunFolder) -> list[dict[str, Any]]:
  """All complete lines of metrics.jsonl, in the order written; none if there is no such file.

  Raises:
    UserError: a line other than the last is not JSON.
  """
  return [row for _, row in _complete_lines(folder.metrics)[0]]


def check_metrics(folder: run_folder.RunFolder, state: Any, step: int) -> None:
  """Makes sure that metrics.jsonl begins with what it held when a checkpoint was saved.

  Args:
    folder: of the run.
    state: what `RunWriter.state` said then; None if the checkpoint does not tell.
    step: of the checkpoint.

  Raises:
    UserError: lines were lost or changed.
  """
  if not isinstance(state, dict) or not isinstance(state.get("bytes"), int):
    return
  try:
    held = json_files.read_bytes(folder.metrics)[:state["bytes"]]
  except FileNotFoundError:
    held = b""
  except (OSError, ValueError) as error:
    raise _unreadable(folder.metrics, error) from error
  if {"bytes": len(held), "crc32": zlib.crc32(held)} != state:
    raise UserError(f"{folder.metrics} has lost or changed lines that it held when the checkpoint of step "
                    f"{step} was saved: restore that file, or use a new --workdir")


def _by_split(scalars: Mapping[str, Any], default_split: str) -> dict[str, dict[str, Any]]:
  splits: dict[str, dict[str, Any]] = {}
  for key, value in scalars.items():
    split, slash, name = key.partition("/")
    if not slash:
      split, name = default_split, key
    if name in _RESERVED:
      raise ValueError(f"a metric cannot be called {name}")
    splits.setdefault(split, {})[name] = value
  return splits


def _scalars(*lines: bytes) -> dict[str, float]:
  """The numbers in lines of one step and split: not lists, texts or what is not finite."""
  found = {name: value for line in lines for name, value in json.loads(line).items()}
  return {name: value for name, value in found.items()
          if name not in _RESERVED and isinstance(value, (int, float))}


def _repair(folder: run_folder.RunFolder, resume_step: int | None
           ) -> dict[tuple[int, str], list[bytes]]:
  """Drops a half-written last line, and lines after `resume_step`; returns others by step and split."""
  if not folder.metrics.exists():
    return {}
  lines, is_torn = _complete_lines(folder.metrics)
  kept = [(line, row) for line, row in lines if resume_step is None or row["step"] <= resume_step]
  # Who only evaluates takes nothing away: a program that trains may be writing just now. It writes
  # whole lines, so that half a line was left by one that is no more.
  if len(kept) < len(lines) or is_torn:
    folder.write_text(folder.metrics.name, b"".join(line for line, _ in kept).decode())
  found: dict[tuple[int, str], list[bytes]] = {}
  for line, row in kept:
    found.setdefault((row["step"], row["split"]), []).append(line)
  return found


def _complete_lines(path: str | os.PathLike[str]
                   ) -> tuple[list[tuple[bytes, dict[str, Any]]], bool]:
  """(line with line feed, row) of all lines but a half-written last one, and whether there is one."""
  try:
    lines = io.BytesIO(json_files.read_bytes(path)).readlines()
  except FileNotFoundError:
    return [], False
  except (OSError, ValueError) as error:
    raise _unreadable(path, error) from error
  complete = []
  for number, line in enumerate(lines, start=1):
    try:
      row = json_files.parse(line)
      if not (isinstance(row["step"], int) and isinstance(row["split"], str)):
        raise TypeError("not a step of a split")
    except (ValueError, KeyError, TypeError) as error:
      if number == len(lines):
        return complete, True
      raise UserError(f"{path}, line {number}, is not a line of metrics: delete it, or use "
                      "a new --workdir") from error
    complete.append((line.rstrip(b"\n") + b"\n", row))
  return complete, bool(lines) and not lines[-1].endswith(b"\n")


def _unreadable(path: str | os.PathLike[str], error: OSError | ValueError) -> UserError:
  return UserError(f"cannot read {path}: {getattr(error, 'strerror', error)}")
