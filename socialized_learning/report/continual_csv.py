"""The results of a continual-learning run as a table: a line per seed, head and setting.

Shapes: `S` seeds, `T` tasks.
"""

from collections.abc import Sequence
import csv
import dataclasses
import io

import numpy as np
import numpy.typing as npt

from socialized_learning.metrics import continual

_RUN = ("method", "stream", "buffer", "seed")
_EXAMINATION = ("head", "setting", "label_space", "task_identity")
_METRICS = ("final_average_accuracy", "backward_transfer", "forward_transfer", "forgetting", "ece")


@dataclasses.dataclass(frozen=True)
class Examination:
  """What one head of a run was found to know under one setting.

  The strings say how it was asked: the network (working, semantic, stable, …), the setting
  (class-il, task-il, domain-il, …), among which labels it chose, and where it was told the task.
  """
  head: str
  setting: str
  label_space: str
  task_identity: str
  accuracy: npt.ArrayLike  # [S, T, T] percent, see `metrics.continual`.
  random_init: npt.ArrayLike | None = None  # [T] or [S, T] percent; None: no forward transfer.
  ece: npt.ArrayLike | None = None  # [S] percent, on all test sets at the end; None: not measured.


def header(num_tasks: int) -> list[str]:
  """Names of the columns, always the same and in this order; `task_t` is A_t of task t from 1."""
  return [*_RUN, *_EXAMINATION, "steps", *_METRICS, *(f"task_{t + 1}" for t in range(num_tasks))]


def to_csv(examinations: Sequence[Examination], *, method: str, stream: str, buffer: int | None,
           seeds: Sequence[int], steps: int, forgetting: str = "clean") -> str:
  """The table of one run, for each seed its examinations in the order given.

  Args:
    examinations: all of the same S and T.
    method: name of the learner.
    stream: name of the stream.
    buffer: slots of the memory; None is written as 0.
    seeds: S seeds.
    steps: updates that were made.
    forgetting: definition, see `continual.forgetting`.

  Returns:
    CSV with a header, all digits of a number, and nothing where it is not defined.

  Raises:
    ValueError: no examinations, or other shapes than those of S seeds and T tasks.
  """
  columns = [_columns(examination, len(seeds), forgetting) for examination in examinations]
  if len({metrics.shape for metrics in columns}) != 1:
    raise ValueError(f"examinations must be of the same tasks, got those of "
                     f"{[metrics.shape[-1] - len(_METRICS) for metrics in columns]} tasks")
  text = io.StringIO()
  writer = csv.writer(text, lineterminator="\n")
  writer.writerow(header(columns[0].shape[-1] - len(_METRICS)))
  for row, seed in enumerate(seeds):
    for examination, metrics in zip(examinations, columns, strict=True):
      writer.writerow([
          method, stream, buffer or 0, seed, *(getattr(examination, key) for key in _EXAMINATION),
          steps, *("" if np.isnan(value) else value for value in metrics[row].tolist())])
  return text.getvalue()


def _columns(examination: Examination, num_seeds: int, forgetting: str) -> np.ndarray:
  """The numbers of an examination, [S, metrics and then tasks]."""
  accuracy = np.asarray(examination.accuracy, np.float64)
  if accuracy.ndim != 3 or len(accuracy) != num_seeds:
    raise ValueError(f"accuracy must be [S, T, T] of {num_seeds} seeds, got shape {accuracy.shape}")
  undefined = np.full(num_seeds, np.nan)
  ece = undefined if examination.ece is None else np.asarray(examination.ece, np.float64)
  if ece.shape != (num_seeds,):
    raise ValueError(f"ece must be [S] of {num_seeds} seeds, got shape {ece.shape}")
  transfer = (undefined if examination.random_init is None
              else continual.forward_transfer(accuracy, examination.random_init))
  return np.column_stack([
      continual.final_average_accuracy(accuracy), continual.backward_transfer(accuracy), transfer,
      continual.forgetting(accuracy, forgetting), ece, continual.average_accuracies(accuracy)])
