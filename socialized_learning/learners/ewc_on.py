"""Online EWC: parameters are held to where the last task left them, as tasks so far need them.

Source: Schwarz et al. 2018, "Progress & Compress", with the estimate of importance of Sarfraz et
al. 2022, "SYNERgy", whose code also has the option of one importance per filter.
"""

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import importance as importance_lib
from socialized_learning.learners import penalty
from socialized_learning.learners import replay
from socialized_learning.learners import steps
from socialized_learning.learners import types


class State(NamedTuple):
  """All that changes."""
  net: Net
  anchor: Any  # theta*, parameters at the end of the last task.
  importance: Any  # F, of each parameter; 0 before the end of the first task.


def consolidate(state: State, total: Any, num_examples: chex.Array,
                config: config_dict.ConfigDict) -> State:
  """The state at the end of a task.

  Args:
    state: the state so far.
    total: importance summed over the task's examples, like the parameters.
    num_examples: of the task, int32.
    config: see `make`.
  """
  divisor = jnp.maximum(num_examples, 1)
  if config.fidelity == "reference" and config.has_short_batches:  # Batches times their size.
    divisor = -(-divisor // config.batch_size) * config.batch_size
  importance = jax.tree.map(lambda old, new: config.ewc_decay * old + new / divisor,
                            state.importance, total)
  if config.get("average_filters", False):
    importance = importance_lib.average_filters(importance)
  return State(state.net, jax.tree.map(jnp.array, state.net.params), importance)


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`.

  Loss: `ce + ewc_weight sum_j F_j (theta_j - theta*_j)^2`. At a task's end `F = ewc_decay F + F'`
  and theta* becomes theta; F' is the mean `importance` of the task's examples, each augmented once.
  Fidelity "reference" estimates it as the published code does, and divides by the number of batches
  times their size, of which the last may be short (`has_short_batches`).
  Config: `learning_rate`, `ewc_weight`, `ewc_decay`, `fidelity`, `batch_size` over all devices;
  `average_filters` where kernels shall have one importance per filter.
  """
  del num_outputs
  estimate = importance_lib.make_importance(classifier, config.fidelity, axis_name=axis_name)

  def init(key):
    net = classifier.init(key, images)
    return State(net, jax.tree.map(jnp.array, net.params),
                 jax.tree.map(jnp.zeros_like, net.params))

  def observe(state, batch, world, key):
    loss = penalty.make_loss(classifier, state.net, batch, world, key, state.importance, state.anchor,
                             config.ewc_weight, axis_name)
    grads, value, (stats, terms) = steps.gradient(loss, state.net.params, axis_name)
    net = steps.descend(state.net, grads, stats, config.learning_rate)
    return state._replace(net=net), steps.over_devices({"loss": value} | terms, axis_name)

  def end_task(state, task, world, key):
    show = lambda at: replay.show(jax.tree.map(lambda x: x[at], task.examples), world, key)
    valid = task.examples.valid
    total, stats = estimate(state.net, show, valid.astype(jnp.float32))
    state = state._replace(net=state.net._replace(stats=stats))
    return consolidate(state, total, valid.sum(), config)

  return types.Learner(init, observe, lambda state: {"working": state.net}, end_task=end_task)
