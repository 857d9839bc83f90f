"""Counts of an evaluation pass: accuracy, recall and calibration by hand."""

import numpy as np
import pytest

from socialized_learning.metrics import calibration

pytestmark = pytest.mark.filterwarnings("error")

# Three classes, the last without items; 6 of 8 are right.
_CONFUSION = np.array([[3, 1, 0], [1, 3, 0], [0, 0, 0]])


def test_accuracy_and_recall_of_counts():
  assert calibration.accuracy(_CONFUSION) == 75
  np.testing.assert_array_equal(calibration.per_class_recall(_CONFUSION), [75, 75, np.nan])
  # Rows are the true classes.
  np.testing.assert_array_equal(calibration.per_class_recall([[1, 3], [0, 2]]), [25, 100])


def test_seeds_keep_their_axis_and_no_items_have_no_accuracy():
  both = np.stack([_CONFUSION, 0 * _CONFUSION])
  np.testing.assert_array_equal(calibration.accuracy(both), [75, np.nan])
  np.testing.assert_array_equal(
      calibration.per_class_recall(both), [[75, 75, np.nan], [np.nan] * 3])


def test_bins_and_error_by_hand():
  confidence = [0.95, 0.9, 0.65, 0.6, 0.1]
  correct = [True, False, True, True, False]
  bins = calibration.calibration_bins(confidence, correct, num_bins=2)
  np.testing.assert_allclose(bins, [[1, 0.1, 0], [4, 3.1, 3]])
  # 1/5 |0 - 0.1| + 4/5 |3/4 - 3.1/4|.
  assert calibration.expected_calibration_error(bins) == pytest.approx(100 * (0.02 + 0.02))


def test_bins_are_open_below_and_closed_above():
  confidence = np.array([0., 0.25, 0.2500001, 0.5, 0.75, 1., 1.0000001])
  bins = calibration.calibration_bins(confidence, np.ones(7, bool), num_bins=4)
  np.testing.assert_array_equal(bins[:, 0], [2, 2, 1, 2])
  np.testing.assert_array_equal(bins[:, 2], bins[:, 0])


def test_the_usual_number_of_bins_and_the_precision_of_the_confidences():
  third = np.array([1 / 3], np.float32)  # Just above 1/3: only in float32 its product with 15 is 5.
  bins = calibration.calibration_bins(third, [True])
  assert bins.shape == (15, 3) and bins.dtype == np.float64 and bins[4, 0] == 1
  assert calibration.calibration_bins(third.astype(np.float64), [True])[5, 0] == 1


def test_padding_does_not_count_and_leading_axes_are_kept_apart():
  rng = np.random.default_rng(0)
  confidence = rng.uniform(size=(2, 3, 50)).astype(np.float32)
  correct = rng.uniform(size=confidence.shape) < confidence
  valid = rng.uniform(size=confidence.shape) < 0.7
  bins = calibration.calibration_bins(np.where(valid, confidence, np.nan), correct, valid)
  assert bins.shape == (2, 3, 15, 3)
  np.testing.assert_array_equal(bins[..., 0].sum(-1), valid.sum(-1))
  for a in range(2):
    for b in range(3):
      keep = valid[a, b]
      np.testing.assert_array_equal(
          bins[a, b], calibration.calibration_bins(confidence[a, b, keep], correct[a, b, keep]))
  shared = calibration.calibration_bins(confidence, correct, valid[0, 0])
  np.testing.assert_array_equal(shared[0, 0], bins[0, 0])
  np.testing.assert_array_equal(shared[..., 0].sum(-1), np.full([2, 3], valid[0, 0].sum()))


def test_bins_of_parts_add_up():
  rng = np.random.default_rng(1)
  confidence, correct = rng.uniform(size=60), rng.uniform(size=60) < 0.5
  parts = [calibration.calibration_bins(confidence[part], correct[part])
           for part in (slice(20), slice(20, None))]
  np.testing.assert_allclose(
      sum(parts), calibration.calibration_bins(confidence, correct), rtol=1e-12)


def test_perfect_and_worst_calibration():
  sure = calibration.calibration_bins(np.ones([2, 10]), [[True] * 10, [False] * 10])
  np.testing.assert_array_equal(calibration.expected_calibration_error(sure), [0, 100])


def test_the_error_is_the_mean_distance_over_items():
  rng = np.random.default_rng(2)
  confidence = rng.uniform(size=1000)
  correct = rng.uniform(size=1000) < confidence ** 2
  found, error = np.minimum((confidence * 15).astype(int), 14), 0.
  for index in range(15):
    inside = found == index
    error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
  bins = calibration.calibration_bins(confidence, correct)
  assert calibration.expected_calibration_error(bins) == pytest.approx(100 * error)


def test_no_items_and_numbers_that_are_none():
  nothing = calibration.calibration_bins(np.zeros([2, 0]), np.zeros([2, 0], bool))
  assert nothing.shape == (2, 15, 3) and not nothing.any()
  np.testing.assert_array_equal(calibration.expected_calibration_error(nothing), [np.nan] * 2)
  broken = calibration.calibration_bins([[0.5, np.nan], [0.5, 0.5]], [[True, False], [True, False]])
  np.testing.assert_array_equal(calibration.expected_calibration_error(broken), [np.nan, 0])


@pytest.mark.parametrize("function", [calibration.accuracy, calibration.per_class_recall])
@pytest.mark.parametrize("confusion", [3, np.zeros(3), np.zeros([2, 3]), np.zeros([2, 0, 0])])
def test_what_is_no_confusion(function, confusion):
  with pytest.raises(ValueError, match=r"must be \[\.\.\., C, C\]"):
    function(confusion)


@pytest.mark.parametrize("arguments, message", [
    ((0.5, True), "alike"),
    (([0.5, 0.6], [True]), "alike"),
    (([0.5, 0.6], [True, True], [True]), "alike"),
    (([0.5], [True], None, 0), "must be bins"),
])
def test_what_are_no_predictions(arguments, message):
  with pytest.raises(ValueError, match=message):
    calibration.calibration_bins(*arguments)


@pytest.mark.parametrize("bins", [np.zeros(3), np.zeros([15, 2]), np.zeros([0, 3])])
def test_what_are_no_bins(bins):
  with pytest.raises(ValueError, match=r"must be \[\.\.\., M, 3\]"):
    calibration.expected_calibration_error(bins)
