"""Dynamos: agents switch channels of the network off, and what they said is replayed as well.

Source: Varma, Arani and Zonooz 2023, "Dynamically Modular and Sparse General Continual Learning".
Cross-entropy never reaches the agents: which channels were kept is a constant to it. What teaches
the agents does reach the rest of the network, through what they read.
"""

from typing import NamedTuple

import chex
import jax.numpy as jnp
from ml_collections import config_dict
import optax

from socialized_learning import memory as memory_lib
from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import gating
from socialized_learning.learners import replay
from socialized_learning.learners import right_replay
from socialized_learning.learners import sparsity
from socialized_learning.learners import steps
from socialized_learning.learners import types
from socialized_learning.population import randomness


class State(NamedTuple):
  """All that changes."""
  net: Net
  memory: memory_lib.Memory
  step: chex.Array  # int32, steps made


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`.

  Loss, for x', y' drawn from the memory with the logits z' and the agents' logits v' of their time:
    `ce(x, y) + w_r R(x, y) + w_p P(x, y) + logit_weight mean((h(x') - z')^2)
     + policy_logit_weight mean((v(x') - v')^2) + label_weight (ce(x', y') + w_r R(x', y'))
     + w_p P(x', y')`
  with R `gating.policy_loss`, P `gating.prototype_ratio` of what is answered rightly, w_r
  `policy_weight` and w_p `prototype_weight`; the current and the replayed examples in two passes,
  in this order. Only what is answered rightly is stored. The first `warmup_steps` steps are
  `ce(x, y)` alone, with all channels kept and nothing stored.

  Config: also `learning_rate`, `buffer_size`, `replay_batch_size`, `keep_ratio`, `policy_penalty`,
  `memory_policy`, `fidelity`, see `right_replay.draw`; `thresholds`, see `sparsity.probes`.
  """
  run = gating.make_pass(classifier, config, axis_name)

  def init(key):
    memory = right_replay.empty(config.buffer_size, {
        "logits": (num_outputs,), "policy_logits": classifier.gates})
    return State(classifier.init(key, images), memory, jnp.int32(0))

  def observe(state, batch, world, key):
    shown, labels = replay.show(batch, world, key)
    old = right_replay.draw(state.memory, config.replay_batch_size, world, key, axis_name,
                            config.fidelity)
    is_warm = state.step < config.warmup_steps

    def loss(params):
      net = state.net._replace(params=params)
      now = run(net, shown, labels, batch.valid, randomness.named(key, "gates"), is_warm)
      again = run(net._replace(stats=now.stats), old.images, old.labels, old.valid,
                  randomness.named(key, "replayed gates"), is_warm)
      terms = _terms_of_replay(again, old, axis_name)
      # While it is warming up there is nothing to replay, and these are 0.
      value = gating.loss(now.terms, is_warm, config) + _loss_of_replay(terms, config)
      return value, (now, again.stats, now.terms | terms)

    grads, value, (now, stats, terms) = steps.gradient(loss, state.net.params, axis_name)
    notes = {"logits": now.output.logits, "policy_logits": now.decisions.logits}
    memory = right_replay.offer(state.memory, batch._replace(valid=batch.valid & ~is_warm), notes,
                                now.is_right, key, axis_name, config.memory_policy)
    net = steps.descend(state.net, grads, stats, config.learning_rate)
    metrics = {"loss": value, "gradient_norm": optax.tree.norm(grads)} | terms
    return State(net, memory, state.step + 1), steps.over_devices(metrics, axis_name)

  return types.Learner(init, observe, lambda state: {"working": state.net},
                       probes=sparsity.probes(classifier, images, num_outputs, config.thresholds))


def _terms_of_replay(again: gating.Pass, old: replay.Replayed, axis_name: str | None
                    ) -> types.Metrics:
  """What is made of the replayed examples, each term without its weight."""
  flat = lambda x: x.reshape(len(old.valid), -1)
  matched = {
      "logit_loss": steps.squared_difference(again.output.logits, old.notes["logits"]),
      "policy_logit_loss": steps.squared_difference(
          flat(again.decisions.logits), flat(old.notes["policy_logits"]))}
  return {name: steps.mean(values, old.valid, axis_name) for name, values in matched.items()} | {
      "label_loss": again.terms["cross_entropy"],
      "replayed_policy_loss": again.terms["policy_loss"],
      "replayed_prototype_loss": again.terms["prototype_loss"]}


def _loss_of_replay(terms: types.Metrics, config: config_dict.ConfigDict) -> chex.Array:
  """Their weighted sum; `label_weight` weighs the policy term too, but not the prototype term."""
  learnt = terms["label_loss"] + config.policy_weight * terms["replayed_policy_loss"]
  return (config.logit_weight * terms["logit_loss"]
          + config.policy_logit_weight * terms["policy_logit_loss"]
          + config.label_weight * learnt
          + config.prototype_weight * terms["replayed_prototype_loss"])
