"""Gradient descent with momentum, and how its rate changes over a stage."""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax


class Optimiser(NamedTuple):
  """init(params) -> momentum; update(grads, momentum, params, lesson) -> (params, momentum)."""
  init: Callable[[Any], Any]
  update: Callable[..., tuple[Any, Any]]


def make_optimiser(momentum: float, weight_decay: float) -> Optimiser:
  """Builds `m = momentum m + (g + weight_decay theta)`, `theta = theta - rate m`, for all parameters.

  The rate is the lesson's; where the lesson says so momentum is forgotten first.
  """
  chain = optax.chain(optax.add_decayed_weights(weight_decay), optax.trace(momentum))

  def update(grads, state, params, lesson):
    state = jax.tree.map(lambda x: jnp.where(lesson.forgets, 0, x).astype(x.dtype), state)
    direction, state = chain.update(grads, state, params)
    return jax.tree.map(lambda p, d: p - lesson.rate * d, params, direction), state

  return Optimiser(chain.init, update)


def make_schedule(kind: str, peak: float, *, num_steps: int, warmup_steps: int
                  ) -> Callable[[chex.Numeric], chex.Array]:
  """The learning rate of a stage's steps, 0 … num_steps - 1.

  Args:
    kind: "constant"; or "warmup_cosine": linearly from 0 up to the peak, then half a cosine to 0.
    peak: the rate, or the highest.
    num_steps: of the stage.
    warmup_steps: at most half of the steps are used for it.
  """
  if kind == "constant":
    return optax.constant_schedule(peak)
  warmup_steps = min(warmup_steps, num_steps // 2)
  return optax.warmup_cosine_decay_schedule(0.0, peak, warmup_steps, num_steps)
