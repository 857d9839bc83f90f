"""Replay with consistency: learn current and replayed examples together, and keep old logits.

Shapes: `B` current examples on this device, `R` replayed ones, `O` outputs.
"""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp

from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import replay
from socialized_learning.learners import steps
from socialized_learning.learners import types


def make_loss(classifier: Classifier, net: Net, batch: types.Batch, world: types.World,
              key: chex.PRNGKey, old: replay.Replayed, targets: chex.Array, weight: float,
              axis_name: str | None) -> Callable[[Any], tuple[chex.Array, Any]]:
  """Builds the loss of one step: params -> (value, (statistics after it, terms)).

  `ce([x; x'], [y; y']) + weight mean((h(x') - targets)^2)`, in two passes of the network: over the
  replayed examples alone, then over all together, which is what moves its statistics.

  Args:
    classifier: the kind of network.
    net: the working network.
    batch: current examples.
    world: shows them.
    key: of this step.
    old: replayed examples.
    targets: [R, O] logits to agree with on those; no gradient passes to them.
    weight: of the agreement.
    axis_name: the devices' axis; None for none.
  """
  shown, labels = replay.show(batch, world, key)
  together = jnp.concatenate([shown, old.images])
  labels = jnp.concatenate([labels, old.labels])
  valid = jnp.concatenate([batch.valid, old.valid])
  targets = jax.lax.stop_gradient(targets)

  def loss(params):
    changed = net._replace(params=params)
    again, stats = classifier.apply(changed, old.images, is_training=True, weights=old.valid)
    agrees = steps.squared_difference(again.logits, targets)
    output, stats = classifier.apply(changed._replace(stats=stats), together, is_training=True,
                                     weights=valid)
    values = steps.cross_entropy(output.logits, labels)
    num = batch.valid.shape[0]
    terms = {
        "cross_entropy": steps.mean(values, valid, axis_name),
        "current_cross_entropy": steps.mean(values[:num], batch.valid, axis_name),
        "replay_cross_entropy": steps.mean(values[num:], old.valid, axis_name),
        "consistency_loss": steps.mean(agrees, old.valid, axis_name)}
    return terms["cross_entropy"] + weight * terms["consistency_loss"], (stats, terms)

  return loss
