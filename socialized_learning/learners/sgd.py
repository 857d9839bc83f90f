"""Fine-tuning: plain gradient descent on what comes, nothing against forgetting.

On a plan that is the union of all tasks this is joint training.
"""

from typing import NamedTuple

import chex
from ml_collections import config_dict

from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import replay
from socialized_learning.learners import steps
from socialized_learning.learners import types


class State(NamedTuple):
  """All that changes."""
  net: Net


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`. Config: `learning_rate`."""
  del num_outputs

  def observe(state, batch, world, key):
    images, labels = replay.show(batch, world, key)

    def loss(params):
      output, stats = classifier.apply(state.net._replace(params=params), images, is_training=True,
                                       weights=batch.valid)
      values = steps.cross_entropy(output.logits, labels)
      return steps.mean(values, batch.valid, axis_name), stats

    grads, value, stats = steps.gradient(loss, state.net.params, axis_name)
    return State(steps.descend(state.net, grads, stats, config.learning_rate)), {"loss": value}

  return types.Learner(lambda key: State(classifier.init(key, images)), observe,
                       lambda state: {"working": state.net})
