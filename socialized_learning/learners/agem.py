"""Averaged GEM: a step that would raise the loss on memories is turned until it does not.

Source: Chaudhry et al. 2019, "Efficient Lifelong Learning with A-GEM"; written from the formula.
"""

import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning import memory as memory_lib
from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import replay
from socialized_learning.learners import steps
from socialized_learning.learners import types
from socialized_learning.population import randomness


class State(NamedTuple):
  """All that changes."""
  net: Net
  memory: memory_lib.Memory


def project(grads: Any, reference: Any) -> tuple[Any, chex.Array]:
  """`g - (g.m / |m|^2) m` where g.m < 0, else g.

  Args:
    grads: g, a tree.
    reference: m, the gradient on memories; zero where there are none.

  Returns:
    The gradient to follow, and g.m.
  """
  dot = lambda a, b: sum(jnp.vdot(x, y) for x, y in zip(
      jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
  product, square = dot(grads, reference), dot(reference, reference)
  turn = jnp.where(product < 0, product / jnp.where(square > 0, square, 1), 0)
  return jax.tree.map(lambda g, m: g - turn * m, grads, reference), product


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None, has_reservoir: bool = False) -> types.Learner:
  """Builds A-GEM, or A-GEM-R, whose memory is a reservoir and which needs no borders of tasks.

  A-GEM stores `buffer_size / num_tasks` random examples at the end of each task.
  Config: `learning_rate`, `buffer_size`, `memory_policy`, `replay_batch_size`, `num_tasks`.
  """
  del num_outputs

  def init(key):
    return State(classifier.init(key, images), memory_lib.empty(config.buffer_size))

  def gradient_on(net, shown, labels, valid):
    def loss(params):
      output, stats = classifier.apply(net._replace(params=params), shown, is_training=True,
                                       weights=valid)
      return steps.mean(steps.cross_entropy(output.logits, labels), valid, axis_name), stats

    return steps.gradient(loss, net.params, axis_name)

  def observe(state, batch, world, key):
    shown, labels = replay.show(batch, world, key)
    old = replay.draw(state.memory, config.replay_batch_size, world, key, axis_name)
    grads, value, stats = gradient_on(state.net, shown, labels, batch.valid)
    reference, _, stats = gradient_on(state.net._replace(stats=stats), old.images, old.labels,
                                      old.valid)
    grads, product = project(grads, reference)
    memory = state.memory
    if has_reservoir:
      memory = replay.offer(memory, batch, {}, key, axis_name, config.memory_policy)
    net = steps.descend(state.net, grads, stats, config.learning_rate)
    return State(net, memory), {"loss": value, "turned": (product < 0).astype(value.dtype)}

  def end_task(state, task, world, key):
    del world
    share = config.buffer_size // config.num_tasks
    scores = jax.random.uniform(randomness.named(key, "examples"), task.examples.index.shape)
    scores = jnp.where(task.examples.valid, scores, -1.0)
    share = min(share, len(scores))  # A task may have fewer,
    chosen = jax.lax.top_k(scores, share)[1]
    slots = state.memory.seen + jnp.arange(share, dtype=jnp.int32)
    kept = scores[chosen] >= 0  # or fewer than another one.
    memory = memory_lib.write(
        state.memory, jnp.where(kept, slots, config.buffer_size), task.examples.index[chosen],
        task.examples.view[chosen], {}, kept.sum())
    return State(state.net, memory)

  return types.Learner(init, observe, lambda state: {"working": state.net},
                       end_task=None if has_reservoir else end_task)


make_with_reservoir = functools.partial(make, has_reservoir=True)
