"""A reservoir of which only those slots are written whose examples were answered rightly.

An example that was answered wrongly uses up its turn: what the reservoir has for it is not written.
While it fills up this leaves slots without an example. Source: Varma, Arani and Zonooz 2023,
"Dynamically Modular and Sparse General Continual Learning".

Shapes: `B` current examples on this device, `K` slots.
"""

from collections.abc import Mapping

import chex
import jax
import jax.numpy as jnp

from socialized_learning import memory as memory_lib
from socialized_learning.learners import replay
from socialized_learning.learners.types import Batch
from socialized_learning.learners.types import World
from socialized_learning.population import randomness

FIDELITIES = ("clean", "reference")
_WRITTEN = "written"  # A note beside each slot: 1 if it holds an example.


def empty(num_slots: int, notes: Mapping[str, tuple[int, ...]]) -> memory_lib.Memory:
  """A memory of K slots without examples; see `memory.empty`."""
  return memory_lib.empty(num_slots, {**notes, _WRITTEN: ()})


def written(memory: memory_lib.Memory) -> chex.Array:
  """Which slots hold an example: [K] bool."""
  return memory.notes[_WRITTEN] > 0


def draw(memory: memory_lib.Memory, num: int, world: World, key: chex.PRNGKey,
         axis_name: str | None, fidelity: str) -> replay.Replayed:
  """Draws `num` different slots over all devices, uniformly, and shows this device's share.

  Args:
    memory: from `empty`.
    num: over all devices.
    world: shows the images.
    key: of this draw.
    axis_name: the devices' axis; None for none.
    fidelity: "clean" draws from the slots that hold an example. "reference" from all that had their
      turn, as the published code: one without an example is a black image, of output 0.

  Raises:
    ValueError: no such fidelity, or the devices cannot share what is drawn evenly.
  """
  if fidelity not in FIDELITIES:
    raise ValueError(f"fidelity {fidelity!r}: one of {FIDELITIES}")
  if fidelity == "clean":
    # Written slots to the front, so that the memory is like one that has only those.
    holds = written(memory)
    order = jnp.argsort(~holds)
    index, view, notes = memory_lib.read(memory, order)
    memory = memory_lib.Memory(index, view, notes, holds.sum(dtype=jnp.int32))
  old = replay.draw(memory, num, world, key, axis_name)
  holds = old.notes[_WRITTEN] > 0
  return old._replace(images=jnp.where(holds[:, None, None, None], old.images, world.blank),
                      labels=jnp.where(holds, old.labels, 0))


def offer(memory: memory_lib.Memory, batch: Batch, notes: Mapping[str, chex.Array],
          is_right: chex.Array, key: chex.PRNGKey, axis_name: str | None, policy: str
         ) -> memory_lib.Memory:
  """Offers the current examples of all devices in their order, those answered wrongly in vain.

  Args:
    memory: from `empty`.
    batch: the examples of this device.
    notes: name -> [B, ...], what is noted beside each.
    is_right: [B] bool.
    key: of this step.
    axis_name: the devices' axis; None for none.
    policy: one of `memory.POLICIES`.
  """
  notes = {**notes, _WRITTEN: jnp.ones(is_right.shape)}
  offered = (batch.index, batch.view, batch.valid, is_right, notes)
  if axis_name is not None:
    offered = jax.lax.all_gather(offered, axis_name, tiled=True)
  index, view, valid, is_right, notes = offered
  num_slots = memory.index.shape[0]
  slots = memory_lib.POLICIES[policy](randomness.named(key, "reservoir"), memory.seen, valid,
                                      num_slots)
  return memory_lib.write(memory, jnp.where(is_right, slots, num_slots), index, view, notes,
                          valid.sum())
