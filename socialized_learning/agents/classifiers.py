"""Classifiers: what continual learners train, as pure functions of parameters and statistics.

Shapes: `B` batch, `H W C` height, width and channels of an image, `O` outputs, `F` features.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import haiku as hk
import jax
from ml_collections import config_dict

from socialized_learning.agents import taps as taps_lib
from socialized_learning.agents.layers import GlorotLinear
from socialized_learning.agents.resnet import ResNet18

CLASSIFIERS = ("mlp", "resnet18")


class Net(NamedTuple):
  """All of one network; a population is the same tree with a leading axis."""
  params: Any
  stats: Any  # Running statistics of batch normalisation, empty without it.


class Classification(NamedTuple):
  """What a network makes of a batch."""
  logits: chex.Array  # [B, O]
  features: chex.Array  # [B, F], what the last layer reads


class Classifier(NamedTuple):
  """A classifier as pure functions.

  init(key, images [B, H, W, C]) -> Net; apply(net, images, is_training=, weights=None) ->
  (Classification, statistics after it). Weights [B] are 0 for examples that only fill up the batch.

  taps(net, images, score, is_training=) -> `taps.Taps`: what the layers read, and how much what
  they give matters to a score of the logits.
  """
  init: Callable[[chex.PRNGKey, chex.Array], Net]
  apply: Callable[..., tuple[Classification, Any]]
  head: str | None = None  # Module of the last layer, whose parameters are w [F, O] and b [O].
  taps: Callable[..., taps_lib.Taps] | None = None


class _Mlp(hk.Module):
  """Dense layers with ReLU, as published for MNIST: 784-100-100-10."""

  def __init__(self, num_outputs: int, hidden_sizes: tuple[int, ...], name: str = "mlp"):
    super().__init__(name=name)
    self._hidden = [GlorotLinear(size, name=f"linear_{i}") for i, size in enumerate(hidden_sizes)]
    self._last = GlorotLinear(num_outputs, name=f"linear_{len(hidden_sizes)}")

  def __call__(self, images, is_training, weights):
    del is_training, weights  # Every example is on its own.
    x = images.reshape(images.shape[0], -1)
    for layer in self._hidden:
      x = jax.nn.relu(layer(x))
    return self._last(x), x


def make_classifier(config: config_dict.ConfigDict, num_outputs: int, *,
                    axis_name: str | None = None) -> Classifier:
  """Builds a classifier.

  Args:
    config: `kind`, one of `CLASSIFIERS`; `hidden_sizes` of the MLP; `width` of the first stage of the
      ResNet.
    num_outputs: O.
    axis_name: the devices' axis, over which batch normalisation takes its statistics.
  """

  def forward(images, is_training, weights=None):
    chex.assert_rank(images, 4)
    if config.kind == "mlp":
      module = _Mlp(num_outputs, tuple(config.hidden_sizes))
    else:
      module = ResNet18(num_outputs, config.width, axis_name)
    return Classification(*module(images, is_training, weights))

  init_haiku, apply_haiku = hk.without_apply_rng(hk.transform_with_state(forward))

  def apply(net, images, *, is_training, weights=None):
    return apply_haiku(net.params, net.stats, images, is_training, weights)

  is_mlp = config.kind == "mlp"
  return Classifier(
      lambda key, images: Net(*init_haiku(key, images, False)), apply,
      head=f"mlp/~/linear_{len(config.hidden_sizes)}" if is_mlp else "resnet/~/linear",
      taps=taps_lib.make(lambda *inputs: forward(*inputs).logits))
