"""Convolutions whose gradients are fast on a CPU, and convolutions as one matrix product.

With kernels of its own for each agent XLA's convolution becomes a grouped one, which is slow. A matrix
product costs the same everywhere.

Shapes: `B` batch, `H W` height and width, `C` channels read, `K` channels made.
"""

import functools

import chex
import haiku as hk
import jax
from jax.experimental import xla_metadata
import jax.numpy as jnp

_LAYOUT = ("NHWC", "HWIO", "NHWC")


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve(x: chex.Array, w: chex.Array, stride: int, padding: int) -> chex.Array:
  """Convolution of [B, H, W, C] with a square kernel [size, size, C, K], padded alike on all sides.

  On a CPU its gradients are written down: convolutions with their dimensions in the one order for
  which XLA has fast code. It brings them into it by itself outside of loops and branches only:
  inside, a gradient of its own making takes 20 to 60 times as long.
  """
  return _plain(stride, padding, x, w)


def _plain(stride, padding, x, w):
  return jax.lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2,
                                      dimension_numbers=_LAYOUT)


def _convolve(x, w, stride, padding):
  return convolve(x, w, stride, padding), (x, w)


def _gradients(stride, padding, read, slope):
  """Slopes [B, H', W', K] of the output -> those of the input and of the kernel."""
  if jax.default_backend() != "cpu":
    return jax.vjp(functools.partial(_plain, stride, padding), *read)[1](slope)
  # If XLA inlined the call, it would compute what is transposed here anew, in the order of the
  # transpose: that takes ten times as long as a transpose of what lies in memory.
  with xla_metadata.set_xla_metadata(inlineable="false"):
    return _of_input_and_kernel(stride, padding, *read, slope)


convolve.defvjp(_convolve, _gradients)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _of_input_and_kernel(stride, padding, x, w, slope):
  # Rows (columns) at the end that no place of the kernel reaches.
  unread = [x.shape[axis] + 2 * padding - w.shape[0] - (slope.shape[axis] - 1) * stride
            for axis in (1, 2)]
  # Channels take the place of the batch, and the batch that of the channels.
  of_kernel = jax.lax.conv_general_dilated(
      x.transpose(3, 1, 2, 0), slope.transpose(1, 2, 0, 3), (1, 1),
      [(padding, padding - rest) for rest in unread], rhs_dilation=(stride, stride),
      dimension_numbers=_LAYOUT)
  before = w.shape[0] - 1 - padding
  of_input = jax.lax.conv_general_dilated(
      slope, w[::-1, ::-1].swapaxes(2, 3), (1, 1), [(before, before + rest) for rest in unread],
      lhs_dilation=(stride, stride), dimension_numbers=_LAYOUT)
  return of_input, of_kernel.transpose(1, 2, 0, 3)


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
