"""Dark experience replay: stored logits are matched, and in DER++ stored labels are learnt as well.

Source: Buzzega et al. 2020, "Dark Experience for General Continual Learning". The logits noted beside
an example are those of the working network, in training mode, before the step in which it came.
"""

import functools
from typing import NamedTuple

import chex
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


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None, learns_labels: bool = True) -> types.Learner:
  """Builds DER++, or DER without labels; see `learners.make`.

  Loss: `ce(x, y) + logit_weight mean((h(x') - z')^2) + label_weight ce(x'', y'')`, with x' and x''
  drawn independently, each in a pass of its own.
  Config: `learning_rate`, `buffer_size`, `memory_policy`, `replay_batch_size`, `logit_weight`,
  `label_weight`.
  """

  def init(key):
    return State(classifier.init(key, images),
                 memory_lib.empty(config.buffer_size, {"logits": (num_outputs,)}))

  def observe(state, batch, world, key):
    shown, labels = replay.show(batch, world, key)
    draw = lambda name: replay.draw(state.memory, config.replay_batch_size, world,
                                    randomness.named(key, name), axis_name)
    of_logits, of_labels = draw("logits"), draw("labels")

    def loss(params):
      net = state.net._replace(params=params)
      output, stats = classifier.apply(net, shown, is_training=True, weights=batch.valid)
      terms = {"cross_entropy": steps.mean(
          steps.cross_entropy(output.logits, labels), batch.valid, axis_name)}
      old, stats = classifier.apply(net._replace(stats=stats), of_logits.images, is_training=True,
                                    weights=of_logits.valid)
      matched = steps.squared_difference(old.logits, of_logits.notes["logits"])
      terms["logit_loss"] = steps.mean(matched, of_logits.valid, axis_name)
      value = terms["cross_entropy"] + config.logit_weight * terms["logit_loss"]
      if learns_labels:
        old, stats = classifier.apply(net._replace(stats=stats), of_labels.images, is_training=True,
                                      weights=of_labels.valid)
        learnt = steps.cross_entropy(old.logits, of_labels.labels)
        terms["label_loss"] = steps.mean(learnt, of_labels.valid, axis_name)
        value += config.label_weight * terms["label_loss"]
      return value, (stats, output.logits, terms)

    grads, value, (stats, logits, terms) = steps.gradient(loss, state.net.params, axis_name)
    memory = replay.offer(state.memory, batch, {"logits": logits}, key, axis_name,
                          config.memory_policy)
    net = steps.descend(state.net, grads, stats, config.learning_rate)
    return State(net, memory), steps.over_devices({"loss": value} | terms, axis_name)

  return types.Learner(init, observe, lambda state: {"working": state.net})


make_der = functools.partial(make, learns_labels=False)
