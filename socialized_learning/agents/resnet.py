"""ResNet-18 for small images, with PyTorch's padding, initialisation and batch normalisation.

Shapes: `B` batch, `H W C` height, width and channels of an image.
Source: He et al. 2016, with the stem of the continual-learning literature: one 3 x 3 convolution with
stride 1 and no pooling.
"""

from collections.abc import Callable
from collections.abc import Sequence

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from socialized_learning.agents.batch_norm import BatchNorm
from socialized_learning.agents.layers import TorchConv2D
from socialized_learning.agents.layers import TorchLinear

_STRIDES = (1, 2, 2, 2)  # Of the first block of each stage.


class ResNet18(hk.Module):
  """Four stages of two basic blocks, mean over space, a linear layer.

  `width` channels in the first stage, twice as many in each further one (64 as published).
  """

  def __init__(self, num_outputs: int, width: int = 64, axis_name: str | None = None,
               name: str = "resnet"):
    super().__init__(name=name)
    self._stem = TorchConv2D(width, 3, name="stem")
    self._stem_norm = BatchNorm(axis_name, name="stem_norm")
    self._blocks: Sequence[Block] = [
        Block(width * 2**stage, stride if first else 1, axis_name, name=f"stage_{stage}_block_{i}")
        for stage, stride in enumerate(_STRIDES) for i, first in enumerate((True, False))]
    self._linear = TorchLinear(num_outputs, name="linear")

  def __call__(self, images: chex.Array, is_training: bool, weights: chex.Array | None
              ) -> tuple[chex.Array, chex.Array]:
    """Images [B, H, W, C] -> logits [B, outputs] and features [B, 8 width]."""
    x = jax.nn.relu(self._stem_norm(self._stem(images), is_training, weights))
    for block in self._blocks:
      x = block(x, is_training, weights)
    features = x.mean(axis=(1, 2))
    return self._linear(features), features


class Block(hk.Module):
  """Two 3 x 3 convolutions beside a shortcut, each with batch normalisation."""

  def __init__(self, width: int, stride: int, axis_name: str | None, name: str,
               inner_width: int | None = None, residual: np.ndarray | None = None):
    """Builds it.

    Args:
      width: channels it makes.
      stride: of its first convolution.
      axis_name: see `BatchNorm`.
      name: of the module.
      inner_width: channels between its convolutions, if they are not as many.
      residual: [width], for each channel it makes the one that it reads to be added up with it, -1
        for none; None for the same ones.
    """
    super().__init__(name=name)
    self._width, self._stride, self._axis_name = width, stride, axis_name
    self._inner_width = inner_width or width
    self._residual = residual

  def __call__(self, x: chex.Array, is_training: bool, weights: chex.Array | None,
               gate: Callable[[chex.Array], chex.Array | float] = lambda reads: 1.0) -> chex.Array:
    """[B, H, W, C] -> [B, H / stride, W / stride, width].

    Args:
      x: [B, H, W, C].
      is_training: see `BatchNorm`.
      weights: see `BatchNorm`.
      gate: what a convolution reads -> by what its output is multiplied, [B, 1, 1, its width];
        called for the first convolution, then for the second, whose gate is the shortcut's too.
    """
    norm = lambda name: BatchNorm(self._axis_name, name=name)
    mask = gate(x)
    out = TorchConv2D(self._inner_width, 3, stride=self._stride, name="conv_1")(x)
    out = jax.nn.relu(norm("norm_1")(out, is_training, weights) * mask)
    mask = gate(out)
    out = TorchConv2D(self._width, 3, name="conv_2")(out)
    out = norm("norm_2")(out, is_training, weights)
    if self._residual is not None:
      x = jnp.pad(x, [(0, 0)] * 3 + [(0, 1)])[..., self._residual]  # The last one is nothing.
    elif self._stride != 1 or x.shape[-1] != self._width:
      x = TorchConv2D(self._width, 1, stride=self._stride, name="shortcut")(x)
      x = norm("shortcut_norm")(x, is_training, weights)
    return jax.nn.relu((out + x) * mask)
