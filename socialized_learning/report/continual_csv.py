"""The results of a continual-learning run as tables.

`results.csv` has a line per seed, head and setting with their metrics; `accuracy_matrix.csv` is tidy, one
accuracy a line, so that `pandas.read_csv(…).pivot(…)` gives the matrix of a seed.

Shapes: `S` seeds, `T` tasks.
"""

from collections.abc import Iterable, Sequence
import csv
import dataclasses
import io
from typing import Any

import numpy as np
import numpy.typing as npt

from socialized_learning.metrics import continual

_RUN = ("method", "stream", "buffer", "seed")
_EXAMINATION = ("head", "setting", "label_space", "task_identity")
# Of `accuracy_matrix.csv`: tasks are counted from 1, `after_task` 0 is the network before training.
MATRIX_HEADER = (*_RUN, "head", "setting", "after_task", "task", "accuracy")
# Columns, and what they are in `Examination.metrics`.
_METRICS = {"final_average_accuracy": "final_average_accuracy", "backward_transfer": "bwt",
            "forward_transfer": "fwt", "forgetting": "forgetting", "ece": "ece"}


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
  nested: bool = False  # Whether each test set is part of the next: none is then of one task.

  def metrics(self, forgetting: str) -> dict[str, np.ndarray]:
    """The metrics of `metrics.continual` by name, [S] each; NaN where one is not defined.

    Args:
      forgetting: definition, see `continual.forgetting`.
    """
    accuracy = np.asarray(self.accuracy, np.float64)
    undefined = np.full(len(accuracy), np.nan)
    found = {"final_average_accuracy": continual.final_average_accuracy(accuracy),
             "forgetting": undefined, "bwt": undefined, "fwt": undefined,
             "ece": undefined if self.ece is None else np.asarray(self.ece, np.float64)}
    if self.nested:
      return found
    found |= {"forgetting": continual.forgetting(accuracy, forgetting),
              "bwt": continual.backward_transfer(accuracy)}
    if self.random_init is not None:
      found["fwt"] = continual.forward_transfer(accuracy, self.random_init)
    return found


def header(num_tasks: int) -> list[str]:
  """Names of the columns, always the same and in this order; `task_t` is A_t of task t from 1."""
  return [*_RUN, *_EXAMINATION, "steps", *_METRICS, *(f"task_{t + 1}" for t in range(num_tasks))]


def to_csv(examinations: Sequence[Examination], *, method: str, stream: str, buffer: int | None,
           seeds: Sequence[int], steps: int, forgetting: str = "clean") -> str:
  """The table `results.csv` of one run, for each seed its examinations in the order given.

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
  for examination in examinations:
    _check(examination, len(seeds))
  columns = [_columns(examination, forgetting) for examination in examinations]
  if len({metrics.shape for metrics in columns}) != 1:
    raise ValueError(f"examinations must be of the same tasks, got those of "
                     f"{[metrics.shape[-1] - len(_METRICS) for metrics in columns]} tasks")
  rows = [[method, stream, buffer or 0, seed, *(getattr(examination, key) for key in _EXAMINATION),
           steps, *("" if np.isnan(value) else value for value in metrics[row].tolist())]
          for row, seed in enumerate(seeds)
          for examination, metrics in zip(examinations, columns, strict=True)]
  return _text(header(columns[0].shape[-1] - len(_METRICS)), rows)


def matrix_to_csv(examinations: Sequence[Examination], *, method: str, stream: str,
                  buffer: int | None, seeds: Sequence[int]) -> str:
  """The table `accuracy_matrix.csv` of one run: every accuracy that was measured, one a line.

  A line says how accurate, in percent, a head of a seed was on the test set of `task` after training
  on `after_task`: on a later task it had not seen it, and after task 0 nothing at all.

  Args:
    examinations: of S seeds.
    method: name of the learner.
    stream: name of the stream.
    buffer: slots of the memory; None is written as 0.
    seeds: S seeds.

  Raises:
    ValueError: other shapes than those of S seeds.
  """
  rows = []
  for examination in examinations:
    _check(examination, len(seeds))
  for row, seed in enumerate(seeds):
    for examination in examinations:
      for (after, task), accuracy in np.ndenumerate(_with_start(examination)[row]):
        if not np.isnan(accuracy):
          rows.append([method, stream, buffer or 0, seed, examination.head, examination.setting,
                       after, task + 1, float(accuracy)])
  return _text(MATRIX_HEADER, rows)


def _with_start(examination: Examination) -> np.ndarray:
  """Accuracies [S, 1 + T, T] before any training and after each task; NaN where not measured."""
  accuracy = np.asarray(examination.accuracy, np.float64)
  start = np.nan if examination.random_init is None else np.asarray(examination.random_init, np.float64)
  start = np.broadcast_to(start, accuracy[:, 0].shape)
  return np.concatenate([start[:, None], accuracy], axis=1)


def _text(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
  """Lines of CSV, the names of the columns first; numbers with all digits."""
  text = io.StringIO()
  writer = csv.writer(text, lineterminator="\n")
  writer.writerow(names)
  writer.writerows(rows)
  return text.getvalue()


def _check(examination: Examination, num_seeds: int) -> None:
  """Raises ValueError for arrays that are not of so many seeds."""
  shape = np.shape(examination.accuracy)
  if len(shape) != 3 or shape[0] != num_seeds:
    raise ValueError(f"accuracy must be [S, T, T] of {num_seeds} seeds, got shape {shape}")
  if examination.ece is not None and np.shape(examination.ece) != (num_seeds,):
    raise ValueError(
        f"ece must be [S] of {num_seeds} seeds, got shape {np.shape(examination.ece)}")


def _columns(examination: Examination, forgetting: str) -> np.ndarray:
  """The numbers of an examination, [S, metrics and then tasks]."""
  metrics = examination.metrics(forgetting)
  return np.column_stack([*(metrics[name] for name in _METRICS.values()),
                          continual.average_accuracies(examination.accuracy)])
