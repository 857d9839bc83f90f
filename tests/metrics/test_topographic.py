"""Topographic similarity: golden numbers, degenerate sets, properties of the distances."""

import hypothesis
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from socialized_learning.metrics import topographic

pytestmark = pytest.mark.filterwarnings("error")

MESSAGES = np.array([[int(symbol) for symbol in message] for message in
                     "0123 1230 0120 0133 2210 2101 0023 1230".split()])
EDITS = [2, 1, 1, 4, 3, 1, 2, 2, 3, 2, 3, 3, 0, 2, 3, 3, 2, 2, 4, 3, 2, 3, 2, 4, 2, 4, 3, 3]
ATTRIBUTES = np.array([[0, 1, 0, 0, 2, 2, 0, 1], [0, 1, 1, 0, 1, 0, 1, 0],
                       [0, 1, 2, 3, 0, 1, 2, 3]]).T
MISMATCHES = [3, 2, 1, 2, 2, 2, 2, 2, 3, 2, 2, 2, 2, 2, 2, 3, 0, 3, 3, 2, 2, 1, 2, 2, 3, 3, 2, 3]


def _inputs():
  n, d = np.arange(8)[:, None], np.arange(6)
  return np.sin(0.9 * n + 0.35 * d + 0.05 * d * (n + 1))


def _levenshtein(first, second):
  """The textbook recurrence, one row at a time."""
  row = list(range(len(second) + 1))
  for i, a in enumerate(first, 1):
    previous, row = row, [i]
    for j, b in enumerate(second, 1):
      row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (a != b)))
  return row[-1]


class TestGolden:

  def test_edit_distances(self):
    edits = topographic.edit_distances(MESSAGES, normalise=False)
    assert edits.tolist() == EDITS
    assert np.bincount(edits).tolist() == [1, 3, 10, 10, 4]
    np.testing.assert_array_equal(topographic.edit_distances(MESSAGES), np.array(EDITS) / 4)

  def test_input_distances(self):
    inputs = _inputs()
    np.testing.assert_allclose(inputs.sum(), 5.721674, atol=2e-6)
    distances = topographic.input_distances(inputs)
    np.testing.assert_allclose(
        distances[:4], [0.665240, 2.684997, 3.908369, 3.170977], atol=2e-6)
    np.testing.assert_allclose(distances.sum(), 61.628184, atol=2e-6)

  def test_attribute_distances(self):
    distances = topographic.attribute_distances(ATTRIBUTES)
    np.testing.assert_allclose(distances, np.array(MISMATCHES) * 2 / 3, rtol=1e-15)
    assert len(np.unique(distances)) == 4

  def test_attribute_mismatches_are_whole(self):
    attributes = np.zeros((2, 49), int)  # 1/49 * 49 is not 1 in floating point
    attributes[1, 0] = 1
    assert topographic.attribute_distances(attributes).tolist() == [2 / 49]
    assert topographic.attribute_distances([[2**62], [2**62 + 1]]).tolist() == [2]

  def test_similarity_to_inputs(self):
    value = topographic.topographic_similarity(MESSAGES, topographic.input_distances(_inputs()))
    assert value == pytest.approx(280 / np.sqrt(1655 * 1827), abs=1e-9)
    assert value == pytest.approx(0.161023684, abs=1e-9)

  def test_similarity_to_attributes(self):
    value = topographic.topographic_similarity(
        MESSAGES, topographic.attribute_distances(ATTRIBUTES))
    assert value == pytest.approx(416.75 / np.sqrt(1655 * 1376.5), abs=1e-9)
    assert value == pytest.approx(0.276114047, abs=1e-9)

  def test_is_not_any_of_its_lookalikes(self):
    edits = topographic.edit_distances(MESSAGES)
    inputs = topographic.input_distances(_inputs())
    attributes = topographic.attribute_distances(ATTRIBUTES)
    value = topographic.topographic_similarity(MESSAGES, inputs)
    ordinal = [stats.rankdata(side, "ordinal") for side in (edits, inputs)]
    lookalikes = {
        "pearson": (stats.pearsonr(edits, inputs).statistic, 0.141846),
        "hamming": (topographic.rank_correlation(
            distance.pdist(MESSAGES, "hamming"), inputs), -0.143303),
        "unnormalised": (topographic.rank_correlation(
            edits, distance.pdist(_inputs(), "euclidean")), 0.148372),
        "ordinal ranks": (stats.pearsonr(*ordinal).statistic, 0.199234),
    }
    for name, (lookalike, published) in lookalikes.items():
      assert lookalike == pytest.approx(published, abs=2e-6), name
      assert abs(value - lookalike) > 0.01, name
    pearson = stats.pearsonr(edits, attributes).statistic
    assert pearson == pytest.approx(0.270268, abs=2e-6)
    assert abs(topographic.topographic_similarity(MESSAGES, attributes) - pearson) > 0.005


