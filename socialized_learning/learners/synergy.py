"""SYNERGy: replay beside a slow average of the network, which also says what must not be unlearnt.

Source: Sarfraz, Arani and Zonooz 2022, "SYNERgy between SYNaptic consolidation and Experience
Replay for general continual learning".

Shapes: `c` slots of the memory.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import optax

from socialized_learning import memory as memory_lib
from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import consistency
from socialized_learning.learners import importance as importance_lib
from socialized_learning.learners import replay
from socialized_learning.learners import steps
from socialized_learning.learners import types
from socialized_learning.population import members
from socialized_learning.population import randomness


class Counts(NamedTuple):
  """What has happened so far, int32."""
  ema_updates: chex.Array
  importance_updates: chex.Array
  first_importance_step: chex.Array  # Steps made when it was first estimated, from 1; -1: not yet.


class State(NamedTuple):
  """All that changes."""
  net: Net  # theta, and statistics b.
  semantic: Net  # phi, an average of theta, and statistics c of its own passes.
  importance: Any  # F, of each parameter; 0 before the first estimate.
  memory: memory_lib.Memory
  step: chex.Array  # int32, steps made
  counts: Counts


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`.

  Loss: cross-entropy of current and replayed examples together, plus `consistency_weight` times the
  mean squared difference of working and semantic logits on the replayed ones, plus `penalty_weight`
  times `sum_j G_j (theta_j - phi_j)^2`. Then the current examples are offered to the memory; with
  probability `ema_rate` phi becomes `a phi + (1 - a) theta`, a the warm `ema_decay`; and with
  probability `importance_rate` F follows what matters to the semantic network on the memory,
  likewise with `importance_decay`. G is F, averaged over each filter if `average_filters`.
  Fidelity "reference" estimates F as the published code does, see `importance`, and over all slots:
  one that is not filled is an image of zeros of output 0.
  Config: `learning_rate`, `buffer_size`, `memory_policy`, `replay_batch_size`,
  `consistency_weight`, `ema_rate`, `ema_decay`, `penalty_weight`, `importance_decay`,
  `importance_rate`, `average_filters`, `fidelity`. Without penalty nothing is estimated.
  """
  del num_outputs
  estimate = importance_lib.make_importance(classifier, config.fidelity, axis_name=axis_name)

  def init(key):
    net = classifier.init(key, images)
    return State(net, jax.tree.map(jnp.array, net), jax.tree.map(jnp.zeros_like, net.params),
                 memory_lib.empty(config.buffer_size), jnp.int32(0),
                 Counts(jnp.int32(0), jnp.int32(0), jnp.int32(-1)))

  def observe(state, batch, world, key):
    net, semantic = state.net, state.semantic
    old = replay.draw(state.memory, config.replay_batch_size, world, key, axis_name)
    targets, semantic_stats = classifier.apply(semantic, old.images, is_training=True,
                                               weights=old.valid)
    replayed = consistency.make_loss(classifier, net, batch, world, key, old, targets.logits,
                                     config.consistency_weight, axis_name)
    weights = (importance_lib.average_filters(state.importance) if config.average_filters
               else state.importance)

    def loss(params):
      value, (stats, terms) = replayed(params)
      terms["penalty"] = steps.weighted_square(weights, params, semantic.params)
      return value + config.penalty_weight * terms["penalty"], (stats, terms)

    grads, value, (stats, terms) = steps.gradient(loss, net.params, axis_name)
    terms |= {"loss": value, "pull_norm": config.penalty_weight * pull_norm(
        weights, net.params, semantic.params)}
    moved = steps.descend(net, grads, stats, config.learning_rate)
    memory = replay.offer(state.memory, batch, {}, key, axis_name, config.memory_policy)
    state = follow(state._replace(net=moved, memory=memory, step=state.step + 1), semantic_stats,
                   key, config)
    if config.penalty_weight:
      state = consolidate(state, world, key, config, estimate)
    return state, steps.over_devices(terms, axis_name)

  return types.Learner(init, observe,
                       lambda state: {"working": state.net, "semantic": state.semantic},
                       counters=lambda state: state.counts._asdict())


def follow(state: State, stats: Any, key: chex.PRNGKey, config: config_dict.ConfigDict) -> State:
  """The semantic network, of new statistics, follows the working one if the coin says so."""
  happens = steps.coin(randomness.named(key, "ema"), config.ema_rate)
  params = steps.average(state.semantic.params, state.net.params,
                         steps.warm_decay(state.step, config.ema_decay), happens)
  counts = state.counts._replace(ema_updates=state.counts.ema_updates + happens)
  return state._replace(semantic=Net(params, stats), counts=counts)


def consolidate(state: State, world: types.World, key: chex.PRNGKey, config: config_dict.ConfigDict,
                estimate: Callable) -> State:
  """The importance follows what matters to the semantic network, if the coin says so.

  Args:
    state: after all else of this step.
    world: shows what is in the memory.
    key: of this step.
    config: see `make`.
    estimate: from `importance.make_importance`.
  """
  key, step, semantic = randomness.named(key, "importance"), state.step, state.semantic
  is_filled = memory_lib.filled(state.memory)
  counted = jnp.ones_like(is_filled) if config.fidelity == "reference" else is_filled

  def update(old):
    importance, _, counts = old
    total, stats = estimate(semantic, recall(state.memory, world, key), counted.astype(jnp.float32))
    is_first = counts.importance_updates == 0
    # The first estimate is taken as it is, whenever it comes.
    keep = jnp.where(is_first, 0, steps.warm_decay(step, config.importance_decay))
    mean = jax.tree.map(lambda x: x / jnp.maximum(counted.sum(), 1), total)
    return steps.average(importance, mean, keep, True), stats, counts._replace(
        importance_updates=counts.importance_updates + 1,
        first_importance_step=jnp.where(is_first, step, counts.first_importance_step))

  # A branch: at a rate of a thousandth, members must not pay for an estimate in every step.
  importance, stats, counts = members.branch(
      steps.coin(key, config.importance_rate), update,
      (state.importance, semantic.stats, state.counts))
  return state._replace(semantic=semantic._replace(stats=stats), importance=importance,
                        counts=counts)


def recall(memory: memory_lib.Memory, world: types.World, key: chex.PRNGKey) -> importance_lib.Show:
  """Shows slots [c], augmented; one that is not filled as an image of zeros of output 0."""
  key = randomness.named(key, "recalled augmentation")

  def show(slots):
    index, view, _ = memory_lib.read(memory, slots)
    shown = world.look(index, view, randomness.each(key, slots))
    filled = slots < memory.seen
    return (jnp.where(filled[:, None, None, None], shown, world.blank),
            jnp.where(filled, world.labels[index], 0))

  return show


def pull_norm(weights: Any, params: Any, anchor: Any) -> chex.Array:
  """The norm of the gradient of `sum_j w_j (theta_j - theta*_j)^2`."""
  return 2 * optax.tree.norm(jax.tree.map(lambda w, p, a: w * (p - a), weights, params, anchor))
