"""Synaptic intelligence: each parameter is held in place by how much it has lowered the loss.

Source: Zenke, Poole and Ganguli 2017, "Continual Learning through Synaptic Intelligence", equations 3
to 5, with the gradients clipped as in Mammoth, the common implementation of continual learning.
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

FIDELITIES = ("clean", "paper")


class State(NamedTuple):
  """All that changes."""
  net: Net
  anchor: Any  # Parameters at the end of the last task.
  importance: Any  # Omega, of each parameter.
  path: Any  # omega of the current task.


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`.

  Loss: `ce + si_weight sum_j Omega_j (theta_j - theta*_j)^2`; each entry of its gradient g is clipped to
  [-1, 1]. omega grows by what each step lowers the loss, to first order. Fidelity "clean" counts the
  penalty as well, `omega += learning_rate g^2`, as in the public code that the published numbers and
  tuned values come from (DER, CLS-ER, Mammoth at first). "paper" counts the loss of the task alone, as in
  the paper, its authors' code and today's Mammoth: `omega += g' (theta - theta_after)`, g' the gradient
  of the cross-entropy, not clipped. At a task's end
  `Omega = max(0, Omega + omega / ((theta - theta*)^2 + xi))`, theta* becomes theta and omega 0.
  Config: `learning_rate`, `si_weight` (c), `si_damping` (xi), `fidelity` ("clean" if it is not there).

  Raises:
    ValueError: no such fidelity.
  """
  del num_outputs
  fidelity = config.get("fidelity", "clean")
  if fidelity not in FIDELITIES:
    raise ValueError(f"fidelity {fidelity!r}: one of {FIDELITIES}")

  def init(key):
    net = classifier.init(key, images)
    zeros = lambda: jax.tree.map(jnp.zeros_like, net.params)
    return State(net, jax.tree.map(jnp.array, net.params), zeros(), zeros())

  def observe(state, batch, world, key):
    loss = penalty.make_loss(classifier, state.net, batch, world, key, state.importance, state.anchor,
                             config.si_weight, axis_name)
    grads, value, (stats, terms) = steps.gradient(loss, state.net.params, axis_name)
    clipped = jax.tree.map(lambda g: jnp.clip(g, -1, 1), grads)
    factor = clipped
    if fidelity == "paper":  # The gradient without that of the penalty.
      factor = jax.tree.map(lambda g, w, p, a: g - 2 * config.si_weight * w * (p - a),
                            grads, state.importance, state.net.params, state.anchor)
    path = jax.tree.map(lambda w, f, g: w + config.learning_rate * (f * g), state.path, factor, clipped)
    net = steps.descend(state.net, clipped, stats, config.learning_rate)
    return (state._replace(net=net, path=path),
            steps.over_devices({"loss": value} | terms, axis_name))

  def end_task(state, task, world, key):
    del task, world, key
    params = state.net.params
    # "paper" can be below 0, where the penalty would push away: the authors' code has the same bound.
    importance = jax.tree.map(
        lambda omega, w, p, a: jnp.maximum(0, omega + w / (jnp.square(p - a) + config.si_damping)),
        state.importance, state.path, params, state.anchor)
    return State(state.net, jax.tree.map(jnp.array, params), importance,
                 jax.tree.map(jnp.zeros_like, state.path))

  return types.Learner(init, observe, lambda state: {"working": state.net}, end_task=end_task)
