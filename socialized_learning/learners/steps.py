"""What the steps of all learners are made of: weighted losses, gradients, averages of networks.

Shapes: `B` examples on this device, `O` outputs.
"""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax

from socialized_learning.agents.classifiers import Net


def cross_entropy(logits: chex.Array, labels: chex.Array) -> chex.Array:
  """`-log softmax(logits)[label]` of each example, over all outputs: [B, O], [B] -> [B]."""
  return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def squared_difference(logits: chex.Array, targets: chex.Array) -> chex.Array:
  """Mean over the outputs of the squared difference: [B, O] -> [B]."""
  return jnp.square(logits - targets).mean(axis=-1)


def mean(values: chex.Array, valid: chex.Array, axis_name: str | None) -> chex.Array:
  """The mean of values [B] over the valid examples of all devices; 0 if there are none.

  On one of D devices it is D times its share of that mean, so that the mean over devices, which
  `descend` takes of gradients, is right however the valid examples are spread.
  """
  valid = valid.astype(values.dtype)
  count = valid.sum()
  if axis_name is not None:
    count = jax.lax.pmean(count, axis_name)
  # Zero times infinity: what is not valid must not be looked at.
  values = jnp.where(valid > 0, values, 0)
  return values.sum() / jnp.where(count > 0, count, 1)


def gradient(loss: Callable[[Any], tuple[chex.Array, Any]], params: Any, axis_name: str | None
            ) -> tuple[Any, chex.Array, Any]:
  """Gradient and value of a loss over all devices, and whatever else the loss returns.

  Args:
    loss: params -> (value made of `mean`s, auxiliary output of this device).
    params: of the network.
    axis_name: the devices' axis; None for none.
  """
  (value, aux), grads = jax.value_and_grad(loss, has_aux=True)(params)
  if axis_name is not None:
    grads, value = jax.lax.pmean((grads, value), axis_name)
  return grads, value, aux


def descend(net: Net, grads: Any, stats: Any, learning_rate: float) -> Net:
  """One step of plain gradient descent; the statistics become `stats`."""
  return Net(jax.tree.map(lambda p, g: p - learning_rate * g, net.params, grads), stats)


def warm_decay(step: chex.Array, decay: float) -> chex.Array:
  """`min(decay, 1 - 1 / (t + 1))` after t steps: an average that starts as the mean of what it saw."""
  return jnp.minimum(decay, 1 - 1 / (step + 1.0))


def average(old: Any, new: Any, decay: chex.Array, happens: chex.Array) -> Any:
  """`decay * old + (1 - decay) * new` where it happens, else `old`."""
  keep = jnp.where(happens, decay, 1.0)
  return jax.tree.map(lambda a, b: (keep * a + (1 - keep) * b).astype(a.dtype), old, new)


def coin(key: chex.PRNGKey, probability: float) -> chex.Array:
  """True with the given probability; drawn whether or not it is certain."""
  return jax.random.uniform(key) < probability


def weighted_square(weights: Any, params: Any, anchor: Any) -> chex.Array:
  """`sum_j w_j (theta_j - theta*_j)^2` over all parameters; no gradient to weights and anchor."""
  weights, anchor = jax.lax.stop_gradient((weights, anchor))
  return sum(jnp.sum(w * jnp.square(p - a)) for w, p, a in zip(
      jax.tree.leaves(weights), jax.tree.leaves(params), jax.tree.leaves(anchor), strict=True))


def over_devices(metrics: dict[str, chex.Array], axis_name: str | None) -> dict[str, chex.Array]:
  """The means over devices of this device's shares, see `mean`."""
  return metrics if axis_name is None else jax.lax.pmean(metrics, axis_name)
