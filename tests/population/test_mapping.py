"""Members all at once or one by one: the same numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.population import mapping


def test_auto_goes_one_by_one_on_a_cpu_where_members_are_large():
  chosen = lambda batch, hidden_size: mapping.over_members(
      "auto", hidden_size=hidden_size, batch=batch)
  assert jax.default_backend() == "cpu"
  assert chosen(128, 64) is jax.vmap
  assert chosen(1024, 512) is not jax.vmap
  # 4 * 512 * 512 gates are 2**20.
  assert chosen(512, 512) is not jax.vmap and chosen(511, 512) is jax.vmap


def test_auto_is_all_at_once_on_an_accelerator(monkeypatch):
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  assert mapping.over_members("auto", hidden_size=512, batch=1024) is jax.vmap


@pytest.mark.parametrize("batch, hidden_size", [(128, 64), (1024, 512)])
def test_what_is_asked_for_is_what_is_done(batch, hidden_size):
  of = functools.partial(mapping.over_members, hidden_size=hidden_size, batch=batch)
  assert of("vmap") is jax.vmap
  assert of("map") is of("map") is not jax.vmap


def test_both_give_the_same_on_trees_and_several_arguments():
  def member(params, x, key):
    noise = jax.random.normal(key, x.shape)
    out = jnp.tanh(x @ params["w"] + params["b"])
    return {"out": out, "loss": (out**2).sum()}, (noise, x.astype(jnp.int32))

  random = np.random.default_rng(0)
  params = {"w": random.normal(size=(3, 4, 2)), "b": random.normal(size=(3, 2))}
  x, keys = 5 * random.normal(size=(3, 6, 4)), jax.random.split(jax.random.PRNGKey(0), 3)
  at_once, one_by_one = (jax.device_get(jax.jit(mapping.over_members(
      kind, hidden_size=1, batch=1)(member))(params, x, keys)) for kind in ("vmap", "map"))
  # Leaf by leaf, and of one structure.
  jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), one_by_one,
               at_once)
  assert one_by_one[0]["out"].shape == (3, 6, 2) and one_by_one[0]["loss"].shape == (3,)
  expected = np.tanh(x[1] @ params["w"][1] + params["b"][1])
  np.testing.assert_allclose(one_by_one[0]["out"][1], expected, rtol=1e-4, atol=1e-5)


def test_mappings_can_be_nested():
  over = mapping.over_members("map", hidden_size=1, batch=1)
  outer = jax.jit(over(lambda a, b: over(lambda a, b: 10 * a + b)(a, b)))
  np.testing.assert_array_equal(outer(np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]])),
                                [[15, 26], [37, 48]])
