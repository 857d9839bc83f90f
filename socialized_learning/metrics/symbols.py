"""How much of its channel a language uses: entropies in bits, vocabulary, distinct messages.

Shapes: n items, T message length, V vocabulary. Entropies are those of the observed frequencies
(Shannon, 1948), so they cannot exceed log2(n) however rich the language is: compare equal n. For a
constant language all entropies are 0.
"""

import numpy as np
import numpy.typing as npt
from scipy import stats

from socialized_learning.metrics import language


def message_entropy(messages: npt.ArrayLike, lengths: npt.ArrayLike | None = None) -> float:
  """Entropy of whole messages, -sum_m p(m) log2 p(m), in bits, 0..log2(n).

  Args:
    messages: [n, T] integers.
    lengths: [n] number of symbols that count; None means all T. The empty message is a message.
  """
  return _entropy(_message_counts(messages, lengths))


def symbol_entropy(messages: npt.ArrayLike, lengths: npt.ArrayLike | None = None) -> float:
  """Unigram entropy over all positions, -sum_s p(s) log2 p(s), in bits, 0..log2(V).

  NaN if every message is empty.

  Args:
    messages: [n, T] integers.
    lengths: [n] number of symbols that count; None means all T.
  """
  return _entropy(_symbol_counts(language.encode_messages(messages, lengths)))


def position_entropies(
    messages: npt.ArrayLike, lengths: npt.ArrayLike | None = None) -> np.ndarray:
  """Unigram entropy of every position, over the messages that reach it, in bits.

  Args:
    messages: [n, T] integers.
    lengths: [n] number of symbols that count; None means all T.

  Returns:
    [T] bits; NaN where no message is long enough.
  """
  codes = language.encode_messages(messages, lengths)
  return np.array([_entropy(_symbol_counts(column)) for column in codes.T])


def vocabulary_use(
    messages: npt.ArrayLike, vocab_size: int, lengths: npt.ArrayLike | None = None) -> float:
  """Share of the V symbols that occur at least once, in 0..1.

  Args:
    messages: [n, T] integers in 0..V-1.
    vocab_size: V.
    lengths: [n] number of symbols that count; None means all T.
  """
  codes = language.encode_messages(messages, lengths)
  spoken = np.asarray(messages)[codes != language.SILENCE]
  if spoken.size and (spoken.min() < 0 or spoken.max() >= vocab_size):
    raise ValueError(f"symbols must lie in 0..{vocab_size - 1}, "
                     f"got {spoken.min()}..{spoken.max()}")
  return len(np.unique(spoken)) / vocab_size


def distinct_messages(
    messages: npt.ArrayLike, lengths: npt.ArrayLike | None = None) -> tuple[int, float]:
  """Number of different messages, and that number divided by n.

  Args:
    messages: [n, T] integers.
    lengths: [n] number of symbols that count; None means all T. The empty message is a message.
  """
  counts = _message_counts(messages, lengths)
  return len(counts), len(counts) / int(counts.sum())


def _message_counts(messages: npt.ArrayLike, lengths: npt.ArrayLike | None) -> np.ndarray:
  strings = language.message_strings(language.encode_messages(messages, lengths))
  return np.unique(strings, return_counts=True)[1]


def _symbol_counts(codes: np.ndarray) -> np.ndarray:
  return np.bincount(codes[codes != language.SILENCE])


def _entropy(counts: np.ndarray) -> float:
  return float(stats.entropy(counts, base=2)) if counts.sum() else float("nan")
