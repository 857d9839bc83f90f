"""Accuracy of listeners on average and by vote: golden numbers, both array libraries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.metrics import ensembles

pytestmark = pytest.mark.filterwarnings("error")

PROBS = np.array([
    [[.40, .35, .15, .10], [.10, .20, .60, .10], [.30, .25, .25, .20], [.25, .25, .25, .25]],
    [[.40, .35, .15, .10], [.15, .75, .05, .05], [.05, .15, .45, .35], [.10, .20, .20, .50]],
    [[.05, .85, .05, .05], [.30, .25, .40, .05], [.20, .20, .35, .25], [.45, .15, .10, .30]]])
CORRECT = np.arange(4)


def test_golden():
  assert ensembles.average_accuracy(PROBS, CORRECT) == 0.5
  assert ensembles.vote_accuracy(PROBS, CORRECT) == 0.75
  assert ensembles.vote(PROBS).tolist() == [1, 1, 2, 3]


def test_vote_is_not_the_majority_of_answers():
  answers = PROBS.argmax(-1)
  majority = [np.bincount(column).argmax() for column in answers.T]
  assert majority == [0, 2, 2, 0]
  assert np.mean(majority == CORRECT) == 0.5


def test_vote_is_not_of_the_most_confident():
  probs = np.array([[[0.9, 0.1, 0.0]], [[0.0, 0.6, 0.4]], [[0.0, 0.6, 0.4]]])
  assert ensembles.vote(probs).tolist() == [1]


def test_correct_answer_first():
  first = np.zeros(4, int)
  assert ensembles.vote_accuracy(PROBS, first) == 0
  assert ensembles.average_accuracy(PROBS, first) == pytest.approx(5 / 12)


def test_single_listener_votes_for_its_answer():
  for listener in PROBS:
    assert (ensembles.vote_accuracy(listener[None], CORRECT)
            == ensembles.average_accuracy(listener[None], CORRECT)
            == np.mean(listener.argmax(-1) == CORRECT))


def test_ties_go_to_the_first():
  even = np.full((2, 3, 4), 0.25)
  assert ensembles.vote(even).tolist() == [0, 0, 0]
  assert ensembles.average_accuracy(even, np.array([0, 1, 0])) == pytest.approx(2 / 3)


def test_order_of_listeners_does_not_matter():
  for order in ([1, 2, 0], [2, 1, 0]):
    assert ensembles.vote_accuracy(PROBS[order], CORRECT) == 0.75
    assert ensembles.average_accuracy(PROBS[order], CORRECT) == 0.5


@pytest.mark.parametrize("function", [ensembles.average_accuracy, ensembles.vote_accuracy])
def test_leading_axes_equal_a_loop(function):
  generator = np.random.default_rng(0)
  probs = generator.dirichlet(np.ones(4), (2, 3, 5, 6))  # [2, 3, L, n, C]
  correct = generator.integers(0, 4, (2, 3, 6))
  looped = [[function(probs[i, j], correct[i, j]) for j in range(3)] for i in range(2)]
  np.testing.assert_allclose(function(probs, correct), looped)
  shared = [[function(probs[i, j], correct[0, 0]) for j in range(3)] for i in range(2)]
  np.testing.assert_allclose(function(probs, correct[0, 0]), shared)


@pytest.mark.parametrize("function", [ensembles.average_accuracy, ensembles.vote_accuracy])
def test_jitted_equals_numpy(function):
  jitted = jax.jit(function)(jnp.asarray(PROBS, jnp.float32), jnp.asarray(CORRECT))
  assert isinstance(jitted, jax.Array)
  np.testing.assert_allclose(jitted, function(PROBS, CORRECT))


@pytest.mark.parametrize("function", [ensembles.average_accuracy, ensembles.vote_accuracy])
@pytest.mark.parametrize("probs, correct", [
    (PROBS[0], CORRECT), (PROBS[:0], CORRECT), (PROBS, CORRECT[:3]), (PROBS, CORRECT[None]),
    (PROBS[None], np.zeros((2, 4), int))])
def test_bad_shapes(function, probs, correct):
  with pytest.raises(ValueError, match="must be"):
    function(probs, correct)
