"""Entropies and use of the channel: values worked out by hand, degenerate languages, bounds."""

import hypothesis
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest

from socialized_learning.metrics import symbols

pytestmark = pytest.mark.filterwarnings("error")

# Messages 00 00 01 23: shares 1/2 1/4 1/4; symbols 0 five times, 1, 2 and 3 once each.
MESSAGES = np.array([[0, 0], [0, 0], [0, 1], [2, 3]])


def test_by_hand():
  assert symbols.message_entropy(MESSAGES) == pytest.approx(1.5)
  by_hand = 5 / 8 * np.log2(8 / 5) + 3 / 8 * 3
  assert symbols.symbol_entropy(MESSAGES) == pytest.approx(by_hand)
  np.testing.assert_allclose(
      symbols.position_entropies(MESSAGES), [2 - 0.75 * np.log2(3), 1.5])
  assert symbols.vocabulary_use(MESSAGES, 10) == 0.4
  assert symbols.distinct_messages(MESSAGES) == (3, 0.75)


def test_uniform_language():
  messages = np.arange(16).reshape(8, 2)
  assert symbols.message_entropy(messages) == pytest.approx(3)
  assert symbols.symbol_entropy(messages) == pytest.approx(4)
  assert symbols.vocabulary_use(messages, 16) == 1
  assert symbols.distinct_messages(messages) == (8, 1.0)


@pytest.mark.parametrize("num_items", [1, 6])
def test_constant_language(num_items):
  messages = np.full((num_items, 3), 7)
  for value in (symbols.message_entropy(messages), symbols.symbol_entropy(messages),
                *symbols.position_entropies(messages)):
    assert value == 0 and not np.signbit(value)
  assert symbols.vocabulary_use(messages, 20) == 0.05
  assert symbols.distinct_messages(messages) == (1, 1 / num_items)


def test_same_message_with_different_symbols():
  messages = np.array([[0, 1], [0, 1]])
  assert symbols.message_entropy(messages) == 0
  assert symbols.symbol_entropy(messages) == pytest.approx(1)
  np.testing.assert_array_equal(symbols.position_entropies(messages), [0, 0])


def test_lengths():
  messages = np.array([[0, 5, 6], [0, 7, 8], [1, 2, 9], [4, 4, 4]])
  lengths = [1, 1, 2, 0]
  # Spoken: 0, 0, 12 and nothing.
  assert symbols.message_entropy(messages, lengths) == pytest.approx(1.5)
  assert symbols.symbol_entropy(messages, lengths) == pytest.approx(1.5)
  np.testing.assert_allclose(
      symbols.position_entropies(messages, lengths), [np.log2(3) - 2 / 3, 0, np.nan])
  assert symbols.vocabulary_use(messages, 10, lengths) == 0.3
  assert symbols.distinct_messages(messages, lengths) == (3, 0.75)


def test_silent_language():
  messages, lengths = np.array([[1, 2], [3, 4]]), [0, 0]
  assert symbols.message_entropy(messages, lengths) == 0
  assert np.isnan(symbols.symbol_entropy(messages, lengths))
  assert np.isnan(symbols.position_entropies(messages, lengths)).all()
  assert symbols.vocabulary_use(messages, 5, lengths) == 0
  assert symbols.distinct_messages(messages, lengths) == (1, 0.5)


def test_what_is_not_spoken_is_not_looked_at():
  assert symbols.vocabulary_use([[1, 99], [2, -1]], 4, [1, 1]) == 0.5


@hypothesis.given(
    hnp.arrays(np.int64, st.tuples(st.integers(1, 9), st.integers(1, 5)),
               elements=st.integers(0, 4)),
    st.permutations(range(5)))
@hypothesis.settings(max_examples=60, deadline=None)
def test_bounds_and_names(messages, names):
  num_items, length = messages.shape
  message_entropy = symbols.message_entropy(messages)
  per_position = symbols.position_entropies(messages)
  assert 0 <= message_entropy <= np.log2(num_items) + 1e-9
  assert 0 <= symbols.symbol_entropy(messages) <= np.log2(5) + 1e-9
  # A message is at least as uncertain as each position and at most as all of them together, and
  # mixing the positions can only add to the uncertainty of a symbol.
  assert per_position.max() - 1e-9 <= message_entropy <= per_position.sum() + 1e-9
  assert per_position.mean() <= symbols.symbol_entropy(messages) + 1e-9
  renamed = np.array(names)[messages]
  assert symbols.message_entropy(renamed) == pytest.approx(message_entropy)
  assert symbols.symbol_entropy(renamed) == pytest.approx(symbols.symbol_entropy(messages))
  assert symbols.vocabulary_use(renamed, 5) == symbols.vocabulary_use(messages, 5)
  distinct = len({tuple(message) for message in messages.tolist()})
  assert symbols.distinct_messages(messages) == (distinct, distinct / num_items)


@pytest.mark.parametrize("messages", [[[0, 4]], [[-1, 0]]])
def test_symbol_outside_the_vocabulary(messages):
  with pytest.raises(ValueError, match=r"0\.\.3"):
    symbols.vocabulary_use(messages, 4)
