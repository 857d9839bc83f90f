"""What a society knows, against golden numbers and by hand."""

import numpy as np
import pytest

from socialized_learning.metrics import society

pytestmark = pytest.mark.filterwarnings("error")

_NAN = np.nan
_AFTER = np.array([[66., 58, 57, 60], [61, 64, 55, 59], [58, 60, 63, 56], [67, 57, 63, 65]])
_STUDENT = np.array([62., 60, 63, 61])
_BEFORE = np.diag([68., 65, 66, 64])
_GENERAL = [58.333333, 58.333333, 58, 62.333333]
# Name -> of each agent, their mean.
_GOLDEN = {
    "expert": ([66, 64, 63, 65], 64.5),
    "general": (_GENERAL, 59.25),
    "average": ([62.166667, 61.166667, 60.5, 63.666667], 61.875),
    "global": ([60.25, 59.75, 59.25, 63], 60.5625),
    "column_directionality": ([-1, 4, 0, 5], 2),
    "column_directionality_with_student": ([-1, 4, 0, 4], 1.75),
    "row_directionality": ([7.666667, 5.666667, 5, 2.666667], 5.25),
    "gain_over_student": ([4, 4, 0, 4], 3),
    "retention": ([-2, -1, -3, 1], -1.25),
    "versatility_gain": (_GENERAL, 59.25),
    "expert_before": ([68, 65, 66, 64], 65.75),
    "general_before": ([0, 0, 0, 0], 0),
}


def test_golden_numbers():
  found = society.summarise(_AFTER, _BEFORE, _STUDENT)
  assert found.keys() == _GOLDEN.keys() | {"superior_share", "student_global"}
  for name, (of_each, mean) in _GOLDEN.items():
    np.testing.assert_allclose(found[name], of_each, rtol=1e-7, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(found[name].mean(), mean, rtol=1e-9, err_msg=name)
  assert found["superior_share"] == 50 and found["student_global"] == 61.5
  np.testing.assert_allclose(society.average(_BEFORE), [34, 32.5, 33, 32])


def test_groups_of_unequal_size():
  sizes = [30, 20, 30, 20]
  np.testing.assert_allclose(society.overall(_AFTER, sizes), [60.5, 59.4, 59.5, 63.4])
  np.testing.assert_allclose(society.general(_AFTER, sizes), [58.142857, 58.25, 58, 63], rtol=1e-7)
  found = society.summarise(_AFTER, _BEFORE, _STUDENT, sizes)
  np.testing.assert_allclose(found["global"].mean(), 60.7)
  np.testing.assert_allclose(found["general"], _GENERAL, rtol=1e-7)
  np.testing.assert_allclose(found["student_global"], 0.3 * 62 + 0.2 * 60 + 0.3 * 63 + 0.2 * 61)


def test_seeds_are_apart_and_nothing_changes_its_input():
  inputs = [np.stack([x, x[..., ::-1]]) for x in (_AFTER, _BEFORE, _STUDENT)]
  for x in inputs:
    x.flags.writeable = False
  both = society.summarise(*inputs)
  for seed in range(2):
    for name, value in society.summarise(*(x[seed] for x in inputs)).items():
      np.testing.assert_allclose(both[name][seed], value, rtol=1e-12, err_msg=name)


def test_accuracies_of_groups_come_from_single_answers():
  group = np.array([0, 2, 2, 0, 2, 0, 0])
  correct = np.array([[1, 1, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1]], bool)
  found = society.group_accuracies(correct, group, 3)
  np.testing.assert_allclose(found, [[75, _NAN, 200 / 3], [25, _NAN, 0]])
  np.testing.assert_allclose(society.group_accuracies(correct[0], group, 3), found[0])
  matrix = society.group_accuracies(np.eye(3, dtype=bool), np.arange(3), 3)
  np.testing.assert_array_equal(matrix, 100 * np.eye(3))


def test_the_global_accuracy_is_that_of_all_images():
  rng = np.random.default_rng(0)
  group, correct = rng.integers(3, size=50), rng.random((3, 50)) < 0.6
  matrix = society.group_accuracies(correct, group, 3)
  np.testing.assert_allclose(society.overall(matrix, np.bincount(group)), 100 * correct.mean(-1))


def test_routing():
  # Agent 0 of the gates' golden numbers: its own are images 1, 2 and 7.
  group = np.array([1, 0, 0, 1, 1, 1, 1, 0])
  gate = np.array([0, 1, 0, 1, 0, 1, 0, 1], bool)
  found = society.routing(np.stack([gate, ~gate]), group)
  np.testing.assert_allclose(found["own_to_expert"], [200 / 3, 60])
  np.testing.assert_allclose(found["others_to_student"], [60, 200 / 3])
  alone = society.routing(np.ones((1, 2), bool), [0, 0])
  assert alone["own_to_expert"] == 100 and np.isnan(alone["others_to_student"])


def test_a_single_agent_has_no_others_and_no_rivals():
  found = society.summarise([[80.]], [[70.]], [75.])
  for name in ("general", "average", "row_directionality", "column_directionality",
               "versatility_gain", "superior_share"):
    assert np.isnan(found[name]).all(), name
  assert found["retention"] == 10 and found["global"] == 80
  assert found["column_directionality_with_student"] == 5


def test_a_group_that_was_not_measured():
  accuracy = _AFTER.copy()
  accuracy[1, 2] = _NAN
  assert np.isnan(society.general(accuracy)).tolist() == [False, True, False, False]
  column = society.column_directionality(accuracy)
  assert np.isnan(column).tolist() == [False, False, True, False]
  assert np.isnan(society.superior_share(column))


@pytest.mark.parametrize("accuracy", [50., [1., 2.], np.zeros([2, 3]), np.zeros([0, 0])])
def test_what_is_no_accuracy_matrix(accuracy):
  for metric in (society.expert, society.general, society.average, society.overall,
                 society.column_directionality, society.row_directionality):
    with pytest.raises(ValueError, match=r"must be \[\.\.\., N, N\]"):
      metric(accuracy)


def test_other_mistakes():
  with pytest.raises(ValueError, match=r"sizes must be \[4\]"):
    society.overall(_AFTER, [1, 2, 3])
  with pytest.raises(ValueError, match="groups from 0 to 3, expected 0 to 2"):
    society.group_accuracies(np.ones(4), [0, 1, 2, 3], 3)
  with pytest.raises(ValueError, match=r"correct must be \[\.\.\., n\]"):
    society.group_accuracies(np.ones(4), [0, 1, 2], 3)
  with pytest.raises(ValueError, match=r"to_expert must be \[\.\.\., N, n\]"):
    society.routing(np.ones(4), [0, 1, 2, 3])
