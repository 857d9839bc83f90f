"""Experience replay: cross-entropy over current and replayed examples together.

Source: Ratcliff 1990; Riemer et al. 2019, with a reservoir.
"""

from typing import NamedTuple

import chex
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning import memory as memory_lib
from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import replay
from socialized_learning.learners import steps
from socialized_learning.learners import types


class State(NamedTuple):
  """All that changes."""
  net: Net
  memory: memory_lib.Memory


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`.

  Config: `learning_rate`, `buffer_size`, `memory_policy`, `replay_batch_size`.
  """
  del num_outputs

  def init(key):
    return State(classifier.init(key, images), memory_lib.empty(config.buffer_size))

  def observe(state, batch, world, key):
    shown, labels = replay.show(batch, world, key)
    old = replay.draw(state.memory, config.replay_batch_size, world, key, axis_name)
    shown, labels = jnp.concatenate([shown, old.images]), jnp.concatenate([labels, old.labels])
    valid = jnp.concatenate([batch.valid, old.valid])

    def loss(params):
      output, stats = classifier.apply(state.net._replace(params=params), shown, is_training=True,
                                       weights=valid)
      return steps.mean(steps.cross_entropy(output.logits, labels), valid, axis_name), stats

    grads, value, stats = steps.gradient(loss, state.net.params, axis_name)
    memory = replay.offer(state.memory, batch, {}, key, axis_name, config.memory_policy)
    return State(steps.descend(state.net, grads, stats, config.learning_rate), memory), {
        "loss": value}

  return types.Learner(init, observe, lambda state: {"working": state.net})
