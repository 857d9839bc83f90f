"""Rows of a population."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.population import randomness
from socialized_learning.population import stack


def _population(size):
  init = lambda key: {"w": jax.random.normal(key, (2, 3)), "b": jnp.zeros(())}
  return stack.stack_init(init, jax.random.PRNGKey(7), size)


def test_an_agent_is_the_same_in_a_population_of_any_size():
  small, large = _population(2), _population(5)
  np.testing.assert_array_equal(small["w"], large["w"][:2])
  assert len(np.unique(large["w"][:, 0, 0])) == 5
  assert stack.size(large) == 5


def test_take_and_put():
  population = _population(4)
  rows = stack.take(population, jnp.array([3, 1]))
  np.testing.assert_array_equal(rows["w"], population["w"][jnp.array([3, 1])])
  ones = jax.tree.map(jnp.ones_like, population)
  changed = stack.put(population, jnp.array([1, 3]), stack.take(ones, jnp.array([0, 1])))
  chosen = jnp.array([False, True, False, True])
  for made in (changed, stack.where(chosen, ones, population)):
    for agent in range(4):
      expected = 1 if chosen[agent] else population["w"][agent]
      np.testing.assert_array_equal(made["w"][agent], np.broadcast_to(expected, (2, 3)))


def test_copy_has_buffers_of_its_own():
  population = _population(2)
  donate = jax.jit(lambda x: jax.tree.map(lambda y: y + 1, x), donate_argnums=0)
  twin = stack.copy(population)
  expected = np.asarray(population["w"])
  donate(population)
  np.testing.assert_array_equal(twin["w"], expected)


def test_scores_do_not_depend_on_how_often_an_agent_was_met():
  # (accuracy, number of batches): the biased averages are 0.109, 0.166 and 0.020.
  met = ((0.6, 20), (0.5, 40), (1.0, 2))
  score = stack.Score(
      jnp.array([accuracy * (1 - 0.99**count) for accuracy, count in met] + [0.0]),
      jnp.array([count for _, count in met] + [0]))
  np.testing.assert_allclose(score.value, [0.109256, 0.165514, 0.0199, 0], atol=2e-6)
  np.testing.assert_allclose(stack.scores_of(score, kind="ema", decay=0.99), [0.6, 0.5, 1, 0], rtol=1e-5)
  np.testing.assert_array_equal(stack.scores_of(score, kind="mean", decay=0.99), score.value)


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_the_first_accuracy_is_the_first_score(decay):
  score = stack.initial_score(2)
  for accuracy in (0.3, 0.3):
    score = stack.update_score(score, jnp.array([accuracy, 0.7]), kind="ema", decay=decay)
    np.testing.assert_allclose(stack.scores_of(score, kind="ema", decay=decay), [0.3, 0.7], rtol=1e-4)


def test_keys_by_name_and_index():
  key = jax.random.PRNGKey(0)
  assert not np.array_equal(randomness.named(key, "a"), randomness.named(key, "b"))
  keys = randomness.each(key, jnp.arange(6))
  # The key of an example does not depend on which others are on the same device.
  np.testing.assert_array_equal(keys[4:], randomness.each(key, jnp.arange(4, 6)))
  assert len(np.unique(keys, axis=0)) == 6
