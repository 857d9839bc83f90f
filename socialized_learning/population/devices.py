"""The one place that lays work out on devices: replicated state, split batches, `pmap`, `scan`.

Shapes: `D` devices of this process, `K` updates fused in one call.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

Update = Callable[[Any, Any, Any], tuple[Any, dict[str, Any]]]


def replicate(tree: Any, *, axis_name: str) -> Any:
  """The tree with a leading axis [D, …], one copy on each device of this process.

  The axis name is part of where an array lives: with another one than the step's, the step would be
  compiled a second time for its own output.
  """
  copy = jax.pmap(lambda _, x: x, in_axes=(0, None), axis_name=axis_name)
  return copy(np.arange(jax.local_device_count()), tree)


def first(tree: Any) -> Any:
  """The first device's copy of a replicated tree, without involving the other devices."""
  return _take_first(jax.tree.map(lambda x: x.addressable_shards[0].data, tree))


@jax.jit
def _take_first(tree: Any) -> Any:
  return jax.tree.map(lambda x: x[0], tree)


def split(batch: Any) -> Any:
  """[K, B, …] -> [D, K, B / D, …]: device d gets the d-th stretch of every batch."""
  num_devices = jax.local_device_count()

  def one(x):
    x = x.reshape(x.shape[0], num_devices, x.shape[1] // num_devices, *x.shape[2:])
    return np.swapaxes(x, 0, 1)

  return jax.tree.map(one, batch)


def fuse(update: Update, *, axis_name: str) -> Callable[[Any, Any, Any], tuple[Any, dict]]:
  """Makes one device call of many updates.

  Args:
    update: (state, batch, constants) -> (state, metrics), for one device and one batch.
    axis_name: the devices' axis.

  Returns:
    call(state [D, …], batches [D, K, …], constants [D, …]) -> (state, metrics [D, K]). The state is
    donated; metrics are fresh arrays.
  """

  def call(state, batches, constants):
    if jax.tree.leaves(batches)[0].shape[0] == 1:  # Without a loop: convolutions are slow inside one.
      state, metrics = update(state, jax.tree.map(lambda x: x[0], batches), constants)
      return state, jax.tree.map(lambda x: x[None], metrics)
    return jax.lax.scan(lambda s, batch: update(s, batch, constants), state, batches)

  return jax.pmap(call, axis_name=axis_name, donate_argnums=0)
