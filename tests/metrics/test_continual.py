"""Accuracy matrices: averages, transfer and forgetting against golden numbers and by hand."""

import numpy as np
import pytest

from socialized_learning.metrics import continual

pytestmark = pytest.mark.filterwarnings("error")

_NAN = np.nan
# Golden numbers of the published code (specs/golden_synergy.md, section 4).
_FIRST = np.array([
    [40., 75., _NAN, _NAN], [50., 60., 30., _NAN], [35., 55., 45., 20.], [80., 50., 65., 70.]])
_SECOND = np.array([
    [91.25, 12.5, _NAN, _NAN], [70., 88.75, 9.375, _NAN], [62.5, 93.75, 85., 15.],
    [55., 67.5, 60., 82.5]])
_RANDOM = np.array([8.75, 11.25, 10., 13.125])
_BOTH = np.stack([_FIRST, _SECOND])

_METRICS = {
    "average": continual.average_accuracies,
    "final": continual.final_average_accuracy,
    "backward": continual.backward_transfer,
    "forward": lambda accuracy: continual.forward_transfer(accuracy, _RANDOM),
} | {name: lambda accuracy, name=name: continual.forgetting(accuracy, name)
     for name in continual.FORGETTING}


def test_average_accuracies_leave_zero_shot_entries_out():
  np.testing.assert_allclose(continual.average_accuracies(_FIRST), [40, 55, 45, 66.25])
  np.testing.assert_allclose(
      continual.average_accuracies(_SECOND), [91.25, 79.375, 80.416667, 66.25], rtol=1e-7)
  np.testing.assert_allclose(continual.final_average_accuracy(_BOTH), [66.25, 66.25])


def test_transfer():
  np.testing.assert_allclose(continual.backward_transfer(_BOTH), [16.666667, -27.5], rtol=1e-7)
  np.testing.assert_allclose(
      continual.forward_transfer(_BOTH, _RANDOM), [30.208333, 0.83333333], rtol=1e-7)


@pytest.mark.parametrize("definition, first, second", [
    ("reference", 8.3333333, 29.166667),
    ("clean_with_final", 3.3333333, 29.166667),
    ("clean", -13.333333, 29.166667),
    ("with_zero_shot", -8.3333333, 29.166667),
])
def test_all_definitions_of_forgetting(definition, first, second):
  np.testing.assert_allclose(
      continual.forgetting(_BOTH, definition), [first, second], rtol=1e-7)


def test_the_default_is_that_of_the_literature_and_there_are_four():
  np.testing.assert_array_equal(continual.forgetting(_BOTH), continual.forgetting(_BOTH, "clean"))
  assert set(continual.FORGETTING) == {"clean", "clean_with_final", "with_zero_shot", "reference"}


@pytest.mark.parametrize("name", _METRICS)
def test_nothing_changes_its_input_and_seeds_are_apart(name):
  accuracy = np.stack([_BOTH, _BOTH + 1.])
  accuracy.flags.writeable = False
  found = _METRICS[name](accuracy)
  for a in range(2):
    for b in range(2):
      np.testing.assert_allclose(found[a, b], _METRICS[name](accuracy[a, b]), rtol=1e-12)


@pytest.mark.parametrize("name", ["average", "final", "backward", "clean", "clean_with_final"])
def test_what_is_above_the_diagonal_does_not_matter(name):
  without = np.where(np.tri(4, dtype=bool), _BOTH, _NAN)
  np.testing.assert_array_equal(_METRICS[name](without), _METRICS[name](_BOTH))


def test_zero_shot_entries_are_needed_by_what_is_about_them():
  without = np.where(np.tri(4, dtype=bool), _BOTH, _NAN)
  assert np.all(np.isnan(continual.forward_transfer(without, _RANDOM)))
  # What is missing counts as 0 or is left out: the clean lower triangle with and without last row.
  for name, same_as in (("reference", "clean_with_final"), ("with_zero_shot", "clean")):
    np.testing.assert_array_equal(
        continual.forgetting(without, name), continual.forgetting(without, same_as))


