"""Multi-scale replay: stored labels are learnt and stored logits matched, of what was once right.

Dynamos without its agents, on any network. Source: the code of Varma, Arani and Zonooz 2023,
"Dynamically Modular and Sparse General Continual Learning". It differs from DER++ in that one draw
serves both terms, and in `right_replay`. Logits are those of the working network, in training mode,
before the step in which the example came.
"""

from typing import NamedTuple

import chex
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning import memory as memory_lib
from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import replay
from socialized_learning.learners import right_replay
from socialized_learning.learners import steps
from socialized_learning.learners import types


class State(NamedTuple):
  """All that changes."""
  net: Net
  memory: memory_lib.Memory


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`.

  Loss: `ce(x, y) + logit_weight mean((h(x') - z')^2) + label_weight ce(x', y')`, the current and
  the replayed examples in two passes of the network, in this order.
  Config: `learning_rate`, `buffer_size`, `memory_policy`, `replay_batch_size`, `logit_weight`,
  `label_weight`, `fidelity`, see `right_replay.draw`.
  """

  def init(key):
    return State(classifier.init(key, images),
                 right_replay.empty(config.buffer_size, {"logits": (num_outputs,)}))

  def observe(state, batch, world, key):
    shown, labels = replay.show(batch, world, key)
    old = right_replay.draw(state.memory, config.replay_batch_size, world, key, axis_name,
                            config.fidelity)

    def loss(params):
      net = state.net._replace(params=params)
      output, stats = classifier.apply(net, shown, is_training=True, weights=batch.valid)
      again, stats = classifier.apply(net._replace(stats=stats), old.images, is_training=True,
                                      weights=old.valid)
      of_old = lambda values: steps.mean(values, old.valid, axis_name)
      terms = {
          "cross_entropy": steps.mean(
              steps.cross_entropy(output.logits, labels), batch.valid, axis_name),
          "logit_loss": of_old(steps.squared_difference(again.logits, old.notes["logits"])),
          "label_loss": of_old(steps.cross_entropy(again.logits, old.labels))}
      value = (terms["cross_entropy"] + config.logit_weight * terms["logit_loss"]
               + config.label_weight * terms["label_loss"])
      return value, (stats, output.logits, terms)

    grads, value, (stats, logits, terms) = steps.gradient(loss, state.net.params, axis_name)
    is_right = jnp.argmax(logits, axis=-1) == labels
    memory = right_replay.offer(state.memory, batch, {"logits": logits}, is_right, key, axis_name,
                                config.memory_policy)
    net = steps.descend(state.net, grads, stats, config.learning_rate)
    return State(net, memory), steps.over_devices({"loss": value} | terms, axis_name)

  return types.Learner(init, observe, lambda state: {"working": state.net})