class TestDegenerate:

  def test_equal_messages(self):
    distances = topographic.input_distances(_inputs())
    assert np.isnan(topographic.topographic_similarity(np.zeros((8, 4), int), distances))

  @pytest.mark.parametrize("meanings", [
      topographic.input_distances(np.ones((8, 6))),
      topographic.attribute_distances(np.ones((8, 3), int))])
  def test_equal_meanings(self, meanings):
    assert not meanings.any()
    assert np.isnan(topographic.topographic_similarity(MESSAGES, meanings))

  @pytest.mark.parametrize("num_items", [1, 2])
  def test_too_few_items(self, num_items):
    inputs = topographic.input_distances(_inputs()[:num_items])
    attributes = topographic.attribute_distances(ATTRIBUTES[:num_items])
    assert len(inputs) == len(attributes) == num_items - 1
    assert np.isnan(topographic.topographic_similarity(MESSAGES[:num_items], inputs))

  def test_undefined_meaning_gives_undefined(self):
    assert np.isnan(topographic.rank_correlation([1, 2, np.nan], [1, 2, 3]))

  def test_zero_vectors_and_extreme_scales(self):
    inputs = [[1e300, 1e300], [1e-300, 1e-300], [0, 0], [0, 0], [-3, -3]]
    np.testing.assert_allclose(
        topographic.input_distances(inputs), [0, 1, 1, 4, 1, 1, 4, 0, 1, 1], atol=1e-12)

  def test_repeated_inputs_tie_exactly(self):
    generator = np.random.default_rng(0)
    inputs = np.repeat(generator.normal(size=(9, 33)), 2, axis=0)
    distances = distance.squareform(topographic.input_distances(inputs))
    np.testing.assert_array_equal(distances[0::2], distances[1::2])

  def test_one_hot_inputs_rank_as_attributes(self):
    attributes = np.random.default_rng(0).integers(0, 3, (40, 7))
    one_hot = np.eye(3)[attributes].reshape(40, -1)
    np.testing.assert_array_equal(
        stats.rankdata(topographic.input_distances(one_hot)),
        stats.rankdata(topographic.attribute_distances(attributes)))


class TestSummariseDefined:

  def test_counts_and_leaves_out_the_undefined(self):
    assert topographic.summarise_defined([0.25, np.nan, 0.75]) == (0.5, 1)
    assert topographic.summarise_defined([[0.0], [0.0]]) == (0.0, 0)

  def test_nothing_defined(self):
    mean, num_undefined = topographic.summarise_defined([np.nan, np.nan])
    assert np.isnan(mean) and num_undefined == 2
    mean, num_undefined = topographic.summarise_defined([])
    assert np.isnan(mean) and num_undefined == 0


class TestLengths:

  def test_longer_message_normalises(self):
    messages = [[1, 2, 3, 4], [1, 2, 9, 9], [9, 9, 9, 9], [7, 7, 7, 7]]
    lengths = [4, 2, 0, 0]
    np.testing.assert_array_equal(
        topographic.edit_distances(messages, lengths), [0.5, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(
        topographic.edit_distances(messages, lengths, normalise=False), [2, 4, 4, 2, 2, 0])

  def test_full_lengths_change_nothing(self):
    np.testing.assert_array_equal(
        topographic.edit_distances(MESSAGES, [4] * 8), topographic.edit_distances(MESSAGES))

  def test_long_messages_do_not_overflow(self):
    messages = np.repeat([[0], [1]], 300, axis=1)
    assert topographic.edit_distances(messages, normalise=False).tolist() == [300]

  def test_similarity_takes_lengths(self):
    lengths = [4, 3, 2, 1, 4, 3, 2, 1]
    attributes = topographic.attribute_distances(ATTRIBUTES)
    value = topographic.topographic_similarity(MESSAGES, attributes, lengths)
    assert value == topographic.rank_correlation(
        topographic.edit_distances(MESSAGES, lengths), attributes)
    assert value != topographic.topographic_similarity(MESSAGES, attributes)


@st.composite
def _languages(draw):
  shape = draw(st.tuples(st.integers(1, 8), st.integers(1, 6)))
  messages = draw(hnp.arrays(np.int32, shape, elements=st.integers(-2, 4)))
  lengths = draw(st.none() | hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1])))
  return messages, lengths


