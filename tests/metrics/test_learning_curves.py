"""Speed of learning: areas, steps to a level, means with standard errors, by hand."""

import numpy as np
import pytest

from socialized_learning.metrics import learning_curves

pytestmark = pytest.mark.filterwarnings("error")

_STEPS = [1, 3, 10]
# Of three listeners: one learns, one is never good enough, one is there at once and then forgets.
_CURVES = np.array([[2., 1., 9.], [4., 1., 0.], [6., 4., 0.]])


def test_area_by_hand_with_uneven_steps():
  # (1 * 2 + 2 * 4 + 7 * 6) / 10, (1 * 1 + 2 * 1 + 7 * 4) / 10, (1 * 9) / 10.
  area = learning_curves.area_under_curve(_STEPS, _CURVES)
  np.testing.assert_allclose(area, [5.2, 3.1, 0.9], rtol=1e-12)
  assert learning_curves.area_under_curve(_STEPS, _CURVES[:, 0]) == pytest.approx(5.2)
  np.testing.assert_allclose(
      learning_curves.area_under_curve(_STEPS, _CURVES.reshape(3, 1, 3)), [[5.2, 3.1, 0.9]])


def test_area_of_a_constant_is_the_constant_and_of_one_point_its_value():
  assert learning_curves.area_under_curve([7, 8, 100], [0.3] * 3) == pytest.approx(0.3)
  assert learning_curves.area_under_curve([50], [0.7]) == pytest.approx(0.7)


def test_steps_to_a_level_are_nan_where_it_is_never_reached():
  np.testing.assert_array_equal(learning_curves.steps_to(_STEPS, _CURVES, 6.0), [10, np.nan, 1])
  # At the level is enough, and what comes after does not matter.
  np.testing.assert_array_equal(learning_curves.steps_to(_STEPS, _CURVES, 4.0), [3, 10, 1])
  np.testing.assert_array_equal(learning_curves.steps_to(_STEPS, _CURVES, 9.5), [np.nan] * 3)
  assert learning_curves.steps_to(_STEPS, _CURVES[:, 0], 3.0) == 3


def test_a_value_that_is_not_defined_reaches_no_level():
  found = learning_curves.steps_to(_STEPS, [[np.nan, np.nan], [5, np.nan], [5, np.nan]], 5.0)
  np.testing.assert_array_equal(found, [3, np.nan])


def test_several_speakers_are_summarised_by_their_means():
  summary = learning_curves.summarise([[1., 3.], [5., 7.], [9., 17.]])
  # Means 2, 6, 13: mean 7, squares of the distances 25 + 1 + 36 = 62, sqrt(62 / 2 / 3).
  assert summary["mean"] == 7
  assert summary["standard_error"] == pytest.approx(np.sqrt(62 / 6))
  assert summary["standard_error_over"] == "speakers"
  np.testing.assert_array_equal(summary["per_speaker"]["mean"], [2, 6, 13])
  # Of two values it is half their distance.
  np.testing.assert_allclose(summary["per_speaker"]["standard_error"], [1, 1, 4])
  assert summary["defined"] == 1
  np.testing.assert_array_equal(summary["values"], [[1, 3], [5, 7], [9, 17]])


def test_a_single_speaker_is_summarised_by_its_listeners():
  summary = learning_curves.summarise([[1., 2., 6.]])
  assert summary["mean"] == 3
  assert summary["standard_error"] == pytest.approx(np.sqrt((4 + 1 + 9) / 2 / 3))
  assert summary["standard_error_over"] == "listeners"
  assert summary["per_speaker"]["standard_error"] == [summary["standard_error"]]


def test_a_single_listener_of_each_speaker_has_no_error_of_its_own():
  summary = learning_curves.summarise([[1.], [3.]])
  assert (summary["mean"], summary["standard_error"]) == (2, 1)
  np.testing.assert_array_equal(summary["per_speaker"]["mean"], [1, 3])
  np.testing.assert_array_equal(summary["per_speaker"]["standard_error"], [np.nan, np.nan])


def test_a_single_value_has_no_error():
  summary = learning_curves.summarise([[4.]])
  assert summary["mean"] == 4 and np.isnan(summary["standard_error"])
  assert summary["standard_error_over"] == "listeners" and summary["defined"] == 1


def test_what_hangs_on_an_undefined_value_is_nan_and_nothing_else():
  summary = learning_curves.summarise([[1., 3.], [np.nan, 7.]])
  assert np.isnan(summary["mean"]) and np.isnan(summary["standard_error"])
  np.testing.assert_array_equal(summary["per_speaker"]["mean"], [2, np.nan])
  np.testing.assert_allclose(summary["per_speaker"]["standard_error"], [1, np.nan])
  assert summary["defined"] == 0.75
  nothing = learning_curves.summarise([[np.nan, np.nan]])
  assert nothing["defined"] == 0 and np.isnan(nothing["mean"])


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((2, 3, 1)), np.zeros((0, 3)),
                                    np.zeros((2, 0))])
def test_values_of_another_shape(values):
  with pytest.raises(ValueError, match=r"must be \[S, L\]"):
    learning_curves.summarise(values)


@pytest.mark.parametrize("function", [
    learning_curves.area_under_curve, lambda *args: learning_curves.steps_to(*args, 1.0)])
@pytest.mark.parametrize("steps, values, message", [
    ([1, 2], [1., 2., 3.], "do not belong"),
    ([], [], "do not belong"),
    ([[1, 2]], [[1., 2.]], "do not belong"),
    ([1, 3, 3], _CURVES, "must rise"),
    ([3, 2, 4], _CURVES, "must rise"),
    ([0, 1, 2], _CURVES, "from above 0"),
])
def test_steps_that_are_none(function, steps, values, message):
  with pytest.raises(ValueError, match=message):
    function(steps, values)
