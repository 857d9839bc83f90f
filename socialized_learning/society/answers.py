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
from socialized_learning.society.pupils import Pupil

_CHUNK = 500  # Images of one forward pass.


def make_examiner(design: training.Design) -> Callable[..., dict[str, np.ndarray]]:
  """Builds the examiner.

  Returns:
    (parts by name, images uint8 [n, …]) -> logits of each part: [N, n, C] of agents, else [n, C].
    Of `federated` agents it is their mean that is asked, [n, C], wherever they are between two.
    Heads without a backbone of their own, `experts` and `joint_experts`, are asked with that of
    `student` and `joint`, which must be among the parts. Experts that are whole networks are asked
    with their own, and need no student.
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
      if heads in parts and not _are_whole(parts[heads]):
        said[heads] = jax.vmap(design.wide.head, in_axes=(0, None))(
            parts[heads].params["head"], features)
    if "experts" in parts and _are_whole(parts["experts"]):
      said["experts"] = training.say(design.wide, parts["experts"], shown, design.over)
    return said

  def examine(parts: Mapping[str, Any], images: chex.Array) -> dict[str, np.ndarray]:
    parts = _with_shared_backbone(parts)
    n = len(images)
    size = min(_CHUNK, n)
    said = []
    for first in range(0, n, size):
      chunk = np.asarray(images[first:first + size])
      chunk = np.pad(chunk, ((0, size - len(chunk)),) + ((0, 0),) * (chunk.ndim - 1))
      said.append(jax.device_get(ask(parts, chunk)))
    return jax.tree.map(lambda *xs: np.concatenate(xs, axis=-2)[..., :n, :], *said)

  return examine


def _are_whole(agents: Pupil) -> bool:
  """Whether agents have backbones of their own."""
  return "backbone" in agents.params


def _with_shared_backbone(parts: Mapping[str, Pupil]) -> Mapping[str, Pupil]:
  """The parts, experts as heads alone where all their backbones are the student's, bit for bit.

  Then the images pass through one backbone instead of one more for each expert.
  """
  student, experts = parts.get("student"), parts.get("experts")
  if student is None or experts is None or not _are_whole(experts):
    return parts
  of_all, of_student = jax.device_get([
      (pupil.params["backbone"], pupil.stats) for pupil in (experts, student)])
  same = jax.tree.map(lambda own, shared: bool((own == shared).all()), of_all, of_student)
  if not all(jax.tree.leaves(same)):
    return parts
  return {**parts, "experts": Pupil({"head": experts.params["head"]}, {}, {})}