class TestProperties:

  @hypothesis.given(_languages())
  @hypothesis.settings(max_examples=60, deadline=None)
  def test_agrees_with_the_textbook(self, drawn):
    messages, lengths = drawn
    ends = np.full(len(messages), messages.shape[1]) if lengths is None else lengths
    spoken = [message[:end].tolist() for message, end in zip(messages, ends)]
    pairs = [(a, b) for i, a in enumerate(spoken) for b in spoken[i + 1:]]
    edits = np.array([_levenshtein(a, b) for a, b in pairs], int)
    longer = np.array([max(len(a), len(b), 1) for a, b in pairs], int)
    np.testing.assert_array_equal(
        topographic.edit_distances(messages, lengths, normalise=False), edits)
    np.testing.assert_array_equal(topographic.edit_distances(messages, lengths), edits / longer)

  @hypothesis.given(_languages(), st.permutations(range(7)))
  @hypothesis.settings(max_examples=40, deadline=None)
  def test_names_of_symbols_do_not_matter(self, drawn, names):
    messages, lengths = drawn
    renamed = np.array(names)[messages + 2] * 1000
    np.testing.assert_array_equal(topographic.edit_distances(renamed, lengths),
                                  topographic.edit_distances(messages, lengths))

  @hypothesis.given(_languages())
  @hypothesis.settings(max_examples=40, deadline=None)
  def test_distances_are_symmetric_and_bounded(self, drawn):
    messages, lengths = drawn
    forward = distance.squareform(topographic.edit_distances(messages, lengths))
    backward = distance.squareform(topographic.edit_distances(
        messages[::-1], None if lengths is None else lengths[::-1]))
    np.testing.assert_array_equal(forward, backward[::-1, ::-1])
    assert forward.min() >= 0 and forward.max() <= 1

  @hypothesis.given(st.integers(0, 2**32 - 1))
  @hypothesis.settings(max_examples=20, deadline=None)
  def test_similarity_is_symmetric_bounded_and_blind_to_item_order(self, seed):
    generator = np.random.default_rng(seed)
    messages = generator.integers(0, 3, (12, 4))
    attributes = generator.integers(0, 3, (12, 2))
    first = topographic.edit_distances(messages)
    second = topographic.attribute_distances(attributes)
    value = topographic.topographic_similarity(messages, second)
    assert -1 <= value <= 1
    assert topographic.rank_correlation(second, first) == pytest.approx(value, abs=1e-12)
    order = generator.permutation(12)
    shuffled = topographic.topographic_similarity(
        messages[order], topographic.attribute_distances(attributes[order]))
    assert shuffled == pytest.approx(value, abs=1e-12)

  def test_compositional_language_is_similar(self):
    attributes = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    value = topographic.topographic_similarity(
        attributes + 5, topographic.attribute_distances(attributes))
    assert value > 0.9
    assert topographic.rank_correlation([1, 2, 3], [2, 4, 9]) == pytest.approx(1)


class TestDoor:

  @pytest.mark.parametrize("messages", [
      np.zeros(4, int), np.zeros((0, 4), int), np.zeros((4, 0), int), np.zeros((2, 3, 4), int),
      np.zeros((4, 3))])
  def test_bad_messages(self, messages):
    with pytest.raises(ValueError, match="messages must be"):
      topographic.edit_distances(messages)

  @pytest.mark.parametrize("lengths", [[1, 2], [[1, 2, 3]], [1, 2, 5], [1, 2, -1], [1.0, 2.0, 3.0]])
  def test_bad_lengths(self, lengths):
    with pytest.raises(ValueError, match="lengths must"):
      topographic.edit_distances(np.zeros((3, 4), int), lengths)

  def test_bad_meanings(self):
    with pytest.raises(ValueError, match="8 messages need 28"):
      topographic.topographic_similarity(MESSAGES, np.zeros(27))
    with pytest.raises(ValueError, match="one length"):
      topographic.rank_correlation([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="inputs must be"):
      topographic.input_distances(np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
      topographic.input_distances([[1.0, np.nan]])
    with pytest.raises(ValueError, match="attributes must be"):
      topographic.attribute_distances([1, 2, 3])
    with pytest.raises(ValueError, match="integers or booleans"):
      topographic.attribute_distances([[0.5]])
