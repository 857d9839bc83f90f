"""The only place where programs and arrays are laid out on devices; several updates in one call."""

import ast
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.population import devices

_AXIS = "devices"
_ROOM = 4


def _update(state, batch, constants):
  """Adds what each of the devices brings, and says what it has brought."""
  brought = batch["x"].sum() * constants
  return state + jax.lax.psum(brought, _AXIS), {"brought": brought, "each": batch["x"]}


def _arguments(room=_ROOM):
  x = np.arange(room * 8, dtype=np.float32).reshape(room, 8)
  replicate = lambda x: devices.replicate(x, axis_name=_AXIS)
  return replicate(jnp.float32(1)), devices.split({"x": x}), replicate(jnp.float32(2)), x


def test_trees_without_arrays_are_as_they_were():
  # Of several processes `pmap` refuses them.
  tree = {"cache": {}, "none": None}
  assert devices.replicate(tree, axis_name=_AXIS) is tree


def test_first_copies():
  each = devices.split(np.arange(16).reshape(1, 8, 2))
  tree = {"each": jax.pmap(lambda x: x, axis_name=_AXIS)(each)}
  for first in (devices.first(tree), devices.first_on_host(tree)):
    np.testing.assert_array_equal(first["each"], each[0])
  assert isinstance(devices.first_on_host(tree)["each"], np.ndarray)


def test_each_device_sees_its_part_and_its_state_is_donated():
  state, batches, constants, x = _arguments(room=1)
  call = devices.on_each_device(_update, axis_name=_AXIS)
  moved, metrics = call(state, batches, constants)
  np.testing.assert_array_equal(moved, np.full(jax.local_device_count(), 1 + 2 * x.sum()))
  np.testing.assert_array_equal(metrics["each"], batches["x"])
  assert state.is_deleted() and not constants.is_deleted()


def test_no_other_module_uses_pmap():
  root = pathlib.Path(__file__).parents[2]
  modules = [path for folder in ("socialized_learning", "emcom_datasets", "benchmarks", "studies")
             for path in (root / folder).rglob("*.py")]
  using = [str(path.relative_to(root)) for path in modules
           if {"pmap", "shard_map"} & {getattr(node, "attr", getattr(node, "name", None))
                                       for node in ast.walk(ast.parse(path.read_text("utf-8")))}]
  assert using == ["socialized_learning/population/devices.py"]


@pytest.mark.parametrize("num_updates", [1, 3, 4])
def test_a_call_makes_so_many_updates_and_no_more(num_updates):
  state, batches, constants, x = _arguments()
  state, metrics = devices.fuse(_update, axis_name=_AXIS)(
      state, batches, constants, np.int32(num_updates))
  num_devices = jax.local_device_count()
  np.testing.assert_array_equal(state, np.full(num_devices, 1 + 2 * x[:num_updates].sum()))
  made = np.arange(_ROOM) < num_updates
  each = x.reshape(_ROOM, num_devices, -1).swapaxes(0, 1) * made[None, :, None]
  np.testing.assert_array_equal(metrics["each"], each)
  np.testing.assert_array_equal(metrics["brought"], 2 * each.sum(axis=-1))


def test_without_a_loop_it_is_one_update():
  state, batches, constants, x = _arguments(room=1)
  state, metrics = devices.fuse(_update, axis_name=_AXIS, loops=False)(
      state, batches, constants, np.int32(1))
  assert state[0] == 1 + 2 * x.sum()
  assert metrics["brought"].shape == (jax.local_device_count(), 1)


@pytest.mark.parametrize("room", [1, 4])
def test_the_loop_stays_whatever_it_has_room_for(room):
  # XLA makes straight code of a loop that is known to be run once, and then adds up in another
  # order: a run that is cut otherwise into calls would learn something else.
  call = devices.fuse(_update, axis_name=_AXIS)
  arguments = _arguments(room)[:3]
  assert "while(" in call.lower(*arguments, np.int32(1)).compile().as_text()


def test_an_update_is_traced_once():
  traced = []

  def update(*arguments):
    traced.append(1)
    return _update(*arguments)

  devices.fuse(update, axis_name=_AXIS)(*_arguments()[:3], np.int32(2))
  assert len(traced) == 1
