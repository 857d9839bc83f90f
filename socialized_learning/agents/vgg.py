"""VGG-16 with batch normalisation, in two widths, with backbone and head apart.

Heads are swapped, stacked on a leading axis and trained on a frozen backbone, so each is a pure
function of its own parameters. Padding, initialisation and batch normalisation are PyTorch's. A
head gives logits, never probabilities.

Shapes: `B` batch, `H W C` height, width and channels of an image, `F` features, `U` hidden units of
the head, `O` outputs.
Source: Simonyan and Zisserman 2015; the widths are those of MASC (Yao et al. 2024).
"""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import chex
import haiku as hk
import jax
import jax.numpy as jnp

from socialized_learning.agents.batch_norm import BatchNorm
from socialized_learning.agents.classifiers import Net
from socialized_learning.agents.layers import TorchConv2D
from socialized_learning.agents.layers import TorchLinear
from socialized_learning.population import randomness

# Channels of the 13 blocks: of a specialist, and of a generalist.
LAYOUTS = {
    "narrow": (64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256, 256, 256),
    "wide": (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
}
POOLED = (1, 3, 6, 9, 12)  # Blocks that a pooling follows.
_NUM_HIDDEN = 2  # Hidden layers of the head.


class VggNet(NamedTuple):
  """All of one network with one head."""
  backbone: Net
  head: Any  # Parameters; a head has no statistics.


class Seen(NamedTuple):
  """What the backbone makes of a batch."""
  features: chex.Array  # [B, F]
  inputs: tuple[chex.Array, ...]  # What each block that was run reads, [B, H, W, C] of its own.


class Vgg(NamedTuple):
  """A VGG as pure functions.

  init_backbone(key, images [B, H, W, C]) -> Net. init_head(key) -> parameters.

  backbone(net, x, is_training=, weights=None, first_block=0) -> (Seen, statistics after it): x is
  the images, or for the rest of a network from a later block on, what that block reads. Weights
  [B] are 0 for examples that only fill up the batch.

  head(params, features [B, F], kept=None) -> logits [B, O]. Dropout keeps the hidden units of the
  two layers that are True in `kept` [2, B, U], scaled up; None keeps all as they are, for
  evaluation. draw_kept(keys [B, 2]) -> [2, B, U] bool, which units are kept for each example, by
  its own key.
  """
  init_backbone: Callable[[chex.PRNGKey, chex.Array], Net]
  backbone: Callable[..., tuple[Seen, Any]]
  init_head: Callable[[chex.PRNGKey], Any]
  head: Callable[..., chex.Array]
  draw_kept: Callable[[chex.Array], chex.Array]
  widths: tuple[int, ...]  # Channels that each block gives; the last is F.


class _Backbone(hk.Module):
  """13 blocks of 3 x 3 convolution, batch normalisation and ReLU, with five poolings."""

  def __init__(self, widths: tuple[int, ...], axis_name: str | None, name: str = "backbone"):
    super().__init__(name=name)
    self._blocks = [(TorchConv2D(width, 3, with_bias=True, name=f"conv_{i}"),
                     BatchNorm(axis_name, name=f"norm_{i}")) for i, width in enumerate(widths)]

  def __call__(self, x: chex.Array, is_training: bool, weights: chex.Array | None, first: int
              ) -> Seen:
    inputs = []
    for i, (conv, norm) in list(enumerate(self._blocks))[first:]:
      inputs.append(x)
      x = jax.nn.relu(norm(conv(x), is_training, weights))
      if i in POOLED:
        x = _pool(x)
    return Seen(x.mean(axis=(1, 2)), tuple(inputs))


class _Head(hk.Module):
  """Two hidden layers with ReLU and dropout, and a linear one."""

  def __init__(self, hidden_size: int, num_outputs: int, dropout_rate: float, name: str = "head"):
    super().__init__(name=name)
    sizes = (hidden_size,) * _NUM_HIDDEN + (num_outputs,)
    *self._hidden, self._last = [
        TorchLinear(size, name=f"linear_{i}") for i, size in enumerate(sizes)]
    self._scale = 1 / (1 - dropout_rate)

  def __call__(self, x: chex.Array, kept: chex.Array | None) -> chex.Array:
    for i, layer in enumerate(self._hidden):
      x = jax.nn.relu(layer(x))
      if kept is not None:
        x = jnp.where(kept[i], x * self._scale, 0)
    return self._last(x)


def shapes(vgg: Vgg, images: jax.ShapeDtypeStruct) -> VggNet:
  """The shapes of a whole network's arrays; nothing is computed. `images` is [1, H, W, C]."""
  key = jax.random.PRNGKey(0)
  return jax.eval_shape(lambda: VggNet(
      vgg.init_backbone(key, jnp.zeros(images.shape, images.dtype)), vgg.init_head(key)))


def make_vgg(layout: str, num_outputs: int, *, width_divisor: int = 1, hidden_size: int = 1024,
             dropout_rate: float = 0.5, axis_name: str | None = None) -> Vgg:
  """Builds a VGG for images of any size.

  Each of the five poolings halves the sides and drops an odd row or column; it is left out where a
  side is 1 already (the last one of 28 x 28, the last two of 8 x 8). Features are the mean over
  what is left, which is one place for 32 x 32 images, as published.

  Args:
    layout: one of `LAYOUTS`.
    num_outputs: O.
    width_divisor: what the published channels are divided by, for smaller networks.
    hidden_size: U.
    dropout_rate: share of the hidden units that training leaves out, below 1.
    axis_name: the devices' axis, over which batch normalisation takes its statistics.

  Raises:
    ValueError: an unknown layout, or a divisor of which the channels are no multiples.
  """
  if layout not in LAYOUTS:
    raise ValueError(f"layout {layout!r}: one of {', '.join(LAYOUTS)}")
  if width_divisor < 1 or any(width % width_divisor for width in LAYOUTS[layout]):
    raise ValueError(f"width_divisor={width_divisor}: a power of 2 up to 64")
  widths = tuple(width // width_divisor for width in LAYOUTS[layout])

  def see(x, *, is_training, weights=None, first_block=0):
    chex.assert_rank(x, 4)
    return _Backbone(widths, axis_name)(x, is_training, weights, first_block)

  def judge(features, kept=None):
    return _Head(hidden_size, num_outputs, dropout_rate)(features, kept)

  backbone = hk.without_apply_rng(hk.transform_with_state(see))
  head = hk.without_apply_rng(hk.transform(judge))
  return Vgg(
      init_backbone=lambda key, images: Net(*backbone.init(key, images, is_training=False)),
      backbone=lambda net, x, **options: backbone.apply(net.params, net.stats, x, **options),
      init_head=lambda key: head.init(key, jnp.zeros((1, widths[-1]))),
      head=head.apply,
      draw_kept=functools.partial(_draw_kept, hidden_size, 1 - dropout_rate),
      widths=widths)


def _draw_kept(hidden_size: int, share: float, keys: chex.Array) -> chex.Array:
  """Each unit with a probability, for each example by its own key: [B, 2] -> [2, B, U] bool."""
  draw = lambda key: jax.random.bernoulli(
      randomness.named(key, "dropout"), share, (_NUM_HIDDEN, hidden_size))
  return jax.vmap(draw, out_axes=1)(keys)


def _pool(x: chex.Array) -> chex.Array:
  """The largest of each 2 x 2 places; nothing where a side is 1. Equal ones share the gradient."""
  height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
  if not height or not width:
    return x
  # With XLA's own pooling a whole training step takes twice as long on a CPU.
  a, b, c, d = (x[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1))
  return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))
