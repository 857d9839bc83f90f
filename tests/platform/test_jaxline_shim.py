"""Jaxline's utilities on today's JAX."""

import types

import jax
import jax.numpy as jnp
from jaxline import utils
import numpy as np
import pytest

from socialized_learning.platform import jaxline_shim

_D = jax.local_device_count()


@pytest.fixture(autouse=True)
def _installed():
  jaxline_shim.install()


def test_says_what_is_still_needed():
  # When a line fails, JAX or Jaxline has changed: drop that part of the shim.
  missing = jaxline_shim.install()
  assert ("tree_map" in missing) == (not hasattr(jax, "tree_map"))
  assert ("device_put_sharded" in missing) == (not hasattr(jax, "device_put_sharded"))
  assert "get_first" in missing
  if _D > 1 and "device_put_sharded" in missing:
    replicated = jaxline_shim.bcast_local_devices(np.ones(3))[0]
    assert len(replicated.sharding.device_set) == _D, "x[0] stays on one device again"


def test_leaves_jax_alone_and_may_be_repeated():
  before = dict(vars(jax))
  jaxline_shim.install()
  namespace = utils.jax
  jaxline_shim.install()
  assert utils.jax is namespace
  assert vars(jax) == before
  assert utils.jax.tree_map is jax.tree_util.tree_map
  assert utils.jax.random is jax.random
  with pytest.raises(AttributeError):
    utils.jax.no_such_name  # pylint: disable=pointless-statement


def test_expires_where_jax_has_the_names(monkeypatch):
  whole = types.SimpleNamespace(**{name: len for name in ("tree_map", "device_put_sharded")})
  monkeypatch.setattr(jaxline_shim, "jax", whole)
  monkeypatch.setattr(utils, "jax", whole)
  monkeypatch.setattr(utils, "bcast_local_devices", len)
  assert jaxline_shim.install() == ("get_first",)
  assert utils.jax is whole and utils.bcast_local_devices is len


def test_bcast_and_get_first_are_inverse():
  tree = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "key": jax.random.PRNGKey(7), "n": 5}
  many = utils.bcast_local_devices(tree)
  assert jax.tree.map(np.shape, many) == {"a": (_D, 2, 3), "key": (_D, 2), "n": (_D,)}
  for device, shard in zip(jax.local_devices(), many["a"].addressable_shards):
    assert shard.device == device
    np.testing.assert_array_equal(shard.data[0], tree["a"])
  first = utils.get_first(many)
  jax.tree.map(np.testing.assert_array_equal, first, tree)
  assert first["a"].devices() == {jax.local_devices()[0]}


def test_bcast_shares_no_memory():
  source, on_device = np.zeros(4096, np.float32), jnp.zeros(4096)
  many, other = utils.bcast_local_devices((source, on_device))
  source += 1
  assert not np.asarray(many).any()
  jax.pmap(lambda x: x + 1, donate_argnums=0)(other)
  assert not on_device.is_deleted() and not np.asarray(on_device).any()


def test_bcast_does_not_make_pmap_compile_twice():
  traces = []
  step = jax.pmap(lambda x: traces.append(1) or x + 1, axis_name=jaxline_shim.DEVICE_AXIS)
  x = utils.bcast_local_devices(np.ones(3))
  for _ in range(3):
    x = step(x)
  assert len(traces) == 1


def test_get_first_of_anything_with_a_leading_axis():
  numpy, single = np.arange(6).reshape(3, 2), jnp.arange(6).reshape(3, 2)
  np.testing.assert_array_equal(utils.get_first(numpy), [0, 1])
  np.testing.assert_array_equal(utils.get_first(single), [0, 1])
  np.testing.assert_array_equal(jax.jit(utils.get_first)(single), [0, 1])
  mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()), ("x",))
  for spec in ((None, "x"), ("x", None), ()):
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*spec))
    square = jax.device_put(np.arange(_D * _D).reshape(_D, _D), sharding)
    np.testing.assert_array_equal(utils.get_first(square), np.arange(_D))


def test_double_buffer():
  batches = [{"x": np.full((_D, 2), i)} for i in range(3)]
  out = list(utils.double_buffer(batches))
  assert [int(batch["x"][0, 0]) for batch in out] == [0, 1, 2]
  assert all(len(batch["x"].sharding.device_set) == _D for batch in out)


def test_device_put_sharded_wants_a_shard_per_device():
  with pytest.raises(ValueError, match=f"1 shards for {_D + 1} devices"):
    jaxline_shim.device_put_sharded([1], jax.local_devices() + jax.local_devices()[:1])


def test_in_memory_checkpointer():
  config = types.SimpleNamespace(max_checkpoints_to_keep=1)
  checkpointer = utils.InMemoryCheckpointer(config, "train")
  checkpointer.get_experiment_state("shim").x = jnp.ones(2)
  checkpointer.save("shim")
  assert checkpointer.can_be_restored("shim")
