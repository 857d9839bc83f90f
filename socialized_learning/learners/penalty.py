"""Cross-entropy with a pull of each parameter to an anchor, by how important it is.

Shapes: `B` current examples on this device.
"""

from collections.abc import Callable
from typing import Any

import chex

from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import replay
from socialized_learning.learners import steps
from socialized_learning.learners import types


def make_loss(classifier: Classifier, net: Net, batch: types.Batch, world: types.World,
              key: chex.PRNGKey, importance: Any, anchor: Any, weight: float, axis_name: str | None
             ) -> Callable[[Any], tuple[chex.Array, Any]]:
  """Builds the loss of one step: params -> (value, (statistics after it, terms)).

  `ce(x, y) + weight sum_j importance_j (theta_j - anchor_j)^2`.

  Args:
    classifier: the kind of network.
    net: the working network.
    batch: current examples.
    world: shows them.
    key: of this step.
    importance: of each parameter.
    anchor: where each parameter is pulled to.
    weight: of the pull.
    axis_name: the devices' axis; None for none.
  """
  shown, labels = replay.show(batch, world, key)

  def loss(params):
    output, stats = classifier.apply(net._replace(params=params), shown, is_training=True,
                                     weights=batch.valid)
    values = steps.cross_entropy(output.logits, labels)
    terms = {"cross_entropy": steps.mean(values, batch.valid, axis_name),
             "penalty": steps.weighted_square(importance, params, anchor)}
    return terms["cross_entropy"] + weight * terms["penalty"], (stats, terms)

  return loss
