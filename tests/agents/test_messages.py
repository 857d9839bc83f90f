"""Messages that end: lengths, what is read, and the same for relaxed symbols."""

import haiku as hk
import hypothesis
from hypothesis.extra import numpy as hnp
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.agents import messages

_VOCAB = 4
# Ends at once, in the middle, at the last step, never; what follows an end has no meaning.
_MESSAGES = np.array([[0, 2, 0], [3, 0, 1], [1, 2, 0], [1, 3, 2]])
_LENGTHS = [0, 1, 2, 3]


def _one_hot(symbols):
  return np.eye(_VOCAB, dtype=np.float32)[symbols]


def _relaxed(*end_probabilities):
  """One relaxed message [1, T, 3] with these probabilities of the end symbol."""
  ends = np.array(end_probabilities, np.float32)
  return np.stack([ends, 0.25 * (1 - ends), 0.75 * (1 - ends)], axis=-1)[None]


def test_lengths_count_the_symbols_before_the_first_end():
  counted = messages.lengths(_MESSAGES)
  assert isinstance(counted, np.ndarray)
  assert counted.tolist() == _LENGTHS
  assert messages.lengths(_MESSAGES.reshape(2, 2, 3)).tolist() == [[0, 1], [2, 3]]


def test_lengths_of_jax_arrays_are_jax_arrays():
  counted = jax.jit(messages.lengths)(_MESSAGES)
  assert isinstance(counted, jax.Array) and jnp.issubdtype(counted.dtype, jnp.integer)
  assert counted.tolist() == _LENGTHS


def test_spoken_is_all_up_to_and_including_the_first_end():
  spoken = jax.jit(messages.spoken)(_MESSAGES)
  assert spoken.dtype == jnp.float32
  assert spoken.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]]


def test_whole_messages_are_read_at_their_end_or_else_at_the_last_step():
  weights = jax.jit(messages.reading_weights)(_MESSAGES)
  assert weights.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]


def test_relaxed_messages_are_read_where_they_end_and_the_last_step_takes_what_is_left():
  symbols = _relaxed(0.5, 0.2, 0.9)
  weights = jax.jit(messages.reading_weights)(symbols)
  # 0.5; (1 - 0.5) 0.2; what is left, (1 - 0.5) (1 - 0.2), whether it ends there or not.
  np.testing.assert_allclose(weights, [[0.5, 0.1, 0.4]], rtol=1e-6)


def test_expected_length_by_hand():
  # Length 0: 0.5; 1: 0.1; 2: 0.4 * 0.9 = 0.36; 3: 0.4 * 0.1 = 0.04. 0.1 + 0.72 + 0.12 = 0.94.
  expected = jax.jit(messages.expected_length)(_relaxed(0.5, 0.2, 0.9))
  np.testing.assert_allclose(expected, [0.94], rtol=1e-6)


_WHOLE_AND_ONE_HOT = jax.jit(lambda symbols, relaxed: {
    "weights": (messages.reading_weights(symbols), messages.reading_weights(relaxed)),
    "lengths": (messages.lengths(symbols), messages.expected_length(relaxed))})


@hypothesis.given(hnp.arrays(np.int32, (5, 4), elements=st.integers(0, _VOCAB - 1)))
@hypothesis.settings(max_examples=40, deadline=None)
def test_one_hot_symbols_are_read_like_whole_ones(symbols):
  found = jax.device_get(_WHOLE_AND_ONE_HOT(symbols, _one_hot(symbols)))
  for whole, relaxed in found.values():
    np.testing.assert_array_equal(whole, relaxed)
  weights = found["weights"][0]
  np.testing.assert_array_equal(weights.sum(axis=1), 1)
  # It is read at the last symbol that is spoken.
  np.testing.assert_array_equal(weights.argmax(axis=1), np.minimum(found["lengths"][0], 3))


_RELAXED = jax.jit(lambda symbols: (messages.reading_weights(symbols),
                                    messages.expected_length(symbols)))


@hypothesis.given(hnp.arrays(np.float32, (5, 4), elements=st.floats(0, 1, width=32)))
@hypothesis.settings(max_examples=40, deadline=None)
def test_weights_are_a_distribution_whatever_the_symbols(ends):
  symbols = np.stack([ends, 1 - ends], axis=-1)
  weights, expected_length = jax.device_get(_RELAXED(symbols))
  assert weights.min() >= 0
  np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
  # Read at step t + 1, it has length t; at the last step it may be one more, if it does not end.
  shortest = weights @ np.arange(4)
  np.testing.assert_allclose(expected_length, shortest + weights[:, -1] * (1 - ends[:, -1]),
                             rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rows", [_VOCAB, _VOCAB + 1])
def test_one_hot_symbols_are_embedded_like_whole_ones(rows):
  # A speaker's table has one row more than there are symbols: that of the start.
  init, apply = hk.without_apply_rng(hk.transform(
      lambda symbols: messages.embed(hk.Embed(rows, 3, name="table"), symbols)))
  params = jax.jit(init)(jax.random.PRNGKey(0), _MESSAGES)
  table = np.asarray(params["table"]["embeddings"])
  assert table.shape == (rows, 3)
  embed = jax.jit(apply)
  np.testing.assert_array_equal(embed(params, _MESSAGES), table[_MESSAGES])
  np.testing.assert_allclose(embed(params, _one_hot(_MESSAGES)), table[_MESSAGES], rtol=1e-6)
  mixed = np.array([[0.5, 0.0, 0.25, 0.25]], np.float32)
  expected = 0.5 * table[0] + 0.25 * table[2] + 0.25 * table[3]
  np.testing.assert_allclose(embed(params, mixed)[0], expected, rtol=1e-5, atol=1e-7)


def test_without_the_end_symbol_the_others_move_down():
  renamed = messages.without_end(_MESSAGES)
  for message, length, expected in zip(renamed, _LENGTHS, [[], [2], [0, 1], [0, 2, 1]],
                                       strict=True):
    assert message[:length].tolist() == expected
  assert renamed.min() == 0 and renamed.max() == _VOCAB - 2
