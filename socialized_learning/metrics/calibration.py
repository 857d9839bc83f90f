"""What the counts of one evaluation pass say: accuracy, recall of each class, calibration.

Shapes: `C` classes, `N` items, `M` bins of confidence; any number of leading axes, written `...`.
Counts can be added over batches, devices and test sets; what is computed from them is in percent.
"""

import numpy as np
import numpy.typing as npt

NUM_BINS = 15


def accuracy(confusion: npt.ArrayLike) -> np.ndarray:
  """Share of items whose class was predicted, `100 sum_c n_cc / sum_cd n_cd`.

  Args:
    confusion: [..., C, C] counts of (true class, predicted class).

  Returns:
    [...] in percent; NaN where there are no items.
  """
  confusion = _check_confusion(confusion)
  return _percent(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


def per_class_recall(confusion: npt.ArrayLike) -> np.ndarray:
  """Share of the items of each class that were recognised, `100 n_cc / sum_d n_cd`.

  Args:
    confusion: [..., C, C] counts of (true class, predicted class).

  Returns:
    [..., C] in percent; NaN for a class without items.
  """
  confusion = _check_confusion(confusion)
  return _percent(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1))


def calibration_bins(confidence: npt.ArrayLike, correct: npt.ArrayLike,
                     valid: npt.ArrayLike | None = None, num_bins: int = NUM_BINS) -> np.ndarray:
  """Sorts predictions into bins of equal width by confidence; bin m is (m / M, (m + 1) / M].

  Guo et al. (2017), "On Calibration of Modern Neural Networks". A confidence of 0 belongs to the
  first bin, one just above 1 by rounding to the last. The bin is found in the precision of the
  confidences, so that the same formula elsewhere finds the same; sums are float64.

  Args:
    confidence: [..., N] probability of the class that was predicted, 0..1. One that is not a number
      makes its bin, the first, so.
    correct: [..., N] whether that class was right.
    valid: [N] or [..., N], whether an item counts and is not padding; None for all.
    num_bins: M.

  Returns:
    [..., M, 3]: number of items, sum of their confidences, number of those that are correct.

  Raises:
    ValueError: shapes that differ, or no bins.
  """
  confidence, correct, valid = _check_predictions(confidence, correct, valid)
  if num_bins < 1:
    raise ValueError(f"there must be bins, got {num_bins}")
  leading = confidence.shape[:-1]
  position = np.nan_to_num(np.ceil(confidence * confidence.dtype.type(num_bins)) - 1)
  bins = np.clip(position, 0, num_bins - 1).astype(np.int64)
  # Bins of different leading indices are kept apart by numbering them through.
  rows = num_bins * np.arange(np.prod(leading, dtype=np.int64)).reshape(*leading, 1)
  index = (rows + bins)[valid]
  sums = [np.bincount(index, weights, minlength=rows.size * num_bins) for weights in (
      None, confidence[valid].astype(np.float64), correct[valid].astype(np.float64))]
  return np.stack(sums, axis=-1).astype(np.float64).reshape(*leading, num_bins, 3)


def expected_calibration_error(bins: npt.ArrayLike) -> np.ndarray:
  """How far confidence is from accuracy, `100 sum_m n_m / N |accuracy_m - mean confidence_m|`.

  Guo et al. (2017), "On Calibration of Modern Neural Networks".

  Args:
    bins: [..., M, 3] of `calibration_bins`.

  Returns:
    [...] in percent, 0 is best; NaN where there are no items.

  Raises:
    ValueError: another shape.
  """
  bins = np.asarray(bins, np.float64)
  if bins.ndim < 2 or bins.shape[-1] != 3 or not bins.shape[-2]:
    raise ValueError(f"bins must be [..., M, 3], got shape {bins.shape}")
  count, confidence, correct = np.moveaxis(bins, -1, 0)
  return _percent(np.abs(correct - confidence).sum(-1), count.sum(-1))


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
  """`100 part / whole`, NaN for nothing of nothing."""
  return 100. * part / np.where(whole > 0, whole, np.nan)


def _check_predictions(confidence: npt.ArrayLike, correct: npt.ArrayLike,
                       valid: npt.ArrayLike | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Floats, booleans and booleans of one shape."""
  confidence, correct = np.asarray(confidence), np.asarray(correct, bool)
  if not np.issubdtype(confidence.dtype, np.floating):
    confidence = confidence.astype(np.float64)
  valid = np.ones(confidence.shape, bool) if valid is None else np.asarray(valid, bool)
  if not confidence.ndim or confidence.shape != correct.shape or (
      valid.shape not in (confidence.shape, confidence.shape[-1:])):
    raise ValueError(f"confidence, correct and valid must be [..., N] alike, "
                     f"got shapes {confidence.shape}, {correct.shape}, {valid.shape}")
  return confidence, correct, np.broadcast_to(valid, confidence.shape)


def _check_confusion(confusion: npt.ArrayLike) -> np.ndarray:
  confusion = np.asarray(confusion, np.float64)
  if confusion.ndim < 2 or confusion.shape[-1] != confusion.shape[-2] or not confusion.shape[-1]:
    raise ValueError(f"confusion must be [..., C, C], got shape {confusion.shape}")
  return confusion
