"""The closed-form world of MASC's golden numbers: weights, images and dropout masks by formula.

Tensors of a network are numbered 0 ... 83 in PyTorch's order, running statistics included: six of
each block, six of the head. Entries are computed in float64 and then cast.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from socialized_learning.agents import vgg

NUM_BLOCKS = 13
DIVISOR, HIDDEN, OUTPUTS = 8, 128, 10  # Of the small networks.
_HEAD = 6 * NUM_BLOCKS  # The first tensor of the head.


@functools.cache
def small(layout: str) -> vgg.Vgg:
  """The small network of a layout."""
  return vgg.make_vgg(layout, OUTPUTS, width_divisor=DIVISOR, hidden_size=HIDDEN)


def entries(t: int, shape: tuple[int, ...]) -> np.ndarray:
  """Tensor t in our layout, outputs last, float64."""
  o = np.arange(shape[-1])
  angle = t + 1.1 * o
  if len(shape) > 1:
    i = np.arange(shape[-2])[:, None]
    angle = angle + 0.7 * i + 0.2 * o * i
    if len(shape) == 2:
      return 1.5 * np.sin(angle) / np.sqrt(shape[0])
    y, x = np.ogrid[:shape[0], :shape[1]]
    return 2 * np.sin(angle + 0.5 * y[..., None, None] + 0.3 * x[..., None, None]) / np.sqrt(
        9 * shape[2])
  if t >= _HEAD or t % 6 in (1, 4):  # Biases and running means.
    return 0.1 * np.sin(angle)
  return {2: 1 + 0.1 * np.sin(angle), 3: 0.1 * np.cos(angle), 5: 3 + np.cos(angle)}[t % 6]


def place(t: int) -> tuple[str, ...]:
  """Where tensor t is in the plain dictionaries of a `VggNet`."""
  if t >= _HEAD:
    layer, which = divmod(t - _HEAD, 2)
    return "head", f"head/~/linear_{layer}", "wb"[which]
  block, which = divmod(t, 6)
  tree, module, name = [
      ("params", "conv", "w"), ("params", "conv", "b"), ("params", "norm", "scale"),
      ("params", "norm", "offset"), ("stats", "norm", "mean"), ("stats", "norm", "var")][which]
  return "backbone", tree, f"backbone/~/{module}_{block}", name


def _leaf(net: vgg.VggNet, t: int):
  tree = net.head if t >= _HEAD else getattr(net.backbone, place(t)[1])
  return tree[place(t)[-2]], place(t)[-1]


def shapes(made: vgg.Vgg, channels: int = 3) -> vgg.VggNet:
  """The shapes of a network for images of so many channels."""
  key = jax.random.PRNGKey(0)
  return jax.eval_shape(lambda: vgg.VggNet(
      made.init_backbone(key, jnp.zeros((1, 32, 32, channels))), made.init_head(key)))


def net(made: vgg.Vgg, dtype=np.float64, channels: int = 3) -> vgg.VggNet:
  """The network with entries by formula."""
  empty = shapes(made, channels)
  for t in range(_HEAD + 6):
    leaves, name = _leaf(empty, t)
    leaves[name] = entries(t, leaves[name].shape).astype(dtype)
  return empty


def tensor(net: vgg.VggNet, t: int) -> np.ndarray:
  """Tensor t of a network, or of something of its structure."""
  leaves, name = _leaf(net, t)
  return np.asarray(leaves[name])


def images(numbers, dtype=np.float64) -> np.ndarray:
  """Images of those numbers, [n, 32, 32, 3]."""
  n = np.asarray(numbers)[:, None, None, None]
  y, x, c = np.ogrid[:32, :32, :3]
  return np.sin(0.9 * n + 0.4 * c + 0.25 * y + 0.35 * x + 0.05 * y * x * (n + 1)).astype(dtype)


def kept(num_images: int = 4, hidden_size: int = HIDDEN) -> np.ndarray:
  """The fixed dropout masks, [2, n, U] bool."""
  d, n, j = np.ogrid[:2, :num_images, :hidden_size]
  return (5 * n + 3 * j + d) % 4 < 2


def summary(tree) -> tuple[float, float]:
  """Sum and sum of squares over all entries."""
  leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(tree)]
  return sum(leaf.sum() for leaf in leaves), sum((leaf**2).sum() for leaf in leaves)


def running(stats, block: int) -> tuple[float, float]:
  """Sums of running mean and running variance of one block."""
  leaves = stats[f"backbone/~/norm_{block}"]
  return tuple(float(np.asarray(leaves[which]).sum()) for which in ("mean", "var"))
