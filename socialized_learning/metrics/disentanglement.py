"""Disentanglement: does one part of a message speak of one attribute of the item?

Shapes: n items, T message length, A attributes, K symbols that occur, C concepts, a concept being
one value of one attribute. Information is in bits and of observed frequencies: with few items it is
too large by about (K-1)(values-1) / (2 n ln 2) bits, also for a random language.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy import special

from socialized_learning.metrics import language

# EM converges geometrically, at worst by about 1/2 a round for independent binary attributes.
_NUM_ALIGNMENT_ROUNDS = 100


def mutual_information(
    messages: npt.ArrayLike, attributes: npt.ArrayLike, lengths: npt.ArrayLike | None = None,
    normalise: bool = False,
) -> np.ndarray:
  """Mutual information between every position of the message and every attribute.

  I(s_t; a) = H(s_t) + H(a) - H(s_t, a); Shannon (1948). A position after the end of a message holds
  one further symbol, silence. Normalised: I(s_t; a) / H(a), the share of the attribute that the
  position tells, NaN for an attribute of one value.

  Args:
    messages: [n, T] integers.
    attributes: [n, A] integers or booleans.
    lengths: [n] number of symbols that count; None means all T.
    normalise: whether to divide by the entropy of the attribute.

  Returns:
    [T, A] bits, or shares in 0..1.
  """
  codes = language.encode_messages(messages, lengths)
  attributes = language.check_attributes(attributes, len(codes))
  information, _, entropies = _information(codes, attributes)
  if not normalise:
    return information
  return information / np.where(entropies > 0, entropies, np.nan)


def positional_disentanglement(
    messages: npt.ArrayLike, attributes: npt.ArrayLike, lengths: npt.ArrayLike | None = None,
) -> float:
  """Positional disentanglement (posdis), in 0..1: each position tells one attribute.

  posdis = mean_t (I(s_t; a_1) - I(s_t; a_2)) / H(s_t), a_1 and a_2 the attributes of which s_t
  tells most and second most; Chaabouni et al. (2020), "Compositionality and Generalization in
  Emergent Languages". Constant positions are left out, as in the paper; a position after the end of
  a message holds one further symbol, silence. Nothing is told of a constant attribute (I = 0), so
  where a single one of several varies the value is mean_t I(s_t; a) / H(s_t). NaN where the formula
  has no value: with fewer than two attributes, if all positions are constant (one message for
  everything), or if all attributes are.

  Args:
    messages: [n, T] integers.
    attributes: [n, A] integers or booleans.
    lengths: [n] number of symbols that count; None means all T.
  """
  codes = language.encode_messages(messages, lengths)
  return _information_gap(codes, language.check_attributes(attributes, len(codes)))


def bag_of_symbols_disentanglement(
    messages: npt.ArrayLike, attributes: npt.ArrayLike, lengths: npt.ArrayLike | None = None,
) -> float:
  """Bag-of-symbols disentanglement (bosdis), in 0..1: each symbol tells one attribute, anywhere.

  bosdis = mean_v (I(n_v; a_1) - I(n_v; a_2)) / H(n_v), n_v the number of times symbol v occurs in
  the message, a_1 and a_2 the attributes of which n_v tells most and second most; Chaabouni et al.
  (2020), "Compositionality and Generalization in Emergent Languages". Symbols that occur equally
  often in all messages are left out, as in the paper. Constant attributes count as in
  `positional_disentanglement`. NaN with fewer than two attributes, if all symbols are left out, or
  if all attributes are constant.

  Args:
    messages: [n, T] integers.
    attributes: [n, A] integers or booleans.
    lengths: [n] number of symbols that count; None means all T.
  """
  codes = language.encode_messages(messages, lengths)
  return _information_gap(_symbol_counts(codes), language.check_attributes(attributes, len(codes)))


def context_independence(
    messages: npt.ArrayLike, attributes: npt.ArrayLike, lengths: npt.ArrayLike | None = None,
    align: bool = True,
) -> float:
  """Context independence, in 0..1: each concept has its own symbol, whatever else is said.

  CI = mean_c p(v_c | c) p(c | v_c), v_c = argmax_v p(v | c), over the concepts c that occur; Bogin
  et al. (2018), "Emergence of Communication in an Interactive World with Consistent Speakers". The
  two probabilities are the translation tables of IBM model 1 (Brown et al., 1993) between symbols
  and concepts, one for each direction, from a uniform start and without the empty word: CI is 1 for
  a compositional language of independent attributes and 1/C for a constant one. With `align=False`
  they are shares of co-occurrences, as in several later works; CI then cannot exceed 1/(T A) where
  the T symbols of a message differ. Of symbols with equal p(v | c) the one with the largest
  p(c | v) is taken. Empty messages are left out. NaN if no attribute varies among the rest.

  Args:
    messages: [n, T] integers.
    attributes: [n, A] integers or booleans.
    lengths: [n] number of symbols that count; None means all T.
    align: whether to align symbols with concepts, or to count co-occurrences.
  """
  codes = language.encode_messages(messages, lengths)
  attributes = language.check_attributes(attributes, len(codes))
  spoken = language.message_lengths(codes) > 0
  codes, attributes = codes[spoken], attributes[spoken]
  if not len(codes) or not np.ptp(attributes, axis=0).any():
    return float("nan")
  symbols = _symbol_counts(codes).astype(np.float64)  # [n, K]
  concepts = _indicators(attributes)[0].toarray()  # [n, C]
  if align:
    symbol_given_concept = _translation_table(concepts, symbols)  # [C, K]
    concept_given_symbol = _translation_table(symbols, concepts).T  # [C, K]
  else:
    joint = concepts.T @ symbols
    symbol_given_concept = joint / joint.sum(axis=1, keepdims=True)
    concept_given_symbol = joint / joint.sum(axis=0)
  # Ties up to rounding, else the value would depend on how symbols are numbered.
  chosen = symbol_given_concept >= symbol_given_concept.max(axis=1, keepdims=True) - 1e-9
  return float((chosen * symbol_given_concept * concept_given_symbol).max(axis=1).mean())


def _symbol_counts(codes: np.ndarray) -> np.ndarray:
  """How often each symbol occurs in each message: codes [n, T] -> [n, K]."""
  num_items, num_codes = len(codes), int(codes.max()) + 1
  flat = codes + num_codes * np.arange(num_items)[:, None]
  counts = np.bincount(flat.ravel(), minlength=num_items * num_codes)
  return counts.reshape(num_items, num_codes)[:, 1:]


def _indicators(columns: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
  """One-hot values of integer columns [n, F] side by side [n, total values], and their starts."""
  num_items, num_columns = columns.shape
  codes = np.stack([np.unique(column, return_inverse=True)[1] for column in columns.T], axis=1)
  ends = np.cumsum(codes.max(axis=0) + 1)
  starts = np.concatenate([[0], ends[:-1]])
  indices = (codes + starts).ravel()
  rows = np.arange(0, indices.size + 1, num_columns)
  ones = np.ones(indices.size)
  return sparse.csr_array((ones, indices, rows), shape=(num_items, ends[-1])), starts


def _information(
    columns: np.ndarray, attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Bits shared by columns [n, F] and attributes: ([F, A], entropies [F], entropies [A])."""
  left, left_starts = _indicators(columns)
  right, right_starts = _indicators(attributes)
  num_items = len(columns)
  # All joint frequencies in one product; each (column, attribute) is one block of the result.
  joint = special.entr((left.T @ right).toarray() / num_items) / np.log(2)
  joint = np.add.reduceat(np.add.reduceat(joint, left_starts, axis=0), right_starts, axis=1)
  of_left = np.add.reduceat(special.entr(left.sum(axis=0) / num_items), left_starts) / np.log(2)
  of_right = np.add.reduceat(special.entr(right.sum(axis=0) / num_items), right_starts) / np.log(2)
  # Rounding can leave the bounds 0 <= I <= min(H, H) by a hair.
  information = np.clip(of_left[:, None] + of_right - joint, 0, np.minimum.outer(of_left, of_right))
  return information, of_left, of_right


