"""Disentanglement: small languages worked out on paper, degenerate ones, bounds, renaming."""

import itertools

import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest

from socialized_learning.metrics import disentanglement

pytestmark = pytest.mark.filterwarnings("error")

posdis = disentanglement.positional_disentanglement
bosdis = disentanglement.bag_of_symbols_disentanglement
independence = disentanglement.context_independence


def _all_items(*num_values):
  return np.array(list(itertools.product(*map(range, num_values))))


def _own_symbols(attributes):
  """Position a says attribute a, and no two attributes share a symbol."""
  return attributes + 10 * np.arange(attributes.shape[1])


class TestCompositional:

  @pytest.mark.parametrize("num_values", [(3, 3), (2, 2, 2), (4, 5)])
  def test_perfect_language(self, num_values):
    attributes = _all_items(*num_values)
    messages = _own_symbols(attributes)
    assert posdis(messages, attributes) == pytest.approx(1)
    assert bosdis(messages, attributes) == pytest.approx(1)
    assert independence(messages, attributes) == pytest.approx(1, abs=1e-6)
    share = 1 / len(num_values)**2
    assert independence(messages, attributes, align=False) == pytest.approx(share)
    np.testing.assert_allclose(
        disentanglement.mutual_information(messages, attributes),
        np.diag(np.log2(num_values)), atol=1e-12)
    np.testing.assert_allclose(
        disentanglement.mutual_information(messages, attributes, normalise=True),
        np.eye(len(num_values)), atol=1e-12)

  def test_shared_symbols_need_their_position(self):
    attributes = _all_items(3, 3)
    assert posdis(attributes, attributes) == pytest.approx(1)
    assert bosdis(attributes, attributes) == pytest.approx(0, abs=1e-12)
    # Symbol v says "first is v" and "second is v" alike: 1/2 each way.
    assert independence(attributes, attributes) == pytest.approx(1 / 2, abs=1e-3)

  def test_free_order_needs_its_own_symbols(self):
    attributes = _all_items(2, 2)
    messages = np.array([[0, 10], [11, 0], [10, 1], [1, 11]])
    # Each position tells both attributes whole: H = 2 bits, I = 1 bit of either.
    assert posdis(messages, attributes) == pytest.approx(0, abs=1e-12)
    assert bosdis(messages, attributes) == pytest.approx(1)
    assert independence(messages, attributes) == pytest.approx(1, abs=1e-6)

  def test_silent_position_is_left_out(self):
    attributes = _all_items(3, 3)
    messages = np.insert(_own_symbols(attributes), 1, 99, axis=1)
    assert posdis(messages, attributes) == pytest.approx(1)
    assert bosdis(messages, attributes) == pytest.approx(1)


