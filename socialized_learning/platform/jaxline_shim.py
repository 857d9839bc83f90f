"""What JAX removed since Jaxline 0.0.8 was written, given back to `jaxline.utils` alone.

`jaxline.train` and `jaxline.experiment` reach everything through `utils.name`, so replacing
attributes of that one module is enough; the global `jax` stays as it is. Every replacement of a
removed name expires by itself: it is applied only while `jax` lacks the name.

Letters: D local devices.
"""

import collections
from collections.abc import Sequence
import types
from typing import Any

import jax
import jax.numpy as jnp
from jaxline import utils
import numpy as np

PyTree = Any

# `pmap` compiles a second time if its inputs lie on a mesh whose axis has another name than its own
# (jax 0.10), and compiling a step takes minutes: everything is put on the axis the experiments use.
DEVICE_AXIS = "devices"


def bcast_local_devices(value: PyTree) -> PyTree:
  """Copies every leaf to all local devices, [...] -> [D, ...].

  It is ready for a `pmap` whose axis is called `DEVICE_AXIS`. The result never shares memory with
  `value`: donating one leaves the other intact.
  """
  devices = jax.local_devices()
  return jax.tree_util.tree_map(lambda leaf: _put(len(devices) * [leaf], devices), value)


def device_put_sharded(shards: Sequence[PyTree], devices: Sequence[jax.Device]) -> PyTree:
  """Puts the tree `shards[i]` on `devices[i]`; a leaf of the result has a leading axis [D].

  Raises:
    ValueError: the numbers of shards and devices differ.
  """
  if len(shards) != len(devices):
    raise ValueError(f"{len(shards)} shards for {len(devices)} devices")
  return jax.tree_util.tree_map(lambda *leaves: _put(leaves, devices), *shards)


def get_first(xs: PyTree) -> PyTree:
  """The first device's part of every leaf, [D, ...] -> [...], on that device.

  Jaxline's own `x[0]` replicates the result on all devices, and every computation made from it then
  runs everywhere. Here one small jitted call per device slices all leaves. Arrays of NumPy and
  tracers pass through `x[0]`.
  """
  leaves, treedef = jax.tree_util.tree_flatten(xs)
  firsts = list(leaves)
  by_device = collections.defaultdict(list)
  for index, leaf in enumerate(leaves):
    shard = _first_shard(leaf)
    if shard is None:
      firsts[index] = leaf[0]
    else:
      by_device[shard.device].append((index, shard.data))
  for members in by_device.values():
    indices, data = zip(*members)
    for index, first in zip(indices, _take_first(data)):
      firsts[index] = first
  return jax.tree_util.tree_unflatten(treedef, firsts)


def install() -> tuple[str, ...]:
  """Makes `jaxline.utils` work on this JAX; may be called any number of times.

  Returns:
    What this JAX lacks and is therefore replaced (`get_first` always is).
  """
  missing = tuple(name for name in _REMOVED if not hasattr(jax, name))
  if missing and not isinstance(utils.jax, _JaxWithRemovedNames):
    utils.jax = _JaxWithRemovedNames(missing)
  if "device_put_sharded" in missing:
    # One transfer per leaf instead of one per leaf and device.
    utils.bcast_local_devices = bcast_local_devices
  utils.get_first = get_first
  return missing + ("get_first",)


_REMOVED = {
    "tree_map": jax.tree_util.tree_map,  # Removed in jax 0.6.
    "device_put_sharded": device_put_sharded,  # Removed in jax 0.10.
}


class _JaxWithRemovedNames(types.ModuleType):
  """`jax` as `jaxline.utils` sees it: the real module plus the names it has lost."""

  def __init__(self, names: Sequence[str]):
    super().__init__("jax")
    for name in names:
      setattr(self, name, _REMOVED[name])

  def __getattr__(self, name: str) -> Any:
    return getattr(jax, name)


def _put(values: Sequence[Any], devices: Sequence[jax.Device]) -> jax.Array:
  """Makes one array [D, ...] whose slice i is `values[i]` on `devices[i]`."""
  # Through the host: slicing on the device would compile one little program per shape. In a copy of
  # our own: on CPU devices may borrow the host's memory, `may_alias=False` or not.
  rows = {id(v): np.array(jax.device_get(v))[None] for v in values}
  buffers = jax.device_put([rows[id(v)] for v in values], list(devices))
  mesh = jax.sharding.Mesh(np.asarray(devices), (DEVICE_AXIS,))
  sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(DEVICE_AXIS))
  shape = (len(devices),) + buffers[0].shape[1:]
  return jax.make_array_from_single_device_arrays(shape, sharding, buffers)


def _first_shard(leaf: Any) -> Any | None:
  """The first local shard if it starts with the slice wanted, else None."""
  if not isinstance(leaf, jax.Array) or isinstance(leaf, jax.core.Tracer) or not leaf.ndim:
    return None
  shard = leaf.addressable_shards[0]
  return shard if shard.data.shape[1:] == leaf.shape[1:] else None


@jax.jit
def _take_first(leaves: Sequence[jax.Array]) -> list[jax.Array]:
  return [jnp.squeeze(leaf[:1], 0) for leaf in leaves]
