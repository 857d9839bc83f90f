"""Edit distance between speakers: golden numbers, one speaker, properties."""

import hypothesis
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest

from socialized_learning.metrics import agreement
from socialized_learning.metrics import topographic

pytestmark = pytest.mark.filterwarnings("error")

MESSAGES = np.array([[[int(symbol) for symbol in message] for message in speaker.split()]
                     for speaker in ("0123 4410 2222 1010", "1234 4410 2202 0101",
                                     "0132 4104 2222 3344")])


def test_golden():
  per_game, mean = agreement.cross_speaker_edit_distance(MESSAGES)
  np.testing.assert_allclose(per_game, [7 / 12, 1 / 3, 1 / 6, 5 / 6], rtol=1e-12)
  assert mean == pytest.approx(0.479167, abs=2e-6)
  first, second = np.triu_indices(3, 1)
  hamming = (MESSAGES[first] != MESSAGES[second]).mean()
  assert hamming == pytest.approx(0.604167, abs=2e-6)


def test_one_speaker_is_undefined():
  per_game, mean = agreement.cross_speaker_edit_distance(MESSAGES[:1])
  assert per_game.shape == (4,) and np.isnan(per_game).all() and np.isnan(mean)


def test_constant_messages_agree():
  per_game, mean = agreement.cross_speaker_edit_distance(np.zeros((3, 2, 5), int))
  assert per_game.tolist() == [0, 0] and mean == 0


def test_lengths():
  messages = np.array([[[1, 2, 3], [1, 1, 1]], [[1, 9, 9], [2, 2, 2]]])
  per_game, mean = agreement.cross_speaker_edit_distance(messages, [[3, 0], [1, 0]])
  np.testing.assert_allclose(per_game, [2 / 3, 0])
  assert mean == pytest.approx(1 / 3)


@hypothesis.given(
    hnp.arrays(np.int64, st.tuples(st.integers(2, 4), st.integers(1, 4), st.integers(1, 5)),
               elements=st.integers(0, 3)),
    st.randoms(use_true_random=False))
@hypothesis.settings(max_examples=40, deadline=None)
def test_properties(messages, random):
  per_game, mean = agreement.cross_speaker_edit_distance(messages)
  assert per_game.min() >= 0 and per_game.max() <= 1
  assert mean == pytest.approx(per_game.mean())
  # One game is a set of S messages, so it must agree with the distances inside a set.
  for game, value in enumerate(per_game):
    assert value == pytest.approx(topographic.edit_distances(messages[:, game]).mean())
  speakers = random.sample(range(len(messages)), len(messages))
  names = np.array(random.sample(range(50), 4))
  np.testing.assert_allclose(
      agreement.cross_speaker_edit_distance(names[messages[speakers]])[0], per_game)


@pytest.mark.parametrize("shape", [(4, 3), (0, 2, 3), (2, 0, 3), (2, 3, 0)])
def test_bad_shape(shape):
  with pytest.raises(ValueError, match=r"\[S, n, T\]"):
    agreement.cross_speaker_edit_distance(np.zeros(shape, int))


def test_bad_lengths():
  with pytest.raises(ValueError, match="lengths must"):
    agreement.cross_speaker_edit_distance(MESSAGES, [4, 4, 4])
