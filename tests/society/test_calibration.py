"""The margin that is chosen on validation images, against a search over all of them."""

import numpy as np
import pytest

from socialized_learning.society import calibration


def _outcome(tau, gap, expert, student, group, agent):
  """Expert and Average with a margin, by definition."""
  right = np.where(gap > tau, expert, student)
  own = right[group == agent].mean()
  others = [right[group == other].mean() for other in np.unique(group) if other != agent]
  return own, (own + np.mean(others)) / 2


def _searched(gap, expert, student, group, agent):
  below = gap.min() - abs(gap.min()) - 1
  needed = student[group == agent].mean()
  outcomes = [(tau, *_outcome(tau, gap, expert, student, group, agent))
              for tau in [below, *np.unique(gap)]]
  allowed = [(tau, average) for tau, own, average in outcomes if own >= needed - 1e-9]
  best = max(average for _, average in allowed)
  return min(tau for tau, average in allowed if average >= best - 1e-9)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_as_a_search_over_all_margins(seed, dtype):
  rng = np.random.default_rng(seed)
  group = rng.permutation(np.repeat([0, 1, 2], (30, 20, 10)))
  agent = seed % 3
  gap = rng.normal(size=60) + (group == agent)
  gap = (np.round(gap, 1) if seed % 2 else gap).astype(dtype)  # Equal gaps, too.
  expert = rng.random(60) < np.where(group == agent, 0.4 + 0.02 * seed, 0.2)
  student = rng.random(60) < 0.5
  given = (gap, expert, student, group, agent)
  assert calibration.margin(*given) == float(_searched(*given))


def _case(gap, expert, student):
  return calibration.margin(gap, np.array(expert, bool), np.array(student, bool), [0, 0, 1, 1], 0)


def test_by_hand():
  # The expert is right on both own images, the student on both others: between them lies 1.
  assert _case([2., 3, 0, 1], [1, 1, 0, 0], [0, 0, 1, 1]) == 1
  # Nobody is ever wrong: the smallest margin, at which the expert always answers.
  assert _case([2., 3, 0, 1], [1] * 4, [1] * 4) == -1
  # An expert that is never right never answers.
  assert _case([2., 3, 0, 1], [0] * 4, [1] * 4) == 3


def test_an_expert_must_not_be_worse_than_the_student_at_home():
  # Sent to the expert, others gain two images and the agent's own lose one: Average says yes.
  gap, student = [1., 1, 2, 2], [1, 1, 0, 0]
  assert _case(gap, [1, 0, 1, 1], student) == 1
  # Now the others cannot be told from the agent's own, so nothing may be sent.
  assert _case([2., 2, 2, 2], [1, 0, 1, 1], student) == 2


@pytest.mark.parametrize("gap, group", [
    ([1., 2], [0, 0]), ([1., 2], [1, 1]), ([1., np.nan], [0, 1]), ([1., 2, 3], [0, 1]),
    ([[1., 2]], [0, 1])])
def test_mistakes(gap, group):
  right = np.ones(len(group), bool)
  with pytest.raises(ValueError, match="images of agent 0|alike, got shapes"):
    calibration.margin(gap, right, right, group, 0)
