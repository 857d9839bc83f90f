"""Recurrent cores of speakers and listeners, and how they are unrolled.

Shapes: `B` batch, `T` message length, `E` embedding, `H` hidden size.
"""

from collections.abc import Callable
from typing import Any

import chex
import haiku as hk
import jax
import jax.numpy as jnp


class IdentityCore(hk.RNNCore):
  """A core without recurrence: the output is the input beside a state that never changes.

  A speaker with this core chooses each symbol from its input and the previous symbol alone; a
  listener reads only the last symbol. Meant for messages of length one.
  """

  def __init__(self, hidden_size: int, name: str | None = None):
    super().__init__(name=name)
    self.hidden_size = hidden_size

  def __call__(self, inputs: chex.Array, prev_state: chex.Array):
    return jnp.concatenate([inputs, prev_state], axis=-1), prev_state

  def initial_state(self, batch_size: int | None) -> chex.Array:
    shape = (self.hidden_size,) if batch_size is None else (batch_size, self.hidden_size)
    return jnp.zeros(shape)


CORES: dict[str, Callable[[int], hk.RNNCore]] = {
    "lstm": hk.LSTM,
    "gru": hk.GRU,
    "identity": IdentityCore,
}


def make_core(kind: str, hidden_size: int) -> hk.RNNCore:
  """Returns the core named `kind`; its gates and initialisation are Haiku's."""
  return CORES[kind](hidden_size)


def make_state_adapter(core: hk.RNNCore) -> Callable[[chex.Array], Any]:
  """Returns a learnt linear map from vectors [B, D] to initial states of `core`.

  For an LSTM the first half of the columns is the hidden vector, the second half the cell.
  """
  leaves, structure = jax.tree.flatten(jax.eval_shape(lambda: core.initial_state(1)))
  sizes = [leaf.shape[-1] for leaf in leaves]
  bounds = [sum(sizes[:i + 1]) for i in range(len(sizes) - 1)]
  linear = hk.Linear(sum(sizes), name="state_adapter")
  return lambda vector: jax.tree.unflatten(structure, jnp.split(linear(vector), bounds, axis=-1))


def scan(step: Callable[[Any, Any], tuple[Any, Any]], state: Any, xs: Any, *, unroll: int):
  """`hk.scan` over the leading axis of `xs`; at initialisation it runs `step` once.

  Haiku cannot create parameters inside a scan, and one step creates them all.
  """
  if hk.running_init():
    state, y = step(state, jax.tree.map(lambda x: x[0], xs))
    return state, jax.tree.map(lambda leaf: leaf[None], y)
  return hk.scan(step, state, xs, unroll=unroll)


def unroll_core(core: hk.RNNCore, inputs: chex.Array, state: Any, *, unroll: int) -> chex.Array:
  """Runs `core` over `inputs` [T, B, E] from `state`; returns all outputs [T, B, H]."""

  def step(carry, x):
    output, carry = core(x, carry)
    return carry, output

  return scan(step, state, inputs, unroll=unroll)[1]
