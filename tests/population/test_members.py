"""Members of a population: mapped in either way, and paying only for what happens to them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.population import members


@pytest.mark.parametrize("over", [jax.vmap, members.over("loop", has_convolutions=False)])
def test_only_who_is_due_takes_the_branch(over):
  taken = []

  def one(due, old, own):
    def update(old):
      jax.debug.callback(lambda x: taken.append(float(x)), own.sum())
      total, count = old
      return total + own, count + 1

    return members.branch(due, update, old)

  due = jnp.asarray([True, False, True, False])
  own = jnp.arange(8.0).reshape(4, 2)
  old = (jnp.ones((4, 2)), jnp.arange(4))
  total, count = jax.jit(over(one))(due, old, own)
  jax.effects_barrier()
  np.testing.assert_array_equal(total, 1 + own * due[:, None])
  np.testing.assert_array_equal(count, [1, 1, 3, 3])
  assert sorted(taken) == [1, 9]


def test_branch_without_members():
  double = lambda x: 2 * x
  assert members.branch(True, double, 3.0) == 6 and members.branch(False, double, 3.0) == 3
