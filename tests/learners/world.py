"""The set-up of the golden steps: a memory that holds something, and every random draw forced."""

import collections

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning import memory as memory_lib
from socialized_learning.learners import replay
from socialized_learning.learners import types
from socialized_learning.memory import policies
from tests.learners import golden

NUM_IMAGES = 150
KEY = jax.random.PRNGKey(0)
D1, D2 = [2, 0, 3, 1], [5, 1, 4, 0]
LEARNING_RATE = {"small_mlp": 0.1, "mlp": 0.1, "resnet": 0.05}
# Tensors whose gradients the tables list.
TENSORS = {"small_mlp": range(6), "mlp": range(6), "resnet": (0, 1, 2, 15, 21, 54, 60, 61)}


def config(name, **values):
  """Settings of a learner."""
  return config_dict.create(**(dict(learning_rate=LEARNING_RATE[name], buffer_size=6,
                                    replay_batch_size=4, memory_policy="reservoir") | values))


def make(module, name, settings, **kwargs):
  """A learner for the network called `name`."""
  return module.make(golden.classifier(name), settings, num_outputs=golden.OUTPUTS[name],
                     images=jnp.zeros((1, *golden.SHAPES[name])), axis_name=None, **kwargs)


def world(name) -> types.World:
  """Shows image m at position m."""
  images = jnp.asarray(golden.images(name, range(NUM_IMAGES)))
  return types.World(lambda index, view, keys: images[index],
                     jnp.asarray(golden.labels(name, range(NUM_IMAGES))))


def batch(numbers) -> types.Batch:
  """Images as the current examples of a step."""
  index = jnp.asarray(numbers, jnp.int32)
  return types.Batch(index, jnp.zeros_like(index), jnp.ones(len(index), bool),
                     jnp.arange(len(index), dtype=jnp.int32))


def memory(notes=None) -> memory_lib.Memory:
  """Six slots with images 100 to 105, nine examples offered so far."""
  index = jnp.arange(100, 106, dtype=jnp.int32)
  return memory_lib.Memory(index, jnp.zeros_like(index), notes or {}, jnp.int32(9))


def labels(name, held) -> list[int]:
  """Labels of the images in a memory."""
  return golden.labels(name, np.asarray(held.index)).tolist()


def force(monkeypatch, *, draws=(), reservoir=()):
  """Makes the next replay draws, and the next reservoirs' integers, those given."""
  draws, integers = collections.deque(draws), collections.deque(reservoir)

  def sample(key, held, num):
    del key, held
    slots = draws.popleft()
    assert len(slots) == num
    return jnp.asarray(slots, jnp.int32), jnp.ones(num, bool)

  def place(key, seen, valid, num_slots):
    del key
    return policies.reservoir_slots(jnp.asarray(integers.popleft(), jnp.int32), seen, valid,
                                    num_slots)

  monkeypatch.setattr(replay.memory_lib, "sample", sample)
  monkeypatch.setitem(memory_lib.POLICIES, "reservoir", place)


def record_gradients(monkeypatch, steps):
  """A list that gets the gradients of every step of a learner."""
  found, gradient = [], steps.gradient

  def recorded(*args):
    result = gradient(*args)
    found.append(jax.device_get(result[0]))
    return result

  monkeypatch.setattr(steps, "gradient", recorded)
  return found
