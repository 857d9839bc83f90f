"""What a society of agents knows: who is accurate on whose classes, and by whose merit.

Shapes: `N` agents, each with a group of classes; `n` test images; any number of leading axes,
written `...`. An accuracy matrix [..., N, N] holds at [i, k] the accuracy of agent i in percent on
the test images of group k, and NaN where there are none. Nothing is masked: an agent may answer any
class.

Results are in percent or percentage points, [..., N], one for each agent; nothing changes its
input. Source: Yao et al. 2024 (MASC) for Expert, General and Average; the others are defined here,
for its claim that an agent stays "superior among all" on its own classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt


def group_accuracies(correct: npt.ArrayLike, group: npt.ArrayLike, num_groups: int) -> np.ndarray:
  """The share of right answers on each group; of agents it is the accuracy matrix.

  Args:
    correct: [..., n], whether an answer is right.
    group: [n], 0 ... N - 1, whose class the image is of.
    num_groups: N.

  Returns:
    [..., N] in percent; NaN for a group without images.

  Raises:
    ValueError: shapes that differ, or a group that is not among the N.
  """
  correct, group = np.asarray(correct, np.float64), np.asarray(group)
  if group.ndim != 1 or not correct.ndim or correct.shape[-1] != len(group):
    raise ValueError(f"correct must be [..., n] and group [n], got shapes {correct.shape} and "
                     f"{group.shape}")
  if len(group) and not 0 <= group.min() <= group.max() < num_groups:
    raise ValueError(f"groups from {group.min()} to {group.max()}, expected 0 to {num_groups - 1}")
  of_group = (group[:, None] == np.arange(num_groups)).astype(np.float64)
  counts = of_group.sum(axis=0)
  return 100. * (correct @ of_group) / np.where(counts > 0, counts, np.nan)


def expert(accuracy: npt.ArrayLike) -> np.ndarray:
  """Accuracy on one's own classes, `a_(i,i)`: [..., N, N] -> [..., N]."""
  return np.diagonal(_check(accuracy), axis1=-2, axis2=-1).copy()


def general(accuracy: npt.ArrayLike, sizes: npt.ArrayLike | None = None) -> np.ndarray:
  """Mean accuracy on the classes of others, `mean_(k != i) a_(i,k)`: [..., N, N] -> [..., N].

  Args:
    accuracy: [..., N, N].
    sizes: [N], numbers of test images, to weight the groups with them; None for equal weights.

  Returns:
    [..., N]; NaN for a single agent.
  """
  accuracy = _check(accuracy)
  num = accuracy.shape[-1]
  weights = np.where(np.eye(num, dtype=bool), 0., _sizes(sizes, num))
  totals = weights.sum(axis=-1)
  weighted = np.where(weights > 0, accuracy * weights, 0.)
  return weighted.sum(axis=-1) / np.where(totals > 0, totals, np.nan)


def average(accuracy: npt.ArrayLike) -> np.ndarray:
  """The mean of Expert and General, `(a_(i,i) + mean_(k != i) a_(i,k)) / 2`."""
  return (expert(accuracy) + general(accuracy)) / 2


def overall(accuracy: npt.ArrayLike, sizes: npt.ArrayLike | None = None) -> np.ndarray:
  """Global accuracy, `sum_k n_k a_(i,k) / sum_k n_k`: [..., N, N] -> [..., N]; `sizes` n_k [N]."""
  accuracy = _check(accuracy)
  sizes = _sizes(sizes, accuracy.shape[-1])
  return np.where(sizes > 0, accuracy * sizes, 0.).sum(-1) / sizes.sum()


def column_directionality(accuracy: npt.ArrayLike, student: npt.ArrayLike | None = None
                         ) -> np.ndarray:
  """By how much agent i is the best on its own classes, `a_(i,i) - max_(j != i) a_(j,i)`.

  Args:
    accuracy: [..., N, N].
    student: [..., N] accuracy of the generalist on each group, to count it among the rivals.

  Returns:
    [..., N]; NaN if there is no rival. Below 0 somebody else is better.
  """
  accuracy = _check(accuracy)
  own = np.eye(accuracy.shape[-1], dtype=bool)
  best = np.where(own, -np.inf, accuracy).max(axis=-2)
  if student is not None:
    best = np.maximum(best, np.asarray(student, np.float64))
  return expert(accuracy) - np.where(np.isneginf(best), np.nan, best)


