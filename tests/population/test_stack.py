"""Rows of a population."""

import jax
import jax.numpy as jnp
import numpy as np

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
  changed = stack.put(population, jnp.array([1, 4]), jax.tree.map(jnp.ones_like, rows))
  np.testing.assert_array_equal(changed["w"][1], 1)
  # Row 4 does not exist: nobody else is touched.
  for agent in (0, 2, 3):
    np.testing.assert_array_equal(changed["w"][agent], population["w"][agent])


def test_copy_has_buffers_of_its_own():
  population = _population(2)
  donate = jax.jit(lambda x: jax.tree.map(lambda y: y + 1, x), donate_argnums=0)
  twin = stack.copy(population)
  expected = np.asarray(population["w"])
  donate(population)
  np.testing.assert_array_equal(twin["w"], expected)


def test_keys_by_name_and_index():
  key = jax.random.PRNGKey(0)
  assert not np.array_equal(randomness.named(key, "a"), randomness.named(key, "b"))
  keys = randomness.each(key, jnp.arange(6))
  # The key of an example does not depend on which others are on the same device.
  np.testing.assert_array_equal(keys[4:], randomness.each(key, jnp.arange(4, 6)))
  assert len(np.unique(keys, axis=0)) == 6
