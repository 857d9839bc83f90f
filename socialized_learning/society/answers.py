"""What all networks of a society say of images, in evaluation mode.

Shapes: `N` agents, `n` images, `C` classes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import chex
import jax
import numpy as np

from socialized_learning.agents.classifiers import Net
from socialized_learning.population import compilation
from socialized_learning.society import training

_CHUNK = 500  # Images of one forward pass.


def make_examiner(design: training.Design) -> Callable[..., dict[str, np.ndarray]]:
  """Builds the examiner.

  Returns:
    (parts by name, images uint8 [n, …]) -> logits of each part: [N, n, C] of agents, else [n, C].
    Of `federated` agents it is their mean that is asked, [n, C], wherever they are between two.
    Heads without a backbone of their own, `experts` and `joint_experts`, are asked with that of
    `student` and `joint`, which must be among the parts.
  """

  @compilation.jit
  def ask(parts, images):
    shown, said = design.show(images, None), {}
    if "specialists" in parts:
      said["specialists"] = training.say(
          design.narrow, parts["specialists"], shown, design.over)
    if "federated" in parts:
      said["federated"] = training.say_alone(
          design.narrow, training.federated(parts["federated"]), shown)
    for part, heads in (("student", "experts"), ("joint", "joint_experts")):
      if part not in parts:
        continue
      pupil = parts[part]
      features = design.wide.backbone(Net(pupil.params["backbone"], pupil.stats), shown,
                                      is_training=False)[0].features
      said[part] = design.wide.head(pupil.params["head"], features)
      if heads in parts:
        said[heads] = jax.vmap(design.wide.head, in_axes=(0, None))(
            parts[heads].params["head"], features)
    return said

  def examine(parts: Mapping[str, Any], images: chex.Array) -> dict[str, np.ndarray]:
    n = len(images)
    size = min(_CHUNK, n)
    said = []
    for first in range(0, n, size):
      chunk = np.asarray(images[first:first + size])
      chunk = np.pad(chunk, ((0, size - len(chunk)),) + ((0, 0),) * (chunk.ndim - 1))
      said.append(jax.device_get(ask(parts, chunk)))
    return jax.tree.map(lambda *xs: np.concatenate(xs, axis=-2)[..., :n, :], *said)

  return examine
