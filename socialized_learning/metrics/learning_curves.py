"""How fast something was learnt: areas under curves, steps to a level, means with their errors.

Shapes: `P` points of a curve, `S` speakers, `L` listeners of each. A curve's value at a step is the
mean since the point before.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats


def area_under_curve(steps: npt.ArrayLike, values: npt.ArrayLike) -> np.ndarray:
  """The mean of a curve over all steps, `sum_p (t_p - t_(p-1)) v_p / t_P` with t_0 = 0.

  Args:
    steps: [P], rising.
    values: [P, ...].

  Returns:
    [...], in units of the values.
  """
  steps, values = _check(steps, values)
  return np.tensordot(np.diff(steps, prepend=0), values, axes=1) / steps[-1]


def steps_to(steps: npt.ArrayLike, values: npt.ArrayLike, level: float) -> np.ndarray:
  """The first step at which a curve is at `level` or above; NaN where it never is.

  Args:
    steps: [P], rising.
    values: [P, ...].
    level: in units of the values.

  Returns:
    [...], no finer than the distance of the points.
  """
  steps, values = _check(steps, values)
  reached = values >= level
  return np.where(reached.any(axis=0), steps[np.argmax(reached, axis=0)], np.nan)


def summarise(values: npt.ArrayLike) -> dict[str, Any]:
  """Means and standard errors of one number per speaker and listener.

  Args:
    values: [S, L]; NaN where the number is not defined.

  Returns:
    `values`; `mean` over all; `standard_error`, that of the speakers' means or, for a single
    speaker, that over its listeners (`standard_error_over` says which); `per_speaker` with the same
    over the listeners of each; `defined`, the share of values that are. Whatever hangs on a value
    that is not defined is NaN, as is the error of a single value.
  """
  values = np.asarray(values, np.float64)
  if values.ndim != 2 or 0 in values.shape:
    raise ValueError(f"values must be [S, L] and not empty, got shape {values.shape}")
  over_speakers = len(values) > 1
  return {
      "values": values,
      "mean": values.mean(),
      "standard_error": standard_error(values.mean(axis=1) if over_speakers else values[0]),
      "standard_error_over": "speakers" if over_speakers else "listeners",
      "per_speaker": {"mean": values.mean(axis=1),
                      "standard_error": [standard_error(row) for row in values]},
      "defined": np.mean(~np.isnan(values)),
  }


def standard_error(values: npt.ArrayLike) -> float:
  """Of the mean of [n] values, `sd / sqrt(n)` with n - 1 degrees of freedom; NaN for one."""
  values = np.asarray(values, np.float64)
  return float(stats.sem(values)) if len(values) > 1 else float("nan")


def _check(steps: npt.ArrayLike, values: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
  steps, values = np.asarray(steps, np.float64), np.asarray(values, np.float64)
  if steps.ndim != 1 or not len(steps) or values.shape[:1] != steps.shape:
    raise ValueError(f"{values.shape} values do not belong to steps of shape {steps.shape}")
  if not np.all(np.diff(steps, prepend=0) > 0):
    raise ValueError(f"steps must rise from above 0, got {steps}")
  return steps, values
