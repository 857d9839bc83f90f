"""CLS-ER: experience replay beside a plastic and a stable average of the network.

Replayed logits agree with whichever of the two averages is surer of the right answer.
Source: Arani, Sarfraz and Zonooz 2022, "Learning Fast, Learning Slow: A General Continual Learning
Method based on Complementary Learning System".
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
  plastic: Net  # Averaged parameters, statistics of its own; so is the next.
  stable: Net
  memory: memory_lib.Memory
  step: chex.Array  # int32, steps made


def surer(stable: chex.Array, plastic: chex.Array, labels: chex.Array
         ) -> tuple[chex.Array, chex.Array]:
  """Of two sets of logits [R, O] for each example those with the likelier label; ties are plastic's.

  Returns:
    The logits [R, O], and which are the stable ones [R] bool.
  """
  likely = lambda logits: jnp.take_along_axis(jax.nn.softmax(logits), labels[:, None], axis=1)
  is_stable = likely(stable) > likely(plastic)
  return jnp.where(is_stable, stable, plastic), is_stable[:, 0]


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`. The stable network is the one to be used.

  Loss: cross-entropy of current and replayed examples together, plus `consistency_weight` times the
  mean squared difference of replayed logits and those of the surer average. Then the plastic and
  the stable average follow, each with its probability and its warm decay.
  Config: `learning_rate`, `buffer_size`, `memory_policy`, `replay_batch_size`,
  `consistency_weight`, and for each `plastic_ema_rate`, `plastic_ema_decay`, `stable_ema_rate`,
  `stable_ema_decay`.
  """
  del num_outputs

  def init(key):
    net = classifier.init(key, images)
    copy = lambda: jax.tree.map(jnp.array, net)
    return State(net, copy(), copy(), memory_lib.empty(config.buffer_size), jnp.int32(0))

  def observe(state, batch, world, key):
    old = replay.draw(state.memory, config.replay_batch_size, world, key, axis_name)
    heard = {name: classifier.apply(getattr(state, name), old.images, is_training=True,
                                    weights=old.valid) for name in ("plastic", "stable")}
    targets, is_stable = surer(heard["stable"][0].logits, heard["plastic"][0].logits, old.labels)
    loss = consistency.make_loss(classifier, state.net, batch, world, key, old, targets,
                                 config.consistency_weight, axis_name)
    grads, value, (stats, terms) = steps.gradient(loss, state.net.params, axis_name)
    terms["stable_share"] = steps.mean(is_stable.astype(value.dtype), old.valid, axis_name)
    net = steps.descend(state.net, grads, stats, config.learning_rate)
    step = state.step + 1

    def follow(name):
      params = steps.average(getattr(state, name).params, net.params,
                             steps.warm_decay(step, config[f"{name}_ema_decay"]),
                             steps.coin(randomness.named(key, name), config[f"{name}_ema_rate"]))
      return Net(params, heard[name][1])

    memory = replay.offer(state.memory, batch, {}, key, axis_name, config.memory_policy)
    return (State(net, follow("plastic"), follow("stable"), memory, step),
            steps.over_devices({"loss": value} | terms, axis_name))

  return types.Learner(init, observe, lambda state: {
      "working": state.net, "plastic": state.plastic, "stable": state.stable})
