"""The probes of gated networks: which channels they keep at inference, and what that costs or saves.

Shapes: `n` test images, `N` members, `L` agents, `C` channels of each, `O` classes, `T` thresholds.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from socialized_learning.agents.classifiers import Classifier
from socialized_learning.learners import types
from socialized_learning.metrics import sparsity

_DIGITS = 4  # Of the profiles, which are many.


class Sums(NamedTuple):
  """Over images; what is thresholded, and what would be drawn."""
  images: chex.Array  # [O]
  kept: chex.Array  # [O, L, C], images that keep a channel.
  probability: chex.Array  # [O, L, C], of being kept if it were drawn.
  neighbours: chex.Array  # [2, L - 1], products of the shares that neighbouring agents keep.


class SumsAtThresholds(NamedTuple):
  """Over images."""
  images: chex.Array  # []
  right: chex.Array  # [T], answered rightly among all outputs.
  kept: chex.Array  # [T, L], shares of the channels that an agent keeps.
  neighbours: chex.Array  # [T, L - 1], products of the shares that neighbouring agents keep.


def probes(classifier: Classifier, images: chex.Array, num_outputs: int,
           thresholds: Sequence[float]) -> dict[str, types.Probe]:
  """Builds the probes, of learners with a state that has `net`.

  `sparsity` looks at what is kept under the threshold of inference; `thresholds`, if there are any,
  at what that network does under others.

  Args:
    classifier: one with agents.
    images: [1, H, W, C'], of the shape that the network reads.
    num_outputs: O.
    thresholds: [T] of the probability to be kept.
  """
  params = jax.eval_shape(classifier.init, jax.random.PRNGKey(0), images).params
  of_network = geometry(params, images.shape[1:], num_outputs)
  built = {"sparsity": types.Probe(_look(classifier, num_outputs), lambda sums: report(sums, of_network))}
  if thresholds:
    built["thresholds"] = types.Probe(
        _look_at_thresholds(classifier, thresholds),
        lambda sums: report_thresholds(sums, thresholds, of_network))
  return built


def geometry(params: Any, image_shape: Sequence[int], num_outputs: int) -> sparsity.Geometry:
  """What the arithmetic hangs on: of a gated network's parameters and images [H, W, C']."""
  stem, squeeze = (params[f"resnet/~/{module}"]["w"].shape for module in ("stem", "agent_0/~/squeeze"))
  return sparsity.Geometry(*image_shape[:2], image_channels=stem[2], base_channels=stem[3],
                           num_hidden=squeeze[1], num_outputs=num_outputs)


def _look(classifier: Classifier, num_outputs: int):

  def look(state, images, labels, valid):
    _, decisions, _ = classifier.gated(state.net, images, is_training=False)
    of_label = jax.nn.one_hot(labels, num_outputs) * valid[:, None]
    by_label = lambda values: jnp.einsum("no,nlc->olc", of_label, values)
    both = jnp.stack([decisions.kept, decisions.probabilities])
    shares = both.mean(axis=-1) * valid[:, None]
    return Sums(of_label.sum(axis=0), *map(by_label, both), _neighbours(shares).sum(axis=1))

  return look


def _look_at_thresholds(classifier: Classifier, thresholds: Sequence[float]):

  def look(state, images, labels, valid):

    def at(threshold):
      output, decisions, _ = classifier.gated(state.net, images, threshold, is_training=False)
      right = (output.logits.argmax(axis=-1) == labels) & valid
      shares = decisions.kept.mean(axis=-1) * valid[:, None]
      return right.sum(), shares.sum(axis=0), _neighbours(shares).sum(axis=0)

    # One after the other in one program: up to the first agent it is computed once.
    found = [at(threshold) for threshold in thresholds]
    return SumsAtThresholds(valid.sum(), *jax.tree.map(lambda *xs: jnp.stack(xs), *found))

  return look


def _neighbours(shares: chex.Array) -> chex.Array:
  """Products of neighbouring agents' shares, [..., L] -> [..., L - 1]."""
  return shares[..., :-1] * shares[..., 1:]


def report(sums: Sums, geometry: sparsity.Geometry) -> dict[str, Any]:
  """What `summary.json` says: every number is one for each member.

  `keep_rate`: share of the channels kept, by agent; `kept_by_any`: share of those that any test
  image keeps. `macs`: of one image, at inference; `gated` is of the convolutions that can be
  skipped. `profiles`: how often each class keeps each channel. `overlap`: of any two classes'.
  """
  num_images = sums.images.sum(axis=-1)
  per_image = lambda x: np.asarray(x, np.float64) / num_images.reshape(-1, *[1] * (x.ndim - 1))
  dense = sparsity.dense_macs(geometry)
  keep_rate, macs = {}, {"dense": dense.total_at_inference, "dense_gated": sum(dense.gated)}
  for row, (name, kept) in enumerate({"thresholded": sums.kept, "drawn": sums.probability}.items()):
    keep_rate[name] = per_image(kept.sum(axis=1)).mean(axis=-1)
    gated = sparsity.gated_macs(dense, keep_rate[name], per_image(sums.neighbours[:, row]))
    macs[name], macs[f"{name}_gated"] = dense.always_at_inference + gated, gated
  profiles = sparsity.profiles(sums.kept, sums.images)
  return {
      "keep_rate": keep_rate,
      "kept_by_any": (sums.kept.sum(axis=1) > 0).mean(axis=-1),
      "macs": macs,
      "overlap": {"cosine": sparsity.cosine_overlap(profiles),
                  "jaccard": sparsity.jaccard_overlap(profiles)},
      "profiles": profiles.round(_DIGITS)}


def report_thresholds(sums: SumsAtThresholds, thresholds: Sequence[float],
                      geometry: sparsity.Geometry) -> dict[str, Any]:
  """What `summary.json` says: but for `threshold` [T], every number is one for each member.

  `accuracy`: [N, T], percent of all test images answered rightly among all outputs. `keep_rate`:
  [N, T, L], share of the channels kept, by agent. `macs`: [N, T], of one image, at inference.
  """
  per_image = lambda x: np.asarray(x, np.float64) / sums.images.reshape(-1, *[1] * (x.ndim - 1))
  dense = sparsity.dense_macs(geometry)
  keep_rate = per_image(sums.kept)
  return {
      "threshold": list(thresholds), "accuracy": 100 * per_image(sums.right), "keep_rate": keep_rate,
      "macs": dense.always_at_inference + sparsity.gated_macs(
          dense, keep_rate, per_image(sums.neighbours))}
