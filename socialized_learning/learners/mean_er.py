"""Mean-ER: experience replay beside a slow average of the network that replayed logits agree with.

SYNERGy without consolidation. Source: Arani et al. 2022, "Learning Fast, Learning Slow" (ablation),
Sarfraz et al. 2022.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning import memory as memory_lib
from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import consistency
from socialized_learning.learners import replay
from socialized_learning.learners import steps
from socialized_learning.learners import types
from socialized_learning.population import randomness


class State(NamedTuple):
  """All that changes."""
  net: Net
  semantic: Net  # Averaged parameters, statistics of its own.
  memory: memory_lib.Memory
  step: chex.Array  # int32, steps made


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`.

  Loss: cross-entropy of current and replayed examples together, plus `consistency_weight` times the
  mean squared difference of working and semantic logits on the replayed ones. Then, with probability
  `ema_rate`, the semantic parameters become `a phi + (1 - a) theta`, a the warm `ema_decay`.
  Config: `learning_rate`, `buffer_size`, `memory_policy`, `replay_batch_size`,
  `consistency_weight`, `ema_rate`, `ema_decay`.
  """
  del num_outputs

  def init(key):
    net = classifier.init(key, images)
    return State(net, jax.tree.map(jnp.array, net), memory_lib.empty(config.buffer_size),
                 jnp.int32(0))

  def observe(state, batch, world, key):
    old = replay.draw(state.memory, config.replay_batch_size, world, key, axis_name)
    targets, semantic_stats = classifier.apply(state.semantic, old.images, is_training=True,
                                               weights=old.valid)
    loss = consistency.make_loss(classifier, state.net, batch, world, key, old, targets.logits,
                                 config.consistency_weight, axis_name)
    grads, value, (stats, terms) = steps.gradient(loss, state.net.params, axis_name)
    net = steps.descend(state.net, grads, stats, config.learning_rate)
    memory = replay.offer(state.memory, batch, {}, key, axis_name, config.memory_policy)
    step = state.step + 1
    params = steps.average(state.semantic.params, net.params,
                           steps.warm_decay(step, config.ema_decay),
                           steps.coin(randomness.named(key, "ema"), config.ema_rate))
    return (State(net, Net(params, semantic_stats), memory, step),
            steps.over_devices({"loss": value} | terms, axis_name))

  return types.Learner(init, observe,
                       lambda state: {"working": state.net, "semantic": state.semantic})