class TestByHand:

  # Items (a, b) = 00 01 10 11; said: 0 0 1 2, so that b is only told where a = 1.
  ATTRIBUTES = _all_items(2, 2)
  MESSAGES = np.array([[0], [0], [1], [2]])

  def test_mutual_information(self):
    # H(s) = 1.5; s tells a, 1 bit, and b in half of the cases, H(b) - H(b|s) = 1 - 1/2.
    np.testing.assert_allclose(
        disentanglement.mutual_information(self.MESSAGES, self.ATTRIBUTES), [[1, 0.5]])
    np.testing.assert_allclose(
        disentanglement.mutual_information(self.MESSAGES, self.ATTRIBUTES, normalise=True),
        [[1, 0.5]])

  def test_posdis(self):
    assert posdis(self.MESSAGES, self.ATTRIBUTES) == pytest.approx((1 - 0.5) / 1.5)

  def test_bosdis(self):
    # Symbol 0 tells a and nothing of b; symbols 1 and 2 tell as much of a as of b.
    assert bosdis(self.MESSAGES, self.ATTRIBUTES) == pytest.approx(1 / 3)

  def test_bosdis_counts_repetitions(self):
    # Symbol 0 is said 0 or 2 times by a; symbol 1 by what is left.
    messages = np.array([[0, 0], [0, 0], [1, 1], [1, 1]])
    assert bosdis(messages, self.ATTRIBUTES) == pytest.approx(1)
    # Now the counts of both symbols (2,0) (1,1) (1,1) (0,2) tell half a bit of either attribute.
    messages = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    assert bosdis(messages, self.ATTRIBUTES) == pytest.approx(0, abs=1e-12)

  def test_context_independence(self):
    # One attribute, one symbol: alignment is certain. p(0|c0) = 2/3, p(c0|0) = 1; p(1|c1) = 1,
    # p(c1|1) = 3/4.
    attributes = np.array([[0], [0], [0], [1], [1], [1]])
    messages = np.array([[0], [0], [1], [1], [1], [1]])
    for align in (True, False):
      value = independence(messages, attributes, align=align)
      assert value == pytest.approx((2 / 3 + 3 / 4) / 2)

  def test_context_independence_of_synonyms(self):
    # Both symbols of c0 are equally frequent, but only the second is its own.
    attributes = np.array([[0], [0], [1], [1]])
    for one, two in ((0, 1), (1, 0)):
      messages = np.array([[one], [two], [one], [one]])
      # c0: p(two|c0) = 1/2, p(c0|two) = 1; c1: p(one|c1) = 1, p(c1|one) = 2/3.
      assert independence(messages, attributes) == pytest.approx((1 / 2 + 2 / 3) / 2)

  def test_alignment_agrees_with_plain_loops(self):
    generator = np.random.default_rng(0)
    source = generator.integers(0, 3, (12, 3)).astype(float)
    target = generator.integers(0, 3, (12, 4)).astype(float)
    source[:, 0] += 1
    target[:, 0] += 1
    table = np.full((3, 4), 0.25)
    for _ in range(100):
      expected = np.zeros((3, 4))
      for i, u, w in np.ndindex(12, 3, 4):
        expected[u, w] += target[i, w] * source[i, u] * table[u, w] / (source[i] @ table[:, w])
      table = expected / expected.sum(1, keepdims=True)
    np.testing.assert_allclose(
        disentanglement._translation_table(source, target), table, atol=1e-12)


class TestOneVaryingAttribute:

  @pytest.mark.parametrize("attributes", [
      [[0, 0], [1, 0]], [[0, 0], [0, 1]], [[5, 0, 7], [5, 1, 7]]])
  def test_the_second_attribute_is_told_nothing_of(self, attributes):
    assert posdis([[0], [1]], attributes) == pytest.approx(1)
    assert bosdis([[0], [1]], attributes) == pytest.approx(1)

  def test_what_is_said_beside_the_attribute_counts_against_it(self):
    # The first position tells a (1 of its 1 bit), the second, of 2 bits, tells it too: 1/2.
    messages = np.array([[0, 2], [1, 3], [0, 4], [1, 5]])
    attributes = np.array([[0, 9], [1, 9], [0, 9], [1, 9]])
    assert posdis(messages, attributes) == pytest.approx((1 + 1 / 2) / 2)
    # Symbols 0 and 1 tell a; each of 2 to 5 occurs once in four: H(1/4), I = H(1/4) - 1/2.
    entropy = -(1 / 4) * np.log2(1 / 4) - (3 / 4) * np.log2(3 / 4)
    assert bosdis(messages, attributes) == pytest.approx(
        (2 + 4 * (entropy - 1 / 2) / entropy) / 6)


class TestLengths:

  def test_silence_is_one_more_symbol(self):
    # The second position is said only where a = 1: length alone tells a.
    attributes = _all_items(2, 2)
    messages = np.array([[0, 5], [1, 6], [0, 7], [1, 7]])
    lengths = [1, 1, 2, 2]
    np.testing.assert_allclose(
        disentanglement.mutual_information(messages, attributes, lengths), [[0, 1], [1, 0]],
        atol=1e-12)
    assert posdis(messages, attributes, lengths) == pytest.approx(1)
    assert bosdis(messages, attributes, lengths) == pytest.approx(1)

  def test_empty_messages_have_no_part_in_context_independence(self):
    attributes = np.array([[0], [1], [2]])
    messages = np.array([[4], [5], [4]])
    assert independence(messages, attributes, [1, 1, 0]) == pytest.approx(1)
    assert np.isnan(independence(messages, attributes, [0, 0, 0]))
    assert np.isnan(independence(messages, attributes, [1, 0, 0]))