def test_every_seed_may_have_its_own_start():
  np.testing.assert_allclose(
      continual.forward_transfer(_BOTH, np.stack([_RANDOM, _RANDOM + 1.])), [30.208333, -1 / 6],
      rtol=1e-7)
  # The first test set has no zero-shot entry.
  unknown = np.where(np.arange(4) == 0, _NAN, _RANDOM)
  np.testing.assert_allclose(continual.forward_transfer(_FIRST, unknown), 30.208333, rtol=1e-7)


def test_a_single_task_has_an_accuracy_and_nothing_else():
  accuracy = [[[81.5]], [[70.]]]
  np.testing.assert_array_equal(continual.average_accuracies(accuracy), [[81.5], [70.]])
  np.testing.assert_array_equal(continual.final_average_accuracy(accuracy), [81.5, 70.])
  for found in (continual.backward_transfer(accuracy), continual.forward_transfer(accuracy, [9.]),
                *(continual.forgetting(accuracy, name) for name in continual.FORGETTING)):
    np.testing.assert_array_equal(found, [_NAN, _NAN])


def test_a_run_that_is_not_over_has_averages_only():
  running = _BOTH.copy()
  running[0, 2:] = _NAN
  averages = continual.average_accuracies(running)
  np.testing.assert_allclose(averages[0], [40, 55, _NAN, _NAN])
  np.testing.assert_array_equal(averages[1], continual.average_accuracies(_SECOND))
  for name in ("final", "backward", *continual.FORGETTING):
    found = _METRICS[name](running)
    assert np.isnan(found[0]) and found[1] == _METRICS[name](_SECOND)


def test_an_accuracy_that_was_not_measured_is_no_best_one():
  accuracy = _FIRST.copy()
  accuracy[2, 1] = _NAN
  # Best of columns 0..2 before the last task: 50, 60, 45; at the end 80, 50, 65.
  assert continual.forgetting(accuracy) == pytest.approx((-30 + 10 - 20) / 3)
  accuracy[1, 1] = _NAN  # Now test set 1 was never looked at before the end.
  assert np.isnan(continual.forgetting(accuracy))
  assert continual.forgetting(accuracy, "reference") == pytest.approx((0 + 25 + 0) / 3)


def test_seeds_are_summarised_entry_by_entry():
  summary = continual.summarise([[1., 10., 2.], [3., 10., _NAN]])
  np.testing.assert_array_equal(summary["mean"], [2, 10, _NAN])
  np.testing.assert_allclose(summary["standard_error"], [1, 0, _NAN])
  summary = continual.summarise([2., 6., 13.])
  assert summary["mean"] == 7 and summary["standard_error"] == pytest.approx(np.sqrt(62 / 6))
  matrices = continual.summarise(np.zeros([3, 2, 4]))
  assert matrices["mean"].shape == matrices["standard_error"].shape == (2, 4)
  single = continual.summarise([[4., 5.]])
  np.testing.assert_array_equal(single["mean"], [4, 5])
  np.testing.assert_array_equal(single["standard_error"], [_NAN, _NAN])


@pytest.mark.parametrize("values", [3., [], np.zeros([0, 3])])
def test_a_summary_of_no_seeds(values):
  with pytest.raises(ValueError, match=r"must be \[S, \.\.\.\]"):
    continual.summarise(values)


@pytest.mark.parametrize("name", _METRICS)
@pytest.mark.parametrize("accuracy", [50., [1., 2.], np.zeros([2, 3]), np.zeros([2, 0, 0])])
def test_what_is_no_accuracy_matrix(name, accuracy):
  with pytest.raises(ValueError, match=r"must be \[\.\.\., T, T\]"):
    _METRICS[name](accuracy)


def test_other_mistakes():
  with pytest.raises(ValueError, match="there are clean, clean_with_final, with_zero_shot, ref"):
    continual.forgetting(_FIRST, "mine")
  for wrong in (_RANDOM[:3], 9., np.stack([_RANDOM] * 3)):
    with pytest.raises(ValueError, match=r"must be \[4\] or \[2, 4\]"):
      continual.forward_transfer(_BOTH, wrong)
