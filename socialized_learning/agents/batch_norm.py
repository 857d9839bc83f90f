"""Batch normalisation as PyTorch does it, which the published continual learners rely on.

Haiku's own keeps a debiased average of the biased variance; this one keeps a plain average of the
unbiased variance, from mean 0 and variance 1 on.

Shapes: `B` examples on this device, `...` places in space, `C` channels.
"""

import chex
import haiku as hk
import jax
import jax.numpy as jnp


class BatchNorm(hk.Module):
  """`(x - mean) / sqrt(var + 1e-5) * scale + offset` for each channel.

  In training mean and biased variance are those of the batch over all devices, and the running ones
  move a tenth of the way towards the mean and the unbiased variance; otherwise the running ones
  are used. Source: Ioffe and Szegedy 2015, with PyTorch's conventions.
  """

  EPSILON = 1e-5
  MOMENTUM = 0.1

  def __init__(self, axis_name: str | None = None, name: str | None = None):
    super().__init__(name=name)
    self._axis_name = axis_name

  def __call__(self, x: chex.Array, is_training: bool, weights: chex.Array | None = None
              ) -> chex.Array:
    """Normalises [B, ..., C].

    Args:
      x: [B, ..., C].
      is_training: whether the batch's own statistics are used and remembered.
      weights: [B], 0 for examples that only fill up the batch: they do not count. If none counts,
        nothing is remembered.
    """
    channels = x.shape[-1:]
    scale = hk.get_parameter("scale", channels, x.dtype, jnp.ones)
    offset = hk.get_parameter("offset", channels, x.dtype, jnp.zeros)
    mean = hk.get_state("mean", channels, x.dtype, jnp.zeros)
    var = hk.get_state("var", channels, x.dtype, jnp.ones)
    if is_training:
      running = (mean, var)
      mean, var, count = self._moments(x, weights)
      unbiased = var * count / jnp.maximum(count - 1, 1)
      move = jnp.where(count > 0, self.MOMENTUM, 0.0).astype(x.dtype)
      for name, old, new in zip(("mean", "var"), running, (mean, unbiased), strict=True):
        hk.set_state(name, (1 - move) * old + move * jax.lax.stop_gradient(new))
    return (x - mean) * (jax.lax.rsqrt(var + self.EPSILON) * scale) + offset

  def _moments(self, x: chex.Array, weights: chex.Array | None
              ) -> tuple[chex.Array, chex.Array, chex.Array]:
    """Mean and biased variance [C] over all devices, and how many values each is of."""
    weights = jnp.ones(x.shape[:1], x.dtype) if weights is None else weights.astype(x.dtype)
    places = x[:1].size // x.shape[-1]

    def total(values):
      # Over space first: weighing what is left costs nothing.
      values = values.sum(axis=tuple(range(1, values.ndim - 1)))
      values = (weights[:, None] * values).sum(axis=0)
      return values if self._axis_name is None else jax.lax.psum(values, self._axis_name)

    count = total(jnp.ones((x.shape[0], 1), x.dtype))[0] * places
    divisor = jnp.maximum(count, 1)
    mean = total(x) / divisor
    var = total(jnp.square(x - mean)) / divisor
    # If none counts: dividing by epsilon layer after layer would soon be infinite.
    return mean, jnp.where(count > 0, var, 1), count
