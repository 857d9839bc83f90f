"""A small ResNet whose second half switches channels off, for each image others.

Four agents, one for each 3 x 3 convolution of the second stage, look at what it reads and decide
which of its channels are kept. What is dropped is exactly zero, the shortcut with it.
Source: Varma, Arani and Zonooz 2023, "Dynamically Modular and Sparse General Continual Learning".

Shapes: `B` batch, `H W` height and width, `L` agents, `C` channels that an agent decides on.
"""

from collections.abc import Sequence
from typing import NamedTuple

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from socialized_learning.agents.batch_norm import BatchNorm
from socialized_learning.agents.layers import TorchConv2D
from socialized_learning.agents.layers import TorchLinear
from socialized_learning.agents.resnet import Block

NUM_AGENTS = 4


class Decisions(NamedTuple):
  """What the agents made of a batch, in the order of their convolutions."""
  kept: chex.Array  # [B, L, C], 1 where a channel is kept, 0 where it is dropped; no gradient
  logits: chex.Array  # [B, L, C], how much each channel is wanted
  probabilities: chex.Array  # [B, L, C], of being kept
  log_probs: chex.Array  # [B, L], of all that an agent kept and dropped


class GatedResNet(hk.Module):
  """A 3 x 3 stem, two stages of two basic blocks, mean over space, a linear layer.

  `width` channels in the first stage and twice as many, C, in the second, the gated one (32 as
  published).
  """

  def __init__(self, num_outputs: int, width: int, *, has_agents: bool, bottleneck_ratio: int,
               temperature: float, axis_name: str | None = None,
               channels: Sequence[np.ndarray] | None = None, name: str = "resnet"):
    """Builds it; `channels` are those that are there, see `compaction`, None for all."""
    super().__init__(name=name)
    self._channels = channels
    sizes, residual = [2 * width] * NUM_AGENTS, None
    if channels is not None:
      sizes = [len(each) for each in channels]
      there = {channel: place for place, channel in enumerate(channels[1])}
      residual = np.array([there.get(channel, -1) for channel in channels[3]])
    self._stem = TorchConv2D(width, 3, name="stem")
    self._stem_norm = BatchNorm(axis_name, name="stem_norm")
    self._open_blocks = [Block(width, 1, axis_name, name=f"stage_0_block_{i}") for i in range(2)]
    self._gated_blocks = [
        Block(sizes[1], 2, axis_name, name="stage_1_block_0", inner_width=sizes[0]),
        Block(sizes[3], 1, axis_name, name="stage_1_block_1", inner_width=sizes[2],
              residual=residual)]
    self._agents = [_Agent(2 * width, bottleneck_ratio, axis_name, name=f"agent_{i}")
                    for i in range(NUM_AGENTS if has_agents else 0)]
    self._temperature = temperature
    self._linear = TorchLinear(num_outputs, name="linear")

  def __call__(self, images: chex.Array, is_training: bool, weights: chex.Array | None,
               bars: chex.Array | None, is_dense: chex.Array | bool
               ) -> tuple[chex.Array, chex.Array, Decisions | None]:
    """Images [B, H, W, C'] -> logits [B, outputs], features [B, C], and what the agents decided.

    Args:
      images: [B, H, W, C'].
      is_training: see `BatchNorm`.
      weights: see `BatchNorm`.
      bars: [B, L, C] or what can be broadcast to it; a channel is kept if its probability reaches
        its bar.
      is_dense: whether all is kept, whatever the bars are, and the agents remember nothing.
    """
    made = []

    def gate(reads):
      agent = len(made)
      remembered = jnp.ones(len(images)) if weights is None else weights
      logits = self._agents[agent](reads, is_training, jnp.where(is_dense, 0, remembered))
      made.append(_decide(logits, jnp.broadcast_to(bars, shape)[:, agent], is_dense,
                          self._temperature))
      kept = made[-1].kept
      return (kept if self._channels is None else kept[:, self._channels[agent]])[:, None, None]

    x = jax.nn.relu(self._stem_norm(self._stem(images), is_training, weights))
    for block in self._open_blocks:
      x = block(x, is_training, weights)
    shape = (len(images), NUM_AGENTS, 2 * x.shape[-1])
    for block in self._gated_blocks:
      x = block(x, is_training, weights, gate if self._agents else lambda reads: 1.0)
    features = x.mean(axis=(1, 2))
    decisions = jax.tree.map(lambda *xs: jnp.stack(xs, axis=1), *made) if made else None
    return self._linear(features), features, decisions


def draw_bars(keys: chex.Array, gates: tuple[int, int]) -> chex.Array:
  """Bars that a channel reaches with its probability, keys [B, 2] and (L, C) -> [B, L, C]."""
  # From above 0 to 1: what has no probability is never kept.
  return jax.vmap(lambda key: 1 - jax.random.uniform(key, gates))(keys)


class _Agent(hk.Module):
  """What a convolution reads -> how much each of its channels is wanted, [B, H, W, C'] -> [B, C].

  A 1 x 1 convolution with batch normalisation, its mean over space, and that weighed by what a
  bottleneck makes of it (Hu et al. 2018, squeeze and excitation).
  """

  def __init__(self, num_channels: int, bottleneck_ratio: int, axis_name: str | None, name: str):
    super().__init__(name=name)
    self._conv = TorchConv2D(num_channels, 1, name="conv")
    self._norm = BatchNorm(axis_name, name="norm")
    self._squeeze = TorchLinear(max(1, num_channels // bottleneck_ratio), name="squeeze")
    self._excite = TorchLinear(num_channels, name="excite")

  def __call__(self, x: chex.Array, is_training: bool, weights: chex.Array) -> chex.Array:
    if not is_training:  # All up to the mean is then affine: it may as well come first.
      x = x.mean(axis=(1, 2), keepdims=True)
    pooled = self._norm(self._conv(x), is_training, weights).mean(axis=(1, 2))
    return pooled * jax.nn.sigmoid(self._excite(jax.nn.relu(self._squeeze(pooled))))


def _decide(logits: chex.Array, bars: chex.Array, is_dense: chex.Array | bool, temperature: float
           ) -> Decisions:
  """The decisions of one agent: [B, C], [B, C] -> leaves without the axis L."""
  scaled = logits / temperature
  probabilities = jax.nn.sigmoid(scaled)
  kept = (probabilities >= bars) | is_dense
  log_probs = jnp.where(kept, jax.nn.log_sigmoid(scaled), jax.nn.log_sigmoid(-scaled))
  return Decisions(kept.astype(logits.dtype), logits, probabilities, log_probs.sum(axis=-1))
