"""Convolutions as one matrix product.

XLA's own convolution is slow where populations need it: on CPUs its gradient inside a loop costs some
thirty times as much as outside, and with kernels of its own for each agent it becomes a grouped
convolution. A matrix product costs the same everywhere.
"""

import chex
import haiku as hk
import jax.numpy as jnp


class PatchConv2D(hk.Module):
  """`hk.Conv2D(num_channels, size, padding="VALID")`: the same parameters, the same numbers."""

  def __init__(self, num_channels: int, size: int, *, with_bias: bool, name: str):
    super().__init__(name=name)
    self._num_channels = num_channels
    self._size = size
    self._with_bias = with_bias

  def __call__(self, x: chex.Array) -> chex.Array:
    """[B, H, W, C] -> [B, H - size + 1, W - size + 1, num_channels]."""
    size, channels = self._size, x.shape[-1]
    height, width = x.shape[1] - size + 1, x.shape[2] - size + 1
    fan_in = size * size * channels
    w = hk.get_parameter("w", (size, size, channels, self._num_channels), x.dtype,
                         hk.initializers.TruncatedNormal(fan_in**-0.5))
    patches = jnp.concatenate([x[:, i:i + height, j:j + width] for i in range(size)
                               for j in range(size)], axis=-1)
    out = patches @ w.reshape(fan_in, self._num_channels)
    if self._with_bias:
      out += hk.get_parameter("b", (self._num_channels,), x.dtype, jnp.zeros)
    return out
