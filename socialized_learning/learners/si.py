"""Synaptic intelligence: parameters are held where the loss has fallen along their way.

Source: Zenke, Poole and Ganguli 2017, "Continual Learning through Synaptic Intelligence", with the
gradients clipped as in the continual-learning literature's common implementation.
"""

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import penalty
from socialized_learning.learners import steps
from socialized_learning.learners import types


class State(NamedTuple):
  """All that changes."""
  net: Net
  anchor: Any  # Parameters at the end of the last task.
  importance: Any  # Omega, of each parameter.
  path: Any  # omega of the task under way.


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`.

  Loss: `ce + si_weight sum_j Omega_j (theta_j - theta*_j)^2`; each entry of its gradient is clipped to
  [-1, 1]; `omega += learning_rate g^2`. At a task's end `Omega += omega / ((theta - theta*)^2 + xi)`,
  theta* becomes theta and omega 0.
  Config: `learning_rate`, `si_weight` (c), `si_damping` (xi).
  """
  del num_outputs

  def init(key):
    net = classifier.init(key, images)
    zeros = lambda: jax.tree.map(jnp.zeros_like, net.params)
    return State(net, jax.tree.map(jnp.array, net.params), zeros(), zeros())

  def observe(state, batch, world, key):
    loss = penalty.make_loss(classifier, state.net, batch, world, key, state.importance, state.anchor,
                             config.si_weight, axis_name)
    grads, value, (stats, terms) = steps.gradient(loss, state.net.params, axis_name)
    grads = jax.tree.map(lambda g: jnp.clip(g, -1, 1), grads)
    path = jax.tree.map(lambda w, g: w + config.learning_rate * jnp.square(g), state.path, grads)
    net = steps.descend(state.net, grads, stats, config.learning_rate)
    return (state._replace(net=net, path=path),
            steps.over_devices({"loss": value} | terms, axis_name))

  def end_task(state, task, world, key):
    del task, world, key
    params = state.net.params
    importance = jax.tree.map(
        lambda omega, w, p, a: omega + w / (jnp.square(p - a) + config.si_damping),
        state.importance, state.path, params, state.anchor)
    return State(state.net, jax.tree.map(jnp.array, params), importance,
                 jax.tree.map(jnp.zeros_like, state.path))

  return types.Learner(init, observe, lambda state: {"working": state.net}, end_task=end_task)