def _information_gap(columns: np.ndarray, attributes: np.ndarray) -> float:
  """Mean over varying columns [n, F] of (most - second most information) / entropy."""
  if not columns.shape[1]:  # nobody said anything
    return float("nan")
  information, of_columns, of_attributes = _information(columns, attributes)
  varying = of_columns > 0
  if not varying.any() or len(of_attributes) < 2 or not of_attributes.any():
    return float("nan")
  second, first = np.partition(information[varying], -2, axis=1)[:, -2:].T
  return float(((first - second) / of_columns[varying]).mean())


def _translation_table(source: np.ndarray, target: np.ndarray) -> np.ndarray:
  """Probability of each target word given each source word, by EM of IBM model 1.

  A target word w of an item comes from its source word u with probability proportional to
  table[u, w] times the number of u in the item.

  Args:
    source: [n, U] number of times each source word occurs in each item.
    target: [n, W] the same of target words; no row or column of either is all zero.

  Returns:
    [U, W] rows summing to 1.
  """
  table = np.full((source.shape[1], target.shape[1]), 1 / target.shape[1])
  for _ in range(_NUM_ALIGNMENT_ROUNDS):
    explained = source @ table
    shares = np.divide(target, explained, out=np.zeros_like(target), where=target > 0)
    table *= source.T @ shares
    table /= table.sum(axis=1, keepdims=True)
  return table
