"""Slots of a memory: reading, writing, drawing from those that are filled.

Shapes: `K` slots, `B` examples offered or drawn.
"""

from collections.abc import Mapping
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp


class Memory(NamedTuple):
  """Examples, by where they are and how they were looked at, and what was noted beside them."""
  index: chex.Array  # [K] int32, position in the training images
  view: chex.Array  # [K] int32, rotation, permutation, …: row of the stream's table of views
  notes: dict[str, chex.Array]  # name -> [K, ...], such as the logits of the time
  seen: chex.Array  # int32, examples offered so far


def empty(num_slots: int, notes: Mapping[str, tuple[int, ...]] | None = None) -> Memory:
  """A memory of K slots, none of them filled; `notes` are the shapes of what is noted per example."""
  zeros = jnp.zeros(num_slots, jnp.int32)
  return Memory(zeros, zeros, {name: jnp.zeros((num_slots, *shape))
                               for name, shape in (notes or {}).items()}, jnp.int32(0))


def filled(memory: Memory) -> chex.Array:
  """Which slots hold an example: [K] bool. They fill up from the first on."""
  return jnp.arange(memory.index.shape[0]) < memory.seen


def write(memory: Memory, slots: chex.Array, index: chex.Array, view: chex.Array,
          notes: Mapping[str, chex.Array], num_offered: chex.Array) -> Memory:
  """Puts examples [B] into slots [B] as if one after another: of two in one slot the later stays.

  Args:
    memory: the memory.
    slots: [B] int32; K for an example that is not kept.
    index: [B].
    view: [B].
    notes: name -> [B, ...], the same names as the memory has.
    num_offered: how many of the B were offered at all, int32.
  """
  num_slots = memory.index.shape[0]
  order = jnp.arange(1, slots.shape[0] + 1, dtype=jnp.int32)
  last = jnp.zeros(num_slots + 1, jnp.int32).at[slots].max(order)
  slots = jnp.where(last[slots] == order, slots, num_slots)  # Each slot at most once: no race.
  put = lambda old, new: old.at[slots].set(new.astype(old.dtype), mode="drop")
  chex.assert_trees_all_equal_structs(memory.notes, dict(notes))
  return Memory(put(memory.index, index), put(memory.view, view),
                jax.tree.map(put, memory.notes, dict(notes)), memory.seen + num_offered.astype(jnp.int32))


def sample(key: chex.PRNGKey, memory: Memory, num: int) -> tuple[chex.Array, chex.Array]:
  """Draws `num` different filled slots, uniformly: (slots [num] int32, valid [num] bool).

  Where fewer are filled they all come first, and the rest is not valid.
  """
  num_slots = memory.index.shape[0]
  scores = jnp.where(filled(memory), jax.random.uniform(key, (num_slots,)), -1.0)
  most = min(num, num_slots)
  slots = jax.lax.top_k(scores, most)[1]
  slots = jnp.concatenate([slots, jnp.zeros(num - most, slots.dtype)])
  return slots, jnp.arange(num) < jnp.minimum(memory.seen, most)


def read(memory: Memory, slots: chex.Array) -> tuple[chex.Array, chex.Array, dict[str, chex.Array]]:
  """Index, view and notes of the examples in `slots` [B]."""
  return memory.index[slots], memory.view[slots], {
      name: note[slots] for name, note in memory.notes.items()}
