"""The one place that lays work out on devices: replicated state, split batches, `pmap`, the loop.

Shapes: `D` devices of this process, `K` updates that a call has room for.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from socialized_learning.population import compilation

Update = Callable[[Any, Any, Any], tuple[Any, dict[str, Any]]]


def replicate(tree: Any, *, axis_name: str) -> Any:
  """The tree with a leading axis [D, …], one copy on each device of this process.

  The axis name is part of where an array lives: with another one than the step's, the step would be
  compiled a second time for its own output.
  """
  if not jax.tree.leaves(tree):
    return tree  # Which `pmap` does not take where there are several processes.
  copy = jax.pmap(lambda _, x: x, in_axes=(0, None), axis_name=axis_name)
  return copy(np.arange(jax.local_device_count()), tree)


def first(tree: Any) -> Any:
  """The first device's copy of a replicated tree, without involving the other devices."""
  return _take_first(jax.tree.map(lambda x: x.addressable_shards[0].data, tree))


def first_on_host(tree: Any) -> Any:
  """The first device's copy of a tree with leading axes [D, …], as NumPy arrays; compiles nothing."""
  return jax.tree.map(lambda x: np.asarray(x.addressable_shards[0].data)[0], tree)


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


def on_each_device(function: Callable[..., Any], *, axis_name: str) -> Callable[..., Any]:
  """Makes one device call of `function(state, *arguments)`, which sees one device's part of all.

  Args:
    function: pure; collectives over `axis_name` are over the devices of all processes.
    axis_name: the devices' axis.

  Returns:
    call(state [D, …], *arguments [D, …]) -> what `function` returns, [D, …]. The state is donated.
  """
  return _Pmapped(function, axis_name=axis_name, donate_argnums=0)


def fuse(update: Update, *, axis_name: str, loops: bool = True) -> Callable[..., tuple[Any, dict]]:
  """Makes one device call of several updates.

  They are made in a loop whose length only the call knows, so that an update is one and the same
  compiled code, and gives the same bits, however many a call makes. (Of a loop that is known to be
  run once XLA makes other code, which adds up in another order.)

  Args:
    update: (state, batch, constants) -> (state, metrics), for one device and one batch.
    axis_name: the devices' axis.
    loops: False for one update a call and no loop: convolutions are slow inside one on a CPU.

  Returns:
    call(state [D, …], batches [D, K, …], constants [D, …], num_updates) -> (state, metrics [D, K]) for
    `num_updates` of at most K; the metrics beyond are 0. The state is donated; metrics are fresh.
  """

  def once(state, batches, constants, num_updates):
    del num_updates
    state, metrics = update(state, jax.tree.map(lambda x: x[0], batches), constants)
    return state, jax.tree.map(lambda x: x[None], metrics)

  def several(state, batches, constants, num_updates):
    one = jax.jit(  # Traced once, though it is asked for its shapes first.
        lambda state, place: update(state, _at(batches, place), constants), inline=True)
    room = jax.tree.leaves(batches)[0].shape[0]
    metrics = jax.tree.map(lambda x: jnp.zeros((room, *x.shape), x.dtype),
                           jax.eval_shape(one, state, jnp.int32(0))[1])

    def body(carry):
      place, state, metrics = carry
      state, new = one(state, place)
      return place + 1, state, jax.tree.map(lambda all_, x: all_.at[place].set(x), metrics, new)

    return jax.lax.while_loop(
        lambda carry: carry[0] < num_updates, body, (jnp.int32(0), state, metrics))[1:]

  return _Pmapped(several if loops else once, axis_name=axis_name,
                  in_axes=(0, 0, 0, None), donate_argnums=0)


def _at(batches: Any, place: Any) -> Any:
  return jax.tree.map(
      lambda x: jax.lax.dynamic_index_in_dim(x, place, keepdims=False), batches)


class _Pmapped:
  """`jax.pmap` with the compiler's options: `pmap` takes none, so it is compiled ahead of its calls."""

  def __init__(self, function: Callable[..., Any], **settings: Any):
    """Compiles nothing; settings are those of `jax.pmap`."""
    self._mapped = jax.pmap(function, **settings)
    self._compiled: dict[Any, Callable[..., Any]] = {}  # By structure and shapes of the arguments.

  def __call__(self, *args: Any) -> Any:
    """Calls it; the first call with arguments of new shapes compiles."""
    if not compilation.options() or jax.process_count() > 1:  # Whose shapes ahead of time are those of all.
      return self._mapped(*args)
    leaves, structure = jax.tree.flatten(args)
    signature = (structure, *((x.shape, x.dtype) for x in leaves))
    if signature not in self._compiled:
      self._compiled[signature] = self._mapped.lower(*args).compile(compiler_options=compilation.options())
    return self._compiled[signature](*args)

  def lower(self, *args: Any) -> jax.stages.Lowered:
    """What is compiled for such arguments, before it is."""
    return self._mapped.lower(*args)
