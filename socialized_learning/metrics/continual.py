"""What was learnt, kept and forgotten over a sequence of tasks.

Shapes: `T` tasks, `S` seeds; any number of leading axes, written `...`. An accuracy matrix
[..., T, T] holds at [t, i] the accuracy in percent on test set i after training on task t, both
counted from 0, and NaN where it was not measured. What is usually measured is the lower triangle
(i <= t) and, for forward transfer, the zero-shot entries [t - 1, t]. Of other entries above the
diagonal nothing is read, except by the "reference" definition of forgetting.

Whatever hangs on an entry that was not measured is NaN, never a mean over fewer tasks. Results are
in percentage points; nothing changes its input.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from socialized_learning.metrics import learning_curves

# Which rows t count for the best accuracy that test set i ever had; the last task is `last`.
_COUNTED_ROWS = {
    "clean": lambda t, i, last: (t >= i) & (t < last),
    "clean_with_final": lambda t, i, last: t >= i,
    "with_zero_shot": lambda t, i, last: (t >= i - 1) & (t < last),
    "reference": lambda t, i, last: t >= 0,
}
FORGETTING = tuple(_COUNTED_ROWS)


def average_accuracies(accuracy: npt.ArrayLike) -> np.ndarray:
  """Mean accuracy on the tasks seen so far, `A_t = 1 / (t + 1) sum_(i <= t) a_(t,i)`.

  Zero-shot entries do not count. Lopez-Paz and Ranzato (2017), "Gradient Episodic Memory".

  Args:
    accuracy: [..., T, T] in percent, as above.

  Returns:
    [..., T] in percent; NaN at a task after which some test set of the past was not measured.
  """
  accuracy = _check(accuracy)
  num_tasks = accuracy.shape[-1]
  seen = np.tri(num_tasks, dtype=bool)
  return np.where(seen, accuracy, 0.).sum(-1) / np.arange(1, num_tasks + 1)


def final_average_accuracy(accuracy: npt.ArrayLike) -> np.ndarray:
  """Mean accuracy on all tasks after the last, `A_(T-1)`: [..., T, T] -> [...] in percent."""
  return average_accuracies(accuracy)[..., -1]


def backward_transfer(accuracy: npt.ArrayLike) -> np.ndarray:
  """What later tasks did to earlier ones, `mean_(i < T-1) (a_(T-1,i) - a_(i,i))`.

  Lopez-Paz and Ranzato (2017), "Gradient Episodic Memory". Below 0 is forgetting.

  Args:
    accuracy: [..., T, T] in percent, as above.

  Returns:
    [...] in percentage points; NaN for a single task.
  """
  accuracy = _check(accuracy)
  learnt = np.diagonal(accuracy, axis1=-2, axis2=-1)
  return _mean(accuracy[..., -1, :-1] - learnt[..., :-1])


def forward_transfer(accuracy: npt.ArrayLike, random_init: npt.ArrayLike) -> np.ndarray:
  """What earlier tasks did for the next, `mean_(i > 0) (a_(i-1,i) - r_i)`.

  Lopez-Paz and Ranzato (2017), "Gradient Episodic Memory".

  Args:
    accuracy: [..., T, T] in percent, as above, with the zero-shot entries.
    random_init: [T] or [..., T], accuracy r in percent of the network before any training; that on
      the first test set is not used.

  Returns:
    [...] in percentage points; NaN for a single task.

  Raises:
    ValueError: the accuracies before training are not those of T test sets.
  """
  accuracy, random_init = _check(accuracy), np.asarray(random_init, np.float64)
  if random_init.shape not in (accuracy.shape[-1:], accuracy.shape[:-1]):
    raise ValueError(f"accuracies before training must be {list(accuracy.shape[-1:])} or "
                     f"{list(accuracy.shape[:-1])}, got shape {random_init.shape}")
  zero_shot = np.diagonal(accuracy, offset=1, axis1=-2, axis2=-1)
  return _mean(zero_shot - random_init[..., 1:])


def forgetting(accuracy: npt.ArrayLike, definition: str = "clean") -> np.ndarray:
  """What was known once and is not any more, `mean_(i < T-1) (max_t a_(t,i) - a_(T-1,i))`.

  Chaudhry et al. (2018), "Riemannian Walk for Incremental Learning". Definitions differ in the rows
  t of the maximum, and are not comparable with each other:

  | definition | rows t | |
  |---|---|---|
  | clean | i .. T-2 | usual in the literature; below 0 if the last tasks helped |
  | clean_with_final | i .. T-1 | never below 0 |
  | with_zero_shot | i-1 .. T-2 | also before the task itself was trained on |
  | reference | all | as the code of SYNERgy, CLS-ER, Dynamos and Mammoth; what is missing is 0 |

  Args:
    accuracy: [..., T, T] in percent, as above. Of the rows that count those that were not measured
      are left out; at least one must be there.
    definition: one of `FORGETTING`.

  Returns:
    [...] in percentage points; NaN for a single task.

  Raises:
    ValueError: an unknown definition.
  """
  if definition not in _COUNTED_ROWS:
    raise ValueError(f"unknown definition {definition!r} of forgetting: there are "
                     f"{', '.join(FORGETTING)}")
  accuracy = _check(accuracy)
  last = accuracy.shape[-1] - 1
  t, i = np.ogrid[:last + 1, :last + 1]
  missing = 0. if definition == "reference" else -np.inf
  counted = _COUNTED_ROWS[definition](t, i, last) & ~np.isnan(accuracy)
  best = np.where(counted, accuracy, missing).max(axis=-2)
  best = np.where(np.isneginf(best), np.nan, best)
  return _mean(best[..., :-1] - accuracy[..., -1, :-1])


def summarise(values: npt.ArrayLike) -> dict[str, Any]:
  """Mean and standard error over seeds.

  Args:
    values: [S, ...], one of each seed; NaN where a value is not defined.

  Returns:
    `mean` and `standard_error`, both [...] in units of the values; NaN if one of the values is, and
    the error also for a single seed.

  Raises:
    ValueError: no seed axis, or no seeds.
  """
  values = np.asarray(values, np.float64)
  if not values.ndim or not len(values):
    raise ValueError(f"values must be [S, ...] with a seed at least, got shape {values.shape}")
  columns = values.reshape(len(values), -1).T
  errors = np.array([learning_curves.standard_error(column) for column in columns])
  return {"mean": values.mean(axis=0), "standard_error": errors.reshape(values.shape[1:])}


def _mean(values: np.ndarray) -> np.ndarray:
  """Over the last axis; NaN, without a warning, if it is empty."""
  return values.mean(-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan)


def _check(accuracy: npt.ArrayLike) -> np.ndarray:
  accuracy = np.asarray(accuracy, np.float64)
  if accuracy.ndim < 2 or accuracy.shape[-1] != accuracy.shape[-2] or 0 in accuracy.shape:
    raise ValueError(f"accuracy must be [..., T, T] and not empty, got shape {accuracy.shape}")
  return accuracy
