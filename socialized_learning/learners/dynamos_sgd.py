"""Dynamos without its memory: agents switch channels off, nothing is replayed.

Source: the code of Varma, Arani and Zonooz 2023, "Dynamically Modular and Sparse General Continual
Learning".
"""

from typing import NamedTuple

import chex
import jax.numpy as jnp
from ml_collections import config_dict
import optax

from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import gating
from socialized_learning.learners import replay
from socialized_learning.learners import sparsity
from socialized_learning.learners import steps
from socialized_learning.learners import types
from socialized_learning.population import randomness


class State(NamedTuple):
  """All that changes."""
  net: Net
  step: chex.Array  # int32, steps made


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`.

  Loss: `ce(x, y) + policy_weight R(x, y) + prototype_weight P(x, y)`, in the first `warmup_steps`
  steps `ce(x, y)` alone with all channels kept; see `dynamos.make`.
  Config: also `learning_rate`, `keep_ratio`, `policy_penalty`; `thresholds`, see `sparsity.probes`.
  """
  run = gating.make_pass(classifier, config, axis_name)

  def observe(state, batch, world, key):
    shown, labels = replay.show(batch, world, key)
    is_warm = state.step < config.warmup_steps

    def loss(params):
      now = run(state.net._replace(params=params), shown, labels, batch.valid,
                randomness.named(key, "gates"), is_warm)
      return gating.loss(now.terms, is_warm, config), now

    grads, value, now = steps.gradient(loss, state.net.params, axis_name)
    net = steps.descend(state.net, grads, now.stats, config.learning_rate)
    metrics = {"loss": value, "gradient_norm": optax.tree.norm(grads)} | now.terms
    return State(net, state.step + 1), steps.over_devices(metrics, axis_name)

  return types.Learner(lambda key: State(classifier.init(key, images), jnp.int32(0)), observe,
                       lambda state: {"working": state.net},
                       probes=sparsity.probes(classifier, images, num_outputs, config.thresholds))
