"""Agreement between speakers: do they say the same thing in the same game?

Shapes: S speakers, n games, T message length.
"""

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from socialized_learning.metrics import language


def cross_speaker_edit_distance(
    messages: npt.ArrayLike, lengths: npt.ArrayLike | None = None) -> tuple[np.ndarray, float]:
  """Mean normalised Levenshtein distance between what every two speakers say in one game.

  d(g) = mean over pairs of speakers p < q of edits(m_pg, m_qg) / max(|m_pg|, |m_qg|), in 0..1;
  Chaabouni et al. (2022), "Emergent Communication at Scale". 0: one language; two empty messages
  agree. NaN for one speaker, as there is no pair.

  Args:
    messages: [S, n, T] integers.
    lengths: [S, n] number of symbols that count; None means all T.

  Returns:
    (distance per game [n], its mean over games).
  """
  codes = language.encode_messages(messages, lengths, ndim=3)
  num_speakers, num_games, num_symbols = codes.shape
  if num_speakers == 1:
    return np.full(num_games, np.nan), float("nan")
  strings = language.message_strings(codes)
  first, second = np.triu_indices(num_speakers, 1)
  edits = process.cpdist(
      strings[first].ravel().tolist(), strings[second].ravel().tolist(),
      scorer=Levenshtein.distance, dtype=np.min_scalar_type(num_symbols))
  spoken = np.maximum(language.message_lengths(codes), 1)
  longer = np.maximum(spoken[first], spoken[second])
  per_game = (edits.reshape(longer.shape) / longer).mean(axis=0)
  return per_game, float(per_game.mean())
