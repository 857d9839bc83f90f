"""Accuracy of several listeners: on average, and when they vote.

Shapes: L listeners, n games, C candidates; any number of leading axes, written `...`. Only array
methods are used, so numpy arrays and (traced) jax arrays both work.
"""

from typing import Any

Array = Any  # of numpy or of jax.numpy


def average_accuracy(probs: Array, correct: Array) -> Array:
  """Mean over listeners and games of [argmax_c p_lg(c) = correct_g], in 0..1.

  The "average" evaluation of Chaabouni et al. (2022), "Emergent Communication at Scale". Of equal
  candidates the first is chosen.

  Args:
    probs: [..., L, n, C] probabilities (or any scores).
    correct: [n] or [..., n] index of the right candidate.

  Returns:
    [...] accuracy.
  """
  _check_shapes(probs, correct)
  return (probs.argmax(-1) == correct[..., None, :]).mean((-2, -1))


def vote(probs: Array) -> Array:
  """The candidate of largest mean probability, argmax_c mean_l p_lg(c): [..., L, n, C] -> [..., n].

  Of equal candidates the first is chosen. Not the majority of the listeners' single answers.
  """
  return probs.mean(-3).argmax(-1)


def vote_accuracy(probs: Array, correct: Array) -> Array:
  """Mean over games of [vote_g = correct_g], in 0..1.

  The "vote" evaluation of Chaabouni et al. (2022), "Emergent Communication at Scale".

  Args:
    probs: [..., L, n, C] probabilities.
    correct: [n] or [..., n] index of the right candidate.

  Returns:
    [...] accuracy.
  """
  _check_shapes(probs, correct)
  return (vote(probs) == correct).mean(-1)


def _check_shapes(probs: Array, correct: Array) -> None:
  if probs.ndim < 3 or 0 in probs.shape:
    raise ValueError(f"probs must be [..., L, n, C] and not empty, got shape {probs.shape}")
  leading, num_games = probs.shape[:-3], probs.shape[-2]
  if correct.shape not in ((num_games,), (*leading, num_games)):
    raise ValueError(f"correct must be [..., n] with n = {num_games}, got shape {correct.shape}")
