"""Topographic similarity: do similar meanings get similar messages?

Shapes: n items, T message length, A attributes, D input size. Distances between items are
condensed: [n(n-1)/2] in the pair order (0,1), (0,2), ..., (n-2,n-1). Time and memory are quadratic
in n.
"""

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from scipy import stats
from scipy.spatial import distance

from socialized_learning.metrics import language


def edit_distances(
    messages: npt.ArrayLike, lengths: npt.ArrayLike | None = None, normalise: bool = True,
) -> np.ndarray:
  """Levenshtein distance between the messages of every two items.

  d(i, j) = (fewest insertions, deletions and substitutions from m_i to m_j) / max(|m_i|, |m_j|);
  Levenshtein (1966). With messages of one length T this is the division by T of Chaabouni et al.
  (2022), "Emergent Communication at Scale"; two empty messages are at distance 0.

  Args:
    messages: [n, T] integers.
    lengths: [n] number of symbols that count; None means all T.
    normalise: if False, the plain number of edits.

  Returns:
    Condensed distances, in 0..1 (float64) or in edits (int64).
  """
  codes = language.encode_messages(messages, lengths)
  strings = language.message_strings(codes).tolist()
  edits = process.cdist(
      strings, strings, scorer=Levenshtein.distance, dtype=np.min_scalar_type(codes.shape[-1]))
  edits = distance.squareform(edits, checks=False).astype(np.int64)
  if not normalise:
    return edits
  if lengths is None:
    return edits / codes.shape[-1]
  spoken = np.maximum(language.message_lengths(codes), 1)
  first, second = np.triu_indices(len(codes), 1)
  return edits / np.maximum(spoken[first], spoken[second])


def input_distances(inputs: npt.ArrayLike) -> np.ndarray:
  """Squared distance between the directions of every two inputs, in 0..4.

  d(i, j) = |u_i - u_j|^2 with u = x / |x|, that is 2 - 2 cos(x_i, x_j); Chaabouni et al. (2022),
  "Emergent Communication at Scale". A zero vector has no direction and stays zero: it is at
  distance 0 from other zero vectors and 1 from everything else.

  Args:
    inputs: [n, D] finite numbers.

  Returns:
    Condensed distances, float64.
  """
  inputs = np.asarray(inputs, np.float64)
  if inputs.ndim != 2 or 0 in inputs.shape:
    raise ValueError(f"inputs must be [n, D] and not empty, got shape {inputs.shape}")
  if not np.isfinite(inputs).all():
    raise ValueError("inputs must be finite")
  largest = np.abs(inputs).max(axis=1, keepdims=True)
  units = inputs / np.where(largest > 0, largest, 1)  # so that no square over- or underflows
  units /= np.where(largest > 0, np.linalg.norm(units, axis=1, keepdims=True), 1)
  squares = (largest[:, 0] > 0).astype(np.float64)
  distances = squares[:, None] + squares - 2 * (units @ units.T)
  # Without rounding, pairs at equal distance (repeated or one-hot inputs) would be ranked by the
  # order in which the product happened to be summed.
  return np.round(distance.squareform(distances, checks=False), 12)


def attribute_distances(attributes: npt.ArrayLike) -> np.ndarray:
  """Mean over attributes of the squared distance of one-hot values, in 0..2.

  d(i, j) = 2/A (number of attributes in which i and j differ); Chaabouni et al. (2022), "Emergent
  Communication at Scale". Mismatches are whole numbers, so ties are exact.

  Args:
    attributes: [n, A] integers or booleans; only equality matters.

  Returns:
    Condensed distances, float64.
  """
  attributes = language.check_attributes(attributes)
  num_attributes = attributes.shape[1]
  # pdist works in float64, which can hold small codes exactly but not every int64.
  codes = np.unique(attributes, return_inverse=True)[1].reshape(attributes.shape)
  mismatches = np.rint(distance.pdist(codes, "hamming") * num_attributes)
  return 2 * mismatches / num_attributes


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
  """Spearman's rank correlation with average ranks for ties, in -1..1.

  rho = S_ab / sqrt(S_aa S_bb), S the centred sums of products of the ranks; Spearman (1904).
  NaN where either side has no variance (or holds NaN, or has fewer than two entries).

  Args:
    first: [m] numbers.
    second: [m] numbers.
  """
  first, second = np.asarray(first), np.asarray(second)
  if first.ndim != 1 or first.shape != second.shape:
    raise ValueError(f"need two vectors of one length, got shapes {first.shape}, {second.shape}")
  if not len(first) or np.ptp(first) == 0 or np.ptp(second) == 0:
    return float("nan")
  return float(stats.spearmanr(first, second).statistic)


def topographic_similarity(
    messages: npt.ArrayLike,
    meaning_distances: npt.ArrayLike,
    lengths: npt.ArrayLike | None = None,
) -> float:
  """Rank correlation between the distances of messages and of what they mean, in -1..1.

  rho(edit_distances(messages), meaning_distances); Brighton & Kirby (2006), "Understanding
  Linguistic Evolution by Visualizing the Emergence of Topographic Mappings". NaN if all message
  distances are equal (all messages are), all meaning distances are, or n < 3: a collapsed language
  is not an uncorrelated one.

  Args:
    messages: [n, T] integers.
    meaning_distances: [n(n-1)/2] condensed, of `input_distances` or `attribute_distances`.
    lengths: [n] number of symbols that count; None means all T.
  """
  meaning_distances = np.asarray(meaning_distances)
  num_items = len(np.asarray(messages))
  if meaning_distances.shape != (num_items * (num_items - 1) // 2,):
    raise ValueError(f"{num_items} messages need {num_items * (num_items - 1) // 2} condensed "
                     f"distances, got shape {meaning_distances.shape}")
  return rank_correlation(edit_distances(messages, lengths), meaning_distances)


def summarise_defined(values: npt.ArrayLike) -> tuple[float, int]:
  """Mean of the entries that are not NaN, and the number of those that are.

  Args:
    values: any shape, one entry per speaker or set.

  Returns:
    (mean, num_undefined); the mean is NaN if nothing is defined.
  """
  values = np.asarray(values, np.float64)
  defined = values[~np.isnan(values)]
  mean = float(defined.mean()) if defined.size else float("nan")
  return mean, values.size - defined.size
