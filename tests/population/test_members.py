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


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("over", [jax.vmap, members.over("loop", has_convolutions=False)])
def test_what_is_closed_over_may_be_anything(over):
  # Keys, integers and booleans have no gradient; a scale is the same for all members; a table is known.
  table = np.arange(12, dtype=np.int32).reshape(3, 4)

  def change(old, key, index, is_odd, scale):
    noise = jax.random.uniform(key, old["x"].shape)
    return {"x": jnp.where(is_odd, scale * noise, old["x"]) + jnp.asarray(table)[index],
            "index": old["index"] + index}

  def all_members(keys, index, due, scale):
    def one(key, index, due):
      old = {"x": jnp.ones(4), "index": jnp.int32(7)}
      return members.branch(due, lambda old: change(old, key, index, index % 2 == 1, scale), old)

    return over(one)(keys, index, due)

  keys, index = members.keys(jax.random.PRNGKey(0), 3), jnp.arange(3)
  due, scale = jnp.asarray([True, True, False]), jnp.float32(2)  # Exact, in whatever order.
  found = jax.jit(all_members)(keys, index, due, scale)
  for i in range(3):
    old = {"x": jnp.ones(4), "index": jnp.int32(7)}
    expected = change(old, keys[i], index[i], index[i] % 2 == 1, scale) if due[i] else old
    jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda x, i=i: x[i], found), expected)


def test_branch_without_members():
  double = lambda x: 2 * x
  assert members.branch(True, double, 3.0) == 6 and members.branch(False, double, 3.0) == 3
