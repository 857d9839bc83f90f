"""Batch normalisation as PyTorch does it, which the published continual learners rely on.

Haiku's own keeps a debiased average of the biased variance; this one keeps a plain average of the
unbiased variance, from mean 0 and variance 1 on.

Shapes: `B` examples on this device, `...` places in space, `C` channels.
"""

import functools

import chex
import haiku as hk
import jax
import jax.numpy as jnp

EPSILON = 1e-5
MOMENTUM = 0.1


class BatchNorm(hk.Module):
  """`(x - mean) / sqrt(var + 1e-5) * scale + offset` for each channel.

  In training mean and biased variance are those of the batch over all devices, and the running ones
  move a tenth of the way towards the mean and the unbiased variance; otherwise the running ones
  are used. Source: Ioffe and Szegedy 2015, with PyTorch's conventions.
  """

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
    if not is_training:
      return (x - mean) * (jax.lax.rsqrt(var + EPSILON) * scale) + offset
    weights = jnp.ones(x.shape[:1], x.dtype) if weights is None else weights.astype(x.dtype)
    out, *moments, count = _normalise(x, scale, offset, weights, self._axis_name)
    moments[1] *= count / jnp.maximum(count - 1, 1)
    move = jnp.where(count > 0, MOMENTUM, 0.0).astype(x.dtype)
    for name, old, new in zip(("mean", "var"), (mean, var), moments, strict=True):
      hk.set_state(name, (1 - move) * old + move * jax.lax.stop_gradient(new))
    return out


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _normalise(x: chex.Array, scale: chex.Array, offset: chex.Array, weights: chex.Array,
               axis_name: str | None
               ) -> tuple[chex.Array, chex.Array, chex.Array, chex.Array]:
  """Normalises by the moments over all devices, which come along without gradients.

  The gradient is written down (Ioffe and Szegedy 2015, section 3): it needs two sums over the batch,
  where differentiating the mean and the variance takes several passes more.

  Returns:
    The output, mean [C], biased variance [C], and the number of values that each is of.
  """
  return _forwards(x, scale, offset, weights, axis_name)[0]


def _forwards(x, scale, offset, weights, axis_name):
  total = lambda values: _over_devices(_channel_sums(values, weights), axis_name)
  count = _over_devices(weights.sum(), axis_name) * (x[:1].size // x.shape[-1])
  divisor = jnp.maximum(count, 1)
  mean = total(x) / divisor
  # If none counts: dividing by epsilon layer after layer would soon be infinite.
  var = jnp.where(count > 0, total(jnp.square(x - mean)) / divisor, 1)
  inverse = jax.lax.rsqrt(var + EPSILON)
  out = (x - mean) * (inverse * scale) + offset
  return (out, mean, var, count), (x, scale, weights, mean, inverse, divisor)


def _backwards(axis_name, kept, slopes):
  x, scale, weights, mean, inverse, divisor = kept
  slope, every = slopes[0], jnp.ones_like(weights)
  of_offset = _channel_sums(slope, every)
  of_scale = _channel_sums(slope * (x - mean), every) * inverse
  shift = _over_devices(of_offset, axis_name) / divisor
  stretch = _over_devices(of_scale, axis_name) * inverse / divisor
  counts = weights.reshape(-1, *[1] * (x.ndim - 1))  # Examples that do not count move no moment.
  of_x = (slope - counts * (shift + (x - mean) * stretch)) * (inverse * scale)
  return of_x, of_scale, of_offset, jnp.zeros_like(weights)


_normalise.defvjp(_forwards, _backwards)


def _over_devices(x: chex.Array, axis_name: str | None) -> chex.Array:
  return x if axis_name is None else jax.lax.psum(x, axis_name)


def _channel_sums(x: chex.Array, weights: chex.Array) -> chex.Array:
  """Sums over examples, weighed by [B], and places: [B, ..., C] -> [C].

  A product of a vector and a matrix for each example: on a CPU XLA's own sums over all but the last
  axis take up to ten times as long, and one product over all examples adds up more rounding errors.
  """
  rows = x.reshape(len(x), -1, x.shape[-1])
  vectors = jnp.broadcast_to(weights[:, None, None], (len(x), 1, rows.shape[1]))
  sums = jnp.matmul(vectors, rows, precision=jax.lax.Precision.HIGHEST)  # An accelerator would round.
  return sums[:, 0].sum(axis=0)
