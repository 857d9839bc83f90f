"""Classifiers: what continual learners train, as pure functions of parameters and statistics.

Shapes: `B` batch, `H W C` height, width and channels of an image, `O` outputs, `F` features; of a
gated network `L` agents, `C` channels each.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any, NamedTuple

import chex
import haiku as hk
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning.agents import gated_resnet
from socialized_learning.agents import taps as taps_lib
from socialized_learning.agents.layers import GlorotLinear
from socialized_learning.agents.resnet import ResNet18
from socialized_learning.population import randomness

CLASSIFIERS = ("mlp", "resnet18", "gated_resnet")
INFERENCE_MODES = ("threshold", "sample")


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

  init(key, images [B, H, W, C]) -> Net; apply(net, images, is_training=, weights=None, key=None) ->
  (Classification, statistics after it). Weights [B] are 0 for examples that only fill up the batch;
  the key is for networks that draw at inference.

  gated(net, images, bars, is_training=, weights=None, is_dense=False) -> (Classification,
  gated_resnet.Decisions, statistics after it), of a network with agents: how it is trained, see
  `gated_resnet.GatedResNet`; bars None are the threshold of inference. Its `apply` is for inference
  alone.

  taps(net, images, score, is_training=) -> `taps.Taps`: what the layers read, and how much what
  they give matters to a score of the logits.
  """
  init: Callable[[chex.PRNGKey, chex.Array], Net]
  apply: Callable[..., tuple[Classification, Any]]
  head: str | None = None  # Module of the last layer, whose parameters are w [F, O] and b [O].
  taps: Callable[..., taps_lib.Taps] | None = None
  gated: Callable[..., tuple[Classification, gated_resnet.Decisions, Any]] | None = None
  gates: tuple[int, int] | None = None  # L and C of a network with agents.


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
                    axis_name: str | None = None,
                    inference: config_dict.ConfigDict | None = None,
                    channels: Sequence[np.ndarray] | None = None) -> Classifier:
  """Builds a classifier.

  Args:
    config: `kind`, one of `CLASSIFIERS`; `hidden_sizes` of the MLP; `width` of the first stage of a
      ResNet; `has_agents`, `bottleneck_ratio` and `policy_temperature` of the gated one, and
      `grey_as_colour`, whether it sees an image of one channel as three equal ones.
    num_outputs: O.
    axis_name: the devices' axis, over which batch normalisation takes its statistics.
    inference: how agents decide in a test: `mode`, one of `INFERENCE_MODES`, and the `threshold` of
      probability; None for a network without agents.
    channels: of the gated network, those that are there, see `compaction`; None for all.
  """
  if config.kind == "gated_resnet":
    return _make_gated(config, num_outputs, axis_name, inference, channels)

  def forward(images, is_training, weights=None):
    chex.assert_rank(images, 4)
    if config.kind == "mlp":
      module = _Mlp(num_outputs, tuple(config.hidden_sizes))
    else:
      module = ResNet18(num_outputs, config.width, axis_name)
    return Classification(*module(images, is_training, weights))

  init_haiku, apply_haiku = hk.without_apply_rng(hk.transform_with_state(forward))

  def apply(net, images, *, is_training, weights=None, key=None):
    del key
    return apply_haiku(net.params, net.stats, images, is_training, weights)

  is_mlp = config.kind == "mlp"
  return Classifier(
      lambda key, images: Net(*init_haiku(key, images, False)), apply,
      head=f"mlp/~/linear_{len(config.hidden_sizes)}" if is_mlp else "resnet/~/linear",
      taps=taps_lib.make(lambda *inputs: forward(*inputs).logits))


def _make_gated(config: config_dict.ConfigDict, num_outputs: int, axis_name: str | None,
                inference: config_dict.ConfigDict | None,
                channels: Sequence[np.ndarray] | None) -> Classifier:
  """Builds the gated ResNet, or the same without agents; see `make_classifier`."""

  gates = (gated_resnet.NUM_AGENTS, 2 * config.width)

  def forward(images, bars, is_training, weights, is_dense):
    chex.assert_rank(images, 4)
    if config.grey_as_colour and images.shape[-1] == 1:  # The stem then learns three times as fast.
      images = jnp.repeat(images, 3, axis=-1)
    module = gated_resnet.GatedResNet(
        num_outputs, config.width, has_agents=config.has_agents,
        bottleneck_ratio=config.bottleneck_ratio, temperature=config.policy_temperature,
        axis_name=axis_name, channels=channels)
    return module(images, is_training, weights, bars, is_dense)

  init_haiku, apply_haiku = hk.without_apply_rng(hk.transform_with_state(forward))

  def gated(net, images, bars=None, *, is_training, weights=None, is_dense=False):
    if bars is None and config.has_agents:
      bars = inference.threshold
    (logits, features, decisions), stats = apply_haiku(
        net.params, net.stats, images, bars, is_training, weights, is_dense)
    return Classification(logits, features), decisions, stats

  def apply(net, images, *, is_training, weights=None, key=None):
    if is_training and config.has_agents:
      raise ValueError("a network with agents is trained by `gated`")
    bars = None
    if config.has_agents and inference.mode == "sample":
      bars = gated_resnet.draw_bars(randomness.each(key, jnp.arange(len(images))), gates)
    output, _, stats = gated(net, images, bars, is_training=is_training, weights=weights)
    return output, stats

  init = lambda key, images: Net(*init_haiku(key, images, 0.5, False, None, False))
  if config.has_agents:
    own = dict(gated=gated, gates=gates)
  else:
    own = dict(taps=taps_lib.make(
        lambda images, is_training: forward(images, None, is_training, None, False)[0]))
  return Classifier(init, apply, head="resnet/~/linear", **own)