class TestUndefined:

  @pytest.mark.parametrize("num_items", [1, 9])
  def test_constant_language(self, num_items):
    attributes = _all_items(3, 3)[:num_items]
    messages = np.full((num_items, 4), 2)
    assert np.isnan(posdis(messages, attributes))
    assert np.isnan(bosdis(messages, attributes))
    np.testing.assert_array_equal(
        disentanglement.mutual_information(messages, attributes), np.zeros((4, 2)))

  def test_constant_language_has_context_independence_of_chance(self):
    attributes = _all_items(3, 3)
    for align in (True, False):
      assert independence(np.full((9, 4), 2), attributes, align=align) == pytest.approx(1 / 6)

  @pytest.mark.parametrize("attributes", [np.zeros((4, 2), int), np.arange(4)[:, None]])
  def test_gap_needs_two_attributes_of_which_one_varies(self, attributes):
    messages = np.arange(8).reshape(4, 2)
    assert np.isnan(posdis(messages, attributes))
    assert np.isnan(bosdis(messages, attributes))

  def test_constant_attributes(self):
    messages = np.arange(8).reshape(4, 2)
    attributes = np.array([[0, 5], [0, 6], [0, 7], [0, 8]])
    assert np.isnan(independence(messages, attributes[:, :1]))
    shares = disentanglement.mutual_information(messages, attributes, normalise=True)
    np.testing.assert_allclose(shares, [[np.nan, 1], [np.nan, 1]])

  def test_silent_language(self):
    messages, attributes, lengths = np.arange(18).reshape(9, 2), _all_items(3, 3), [0] * 9
    for function in (posdis, bosdis, independence):
      assert np.isnan(function(messages, attributes, lengths))

  def test_one_item(self):
    assert np.isnan(independence([[1, 2]], [[0, 1]]))


@hypothesis.given(st.integers(0, 2**32 - 1), st.booleans())
@hypothesis.settings(max_examples=30, deadline=None)
def test_bounds_and_names(seed, ragged):
  generator = np.random.default_rng(seed)
  messages = generator.integers(0, 4, (15, 3))
  attributes = generator.integers(0, 3, (15, 2))
  lengths = generator.integers(0, 4, 15) if ragged else None
  names, values = generator.permutation(4) * 7 - 3, generator.permutation(3)
  order = generator.permutation(15)
  for function in (posdis, bosdis, independence):
    value = function(messages, attributes, lengths)
    assert np.isnan(value) or -1e-9 <= value <= 1 + 1e-9
    renamed = function(names[messages][order], values[attributes][order],
                       None if lengths is None else lengths[order])
    np.testing.assert_allclose(renamed, value, atol=1e-6)
  information = disentanglement.mutual_information(messages, attributes, lengths)
  assert information.min() >= 0 and information.max() <= np.log2(3) + 1e-9
  np.testing.assert_allclose(
      disentanglement.mutual_information(attributes, messages),
      disentanglement.mutual_information(messages, attributes).T, atol=1e-12)


@pytest.mark.parametrize("function", [
    posdis, bosdis, independence, disentanglement.mutual_information])
class TestDoor:

  def test_number_of_items(self, function):
    with pytest.raises(ValueError, match="4 messages but attributes of 3 items"):
      function(np.zeros((4, 2), int), np.zeros((3, 2), int))

  def test_bad_arrays(self, function):
    with pytest.raises(ValueError, match="messages must be"):
      function(np.zeros(4, int), np.zeros((4, 2), int))
    with pytest.raises(ValueError, match="attributes must be"):
      function(np.zeros((4, 2), int), np.zeros(4, int))
    with pytest.raises(ValueError, match="lengths must"):
      function(np.zeros((4, 2), int), np.zeros((4, 2), int), [1, 2])
