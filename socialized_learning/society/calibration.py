"""How much more familiar an image must be to an expert than to the student for it to answer.

Chosen on validation images, on the host.

Shapes: `n` validation images, `N` agents.
"""

import numpy as np
import numpy.typing as npt

_ROUNDING = 1e-9  # Sums of accuracies that differ by less are equal.


def margin(gap: npt.ArrayLike, expert_right: npt.ArrayLike, student_right: npt.ArrayLike,
           group: npt.ArrayLike, agent: int) -> float:
  """The smallest of the best margins for `gates.pair`: the expert answers where the gap exceeds it.

  Best is what makes the mean of Expert and General the largest (see `metrics.society`), as long as
  Expert, the accuracy on the agent's own classes, is not below the student's there. Only gaps that
  occur matter, since between them nothing changes, and one below all of them, where the expert
  always answers. The largest gap always qualifies: there the student always answers.

  Args:
    gap: [n] of `gates.familiarity_gap`.
    expert_right: [n], whether the expert's answer is right.
    student_right: [n], whether the student's is.
    group: [n], the agent that the image's class belongs to.
    agent: whose margin it is.

  Raises:
    ValueError: shapes that differ, no images of the agent or none of others, or a gap that is no
      number.
  """
  gap, group = np.asarray(gap), np.asarray(group)
  expert_right, student_right = np.asarray(expert_right, bool), np.asarray(student_right, bool)
  if gap.ndim != 1 or not gap.shape == expert_right.shape == student_right.shape == group.shape:
    raise ValueError("gap, expert_right, student_right and group must be [n] alike, got shapes "
                     f"{gap.shape}, {expert_right.shape}, {student_right.shape}, {group.shape}")
  own = group == agent
  if own.all() or not own.any() or np.isnan(gap).any():
    raise ValueError(f"a margin needs images of agent {agent}, images of others, and gaps that are "
                     "numbers")
  gaps, position = np.unique(gap, return_inverse=True)
  # What is won or lost as, gap by gap, more images go to the student.
  moved = student_right.astype(np.float64) - expert_right
  won = lambda weights: np.concatenate([[0], np.cumsum(
      np.bincount(position, moved * weights, len(gaps)))])
  expert = won(own / own.sum())
  average = (expert + won(_weights_of_others(group, agent))) / 2
  allowed = expert >= expert[-1] - _ROUNDING
  best = average >= average[allowed].max() - _ROUNDING
  # Far below the smallest gap, since numbers next to 0 may be 0 on a device.
  margins = [gaps[0] - abs(gaps[0]) - 1, *gaps]
  return float(margins[np.argmax(allowed & best)])


def _weights_of_others(group: np.ndarray, agent: int) -> np.ndarray:
  """[n] weights of a mean over the other agents of the means over their images."""
  others, position, counts = np.unique(group, return_inverse=True, return_counts=True)
  weights = 1 / counts[position] / (len(others) - 1)
  return np.where(group == agent, 0, weights)
