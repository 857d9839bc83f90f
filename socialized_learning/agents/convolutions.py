"""Convolutions as one matrix product.

XLA's own convolution is slow where populations need it: on CPUs its gradient inside a loop costs some
thirty times as much as outside, and with kernels of its own for each agent it becomes a grouped
convolution. A matrix product costs the same everywhere.
"""

import chex
import haiku as hk
import jax.numpy as jnp


def patches(x: chex.Array, size: int, stride: int = 1, padding: int = 0) -> chex.Array:
  """What a convolution reads at each place: [B, H, W, C] -> [B, H', W', size size C].

  Row by row, the channels of a place together, as kernels [size, size, C, outputs] are laid out.
  """
  x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
  last = [length - size + 1 for length in x.shape[1:3]]
  return jnp.concatenate([x[:, i:i + last[0]:stride, j:j + last[1]:stride] for i in range(size)
                          for j in range(size)], axis=-1)


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
    fan_in = size * size * channels
    w = hk.get_parameter("w", (size, size, channels, self._num_channels), x.dtype,
                         hk.initializers.TruncatedNormal(fan_in**-0.5))
    out = patches(x, size) @ w.reshape(fan_in, self._num_channels)
    if self._with_bias:
      out += hk.get_parameter("b", (self._num_channels,), x.dtype, jnp.zeros)
    return out