def row_directionality(accuracy: npt.ArrayLike) -> np.ndarray:
  """By how much an agent is better on its own classes than on others', Expert - General."""
  return expert(accuracy) - general(accuracy)


def gain_over_student(accuracy: npt.ArrayLike, student: npt.ArrayLike) -> np.ndarray:
  """By how much agent i beats the generalist, s [..., N], on its own classes, `a_(i,i) - s_i`."""
  return expert(accuracy) - np.asarray(student, np.float64)


def superior_share(column: npt.ArrayLike) -> np.ndarray:
  """The share of agents that are the best on their own classes, a tie not counted.

  Args:
    column: [..., N] of `column_directionality`.

  Returns:
    [...] in percent; NaN if one of them is.
  """
  column = np.asarray(column, np.float64)
  share = 100. * (column > 0).mean(axis=-1)
  return np.where(np.isnan(column).any(axis=-1), np.nan, share)


def routing(to_expert: npt.ArrayLike, group: npt.ArrayLike) -> dict[str, np.ndarray]:
  """Whether the gates of the agents send images where they belong.

  Args:
    to_expert: [..., N, n], whether the gate of agent i lets its expert answer.
    group: [n], whose class the image is of.

  Returns:
    `own_to_expert`, the share of images of agent i's classes that its expert answers, and
    `others_to_student`, the share of the others that the student answers: [..., N] in percent, NaN
    where there are no such images.
  """
  to_expert = np.asarray(to_expert, bool)
  if to_expert.ndim < 2:
    raise ValueError(f"to_expert must be [..., N, n], got shape {to_expert.shape}")
  own = np.arange(to_expert.shape[-2])[:, None] == np.asarray(group)
  return {"own_to_expert": _share(to_expert, own), "others_to_student": _share(~to_expert, ~own)}


def summarise(after: npt.ArrayLike, before: npt.ArrayLike, student: npt.ArrayLike,
              sizes: npt.ArrayLike | None = None) -> dict[str, Any]:
  """All of the above about one society.

  Args:
    after: [..., N, N] accuracy of the agents as they answer in the end.
    before: [..., N, N] accuracy of the specialists before they met.
    student: [..., N] accuracy of the generalist on each group.
    sizes: [N], numbers of test images of the groups; None for equal ones.

  Returns:
    By name [..., N], one for each agent; `superior_share` and `student_global` [...].
  """
  column = column_directionality(after)
  sizes = _sizes(sizes, column.shape[-1])
  return {
      "expert": expert(after),
      "general": general(after),
      "average": average(after),
      "global": overall(after, sizes),
      "expert_before": expert(before),
      "general_before": general(before),
      "retention": expert(after) - expert(before),
      "versatility_gain": general(after) - general(before),
      "column_directionality": column,
      "column_directionality_with_student": column_directionality(after, student),
      "row_directionality": row_directionality(after),
      "gain_over_student": gain_over_student(after, student),
      "superior_share": superior_share(column),
      "student_global": np.asarray(student, np.float64) @ (sizes / sizes.sum()),
  }


def _share(what: np.ndarray, among: np.ndarray) -> np.ndarray:
  counts = among.sum(axis=-1)
  return 100. * (what & among).sum(axis=-1) / np.where(counts > 0, counts, np.nan)


def _sizes(sizes: npt.ArrayLike | None, num: int) -> np.ndarray:
  sizes = np.ones(num) if sizes is None else np.asarray(sizes, np.float64)
  if sizes.shape != (num,):
    raise ValueError(f"sizes must be [{num}], got shape {sizes.shape}")
  return sizes


def _check(accuracy: npt.ArrayLike) -> np.ndarray:
  accuracy = np.asarray(accuracy, np.float64)
  if accuracy.ndim < 2 or accuracy.shape[-1] != accuracy.shape[-2] or 0 in accuracy.shape:
    raise ValueError(f"accuracy must be [..., N, N] and not empty, got shape {accuracy.shape}")
  return accuracy
