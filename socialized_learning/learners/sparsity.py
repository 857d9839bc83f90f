"""The probe of gated networks: which channels they keep at inference, of which classes.

Shapes: `n` test images, `N` members, `L` agents, `C` channels of each, `O` classes.
"""

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


def probe(classifier: Classifier, images: chex.Array, num_outputs: int) -> types.Probe:
  """Builds the probe, of learners with a state that has `net`.

  Args:
    classifier: one with agents.
    images: [1, H, W, C'], of the shape that the network reads.
    num_outputs: O.
  """

  def look(state, images, labels, valid):
    _, decisions, _ = classifier.gated(state.net, images, is_training=False)
    of_label = jax.nn.one_hot(labels, num_outputs) * valid[:, None]
    by_label = lambda values: jnp.einsum("no,nlc->olc", of_label, values)
    both = jnp.stack([decisions.kept, decisions.probabilities])
    shares = both.mean(axis=-1) * valid[:, None]
    neighbours = (shares[..., :-1] * shares[..., 1:]).sum(axis=1)
    return Sums(of_label.sum(axis=0), *map(by_label, both), neighbours)

  net = jax.eval_shape(classifier.init, jax.random.PRNGKey(0), images)
  _, height, width, channels = images.shape
  geometry = sparsity.Geometry(
      height, width, channels, base_channels=classifier.gates[1] // 2,
      num_hidden=net.params["resnet/~/agent_0/~/squeeze"]["w"].shape[1], num_outputs=num_outputs)
  return types.Probe(look, lambda sums: report(sums, geometry))


def report(sums: Sums, geometry: sparsity.Geometry) -> dict[str, Any]:
  """What `summary.json` says: every number is one for each member.

  `keep_rate`: share of the channels kept, by agent; `kept_by_any`: share of those that any test
  image keeps. `macs`: of one image, at inference; `gated` is of the convolutions that can be
  skipped. `profiles`: how often each class keeps each channel. `overlap`: of any two classes'.
  """
  num_images = sums.images.sum(axis=-1)
  per_image = lambda x: np.asarray(x, np.float64) / num_images.reshape(-1, *[1] * (x.ndim - 1))
  dense = sparsity.dense_macs(geometry)
  rest = dense.stem + dense.first_stage + dense.agents_at_inference + dense.head
  keep_rate, macs = {}, {"dense": rest + sum(dense.gated), "dense_gated": sum(dense.gated)}
  for row, (name, kept) in enumerate({"thresholded": sums.kept, "drawn": sums.probability}.items()):
    keep_rate[name] = per_image(kept.sum(axis=1)).mean(axis=-1)
    gated = sparsity.gated_macs(dense, keep_rate[name], per_image(sums.neighbours[:, row]))
    macs[name], macs[f"{name}_gated"] = rest + gated, gated
  profiles = sparsity.profiles(sums.kept, sums.images)
  return {
      "keep_rate": keep_rate,
      "kept_by_any": (sums.kept.sum(axis=1) > 0).mean(axis=-1),
      "macs": macs,
      "overlap": {"cosine": sparsity.cosine_overlap(profiles),
                  "jaccard": sparsity.jaccard_overlap(profiles)},
      "profiles": profiles.round(_DIGITS)}
