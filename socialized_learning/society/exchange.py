"""What agents send each other in each stage, in bytes: images, outputs and weights.

What a real society would send: float32 weights and outputs, uint8 images with labels of 4 bytes.
Each thing is sent once, to everyone who needs it.

Shapes: `N` agents, `C` classes, `n` images.
"""

from collections.abc import Sequence
from typing import NamedTuple

from socialized_learning.society import stages as stages_lib
from socialized_learning.society.stages import Stage

_FLOAT = 4  # Bytes; of labels too.


class Sizes(NamedTuple):
  """Of what is sent."""
  num_agents: int  # N
  num_images: int  # n, of all agents together
  image: int  # bytes of one
  num_classes: int  # C
  narrow: int  # numbers of a specialist, running statistics too
  wide: int  # of a generalist
  head: int  # of a wide head
  federated_rounds: int  # averages of federated agents


def table(stages: Sequence[Stage], sizes: Sizes, *, caches_teachers: bool) -> list[dict]:
  """For each stage what is sent, by whom to whom, in bytes."""
  return [{"stage": stage.name, **_of(stage, sizes, caches_teachers)} for stage in stages]


def _of(stage: Stage, sizes: Sizes, caches_teachers: bool) -> dict:
  images = sizes.num_images * (sizes.image + _FLOAT)
  sent = {"images": 0, "outputs": 0, "weights": 0}
  if stage.part == "federated":  # Up to the centre and down again.
    sent["weights"] = 2 * sizes.federated_rounds * sizes.num_agents * sizes.narrow * _FLOAT
  elif stage.kind == stages_lib.TAUGHT:
    # Teachers go to where the student is, unless what they say of each image is enough.
    teacher = sizes.head if stage.round else sizes.narrow
    sent["images"] = 0 if stage.round else images
    if caches_teachers:
      sent["outputs"] = sizes.num_images * sizes.num_classes * _FLOAT
    else:
      sent["weights"] = sizes.num_agents * teacher * _FLOAT
  elif stage.part == "joint":
    sent["images"] = images
  elif stage.kind == stages_lib.GROWN:  # The generalist goes to every agent.
    sent["weights"] = sizes.num_agents * sizes.wide * _FLOAT
  return sent | {"total": sum(sent.values())}
