"""Linear layers and convolutions with PyTorch's initialisation and padding.

Weights and biases start uniform within `1 / sqrt(fan_in)`; a 3 x 3 convolution pads one pixel on each
side whatever its stride, where XLA's "SAME" would pad only below and to the right at stride 2.

Shapes: `B` batch, `H W C` height, width and channels.
"""

import chex
import haiku as hk
import jax
import jax.numpy as jnp

from socialized_learning.agents import convolutions


def _uniform(fan_in: int) -> hk.initializers.Initializer:
  return hk.initializers.RandomUniform(-fan_in**-0.5, fan_in**-0.5)


class TorchLinear(hk.Module):
  """`x w + b`, [..., inputs] -> [..., num_outputs]."""

  def __init__(self, num_outputs: int, name: str | None = None):
    super().__init__(name=name)
    self._num_outputs = num_outputs

  def __call__(self, x: chex.Array) -> chex.Array:
    inputs = x.shape[-1]
    w = hk.get_parameter("w", (inputs, self._num_outputs), x.dtype, _uniform(inputs))
    b = hk.get_parameter("b", (self._num_outputs,), x.dtype, _uniform(inputs))
    return x @ w + b


class TorchConv2D(hk.Module):
  """A square convolution, without bias unless asked, padded to keep its size at stride 1."""

  def __init__(self, num_channels: int, size: int, *, stride: int = 1, with_bias: bool = False,
               name: str | None = None):
    super().__init__(name=name)
    self._num_channels, self._size, self._stride = num_channels, size, stride
    self._with_bias = with_bias

  def __call__(self, x: chex.Array) -> chex.Array:
    """[B, H, W, C] -> [B, H / stride, W / stride, num_channels]."""
    if min(x.shape[1:3]) < self._size:
      # XLA's own, of images smaller than its kernel, takes a hundred times as long on a CPU.
      return self.of_patches(self.patches(x))
    pad = self._size // 2
    w, b = self._parameters(x.shape[-1], x.dtype)
    return b + convolutions.convolve(x, w, self._stride, pad)

  def patches(self, x: chex.Array) -> chex.Array:
    """What it reads at each place, [B, H / stride, W / stride, size size C]."""
    return convolutions.patches(x, self._size, self._stride, self._size // 2)

  def of_patches(self, patches: chex.Array) -> chex.Array:
    """What it gives for them, as a matrix product."""
    w, b = self._parameters(patches.shape[-1] // self._size**2, patches.dtype)
    return b + patches @ w.reshape(-1, self._num_channels)

  def _parameters(self, channels: int, dtype: jnp.dtype) -> tuple[chex.Array, chex.Array | float]:
    """Kernel [size, size, C, outputs] and bias, 0 without one."""
    start = _uniform(self._size**2 * channels)
    w = hk.get_parameter("w", (self._size, self._size, channels, self._num_channels), dtype, start)
    if not self._with_bias:
      return w, 0.0
    return w, hk.get_parameter("b", (self._num_channels,), dtype, start)


class GlorotLinear(hk.Module):
  """`x w + b` with Glorot-uniform weights and no bias at the start, as the published MNIST network."""

  def __init__(self, num_outputs: int, name: str | None = None):
    super().__init__(name=name)
    self._num_outputs = num_outputs

  def __call__(self, x: chex.Array) -> chex.Array:
    glorot = hk.initializers.VarianceScaling(1.0, "fan_avg", "uniform")
    w = hk.get_parameter("w", (x.shape[-1], self._num_outputs), x.dtype, glorot)
    return x @ w + hk.get_parameter("b", (self._num_outputs,), x.dtype, jnp.zeros)
