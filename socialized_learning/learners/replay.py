"""Replay: what is drawn from a memory and shown again, what is offered to it.

The memory is the same on all devices: each shows its share of what is drawn, and all offer to it what
any of them has seen. Images are augmented afresh whenever they are shown.

Shapes: `B` current examples on this device, `R` replayed ones on this device.
"""

from collections.abc import Mapping
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from socialized_learning import memory as memory_lib
from socialized_learning.learners.types import Batch
from socialized_learning.learners.types import World
from socialized_learning.population import randomness


class Replayed(NamedTuple):
  """Examples drawn from a memory."""
  images: chex.Array  # [R, H, W, C]
  labels: chex.Array  # [R] int32
  valid: chex.Array  # [R] bool: the memory may hold less than was asked for
  notes: dict[str, chex.Array]  # name -> [R, ...]


def show(batch: Batch, world: World, key: chex.PRNGKey) -> tuple[chex.Array, chex.Array]:
  """Images, augmented, and labels of the current examples."""
  keys = randomness.each(randomness.named(key, "augmentation"), batch.positions)
  return world.look(batch.index, batch.view, keys), world.labels[batch.index]


def draw(memory: memory_lib.Memory, num: int, world: World, key: chex.PRNGKey,
         axis_name: str | None) -> Replayed:
  """Draws `num` different examples over all devices, uniformly, and shows this device's share.

  Raises:
    ValueError: the devices cannot share them evenly.
  """
  slots, valid = memory_lib.sample(randomness.named(key, "slots"), memory, num)
  positions = jnp.arange(num, dtype=jnp.int32)
  if axis_name is not None:
    num_devices = jax.lax.axis_size(axis_name)
    if num % num_devices:
      raise ValueError(f"{num} replayed examples cannot be shared by {num_devices} devices")
    share = num // num_devices
    start = jax.lax.axis_index(axis_name) * share
    slots, valid, positions = (jax.lax.dynamic_slice(x, (start,), (share,))
                               for x in (slots, valid, positions))
  index, view, notes = memory_lib.read(memory, slots)
  # By another name than those of `show`: the keys of a step are often the same.
  keys = randomness.each(randomness.named(key, "replayed augmentation"), positions)
  return Replayed(world.look(index, view, keys), world.labels[index], valid, notes)


def offer(memory: memory_lib.Memory, batch: Batch, notes: Mapping[str, chex.Array],
          key: chex.PRNGKey, axis_name: str | None, policy: str) -> memory_lib.Memory:
  """Offers the current examples of all devices to the memory, in their order.

  Args:
    memory: the memory.
    batch: the examples of this device.
    notes: name -> [B, ...], what is noted beside each.
    key: of this step.
    axis_name: the devices' axis; None for none.
    policy: one of `memory.POLICIES`.
  """
  offered = (batch.index, batch.view, batch.valid, dict(notes))
  if axis_name is not None:
    offered = jax.lax.all_gather(offered, axis_name, tiled=True)
  index, view, valid, notes = offered
  slots = memory_lib.POLICIES[policy](randomness.named(key, "reservoir"), memory.seen, valid,
                                      memory.index.shape[0])
  return memory_lib.write(memory, slots, index, view, notes, valid.sum())
