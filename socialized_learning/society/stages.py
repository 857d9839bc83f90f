"""The stages of a society's life: what is trained when, and on which images.

Shapes: `N` agents, `B` batch over all devices, `K` steps, `C` classes.
"""

from collections.abc import Collection, Sequence
import functools
from typing import NamedTuple
import zlib

import numpy as np

ALONE, TAUGHT, GROWN = "alone", "taught", "grown"  # Kinds of stages; see `pupils`.


class Stage(NamedTuple):
  """One stage."""
  name: str  # As it is shown.
  part: str  # What of the state it trains.
  kind: str  # ALONE: from images; TAUGHT: from teachers as well; GROWN: heads on a frozen backbone.
  steps_per_epoch: int
  first: int  # Step at which it begins.
  last: int  # Step before which it ends.
  round: int = 0  # Of collaboration and altruism.
  backbone: str = ""  # GROWN: the part whose backbone is frozen.
  is_population: bool = False  # Whether there is one of it for each agent, on its own images.

  @property
  def num_steps(self) -> int:
    """How long it lasts."""
    return self.last - self.first


def plan(group_sizes: Sequence[int], batch_size: int, num_epochs: Sequence[int], *, rounds: int,
         has_baselines: bool, given: Collection[str] = ()) -> tuple[Stage, ...]:
  """All stages in their order.

  An epoch of agents is as long as it takes to see the largest of their sets once.

  Args:
    group_sizes: number of training images of each agent.
    batch_size: B.
    num_epochs: of the specialists, the student and the experts.
    rounds: how often collaboration and altruism follow each other.
    has_baselines: whether to train what they are compared with, as many epochs: the average of
      federated specialists, a network on all images, and heads on its backbone.
    given: parts that are not trained.
  """
  alone, taught, grown = num_epochs
  agents = {"steps_per_epoch": -(-max(group_sizes) // batch_size), "is_population": True}
  everyone = {"steps_per_epoch": -(-sum(group_sizes) // batch_size)}
  wanted = [("specialists", "specialists", ALONE, alone, agents)]
  for number in range(rounds):
    this = {"round": number}
    wanted += [("collaboration", "student", TAUGHT, taught, everyone | this),
               ("altruism", "experts", GROWN, grown, agents | this | {"backbone": "student"})]
  if has_baselines:
    wanted += [("federated", "federated", ALONE, alone, agents),
               ("joint", "joint", ALONE, taught, everyone),
               ("joint altruism", "joint_experts", GROWN, grown, agents | {"backbone": "joint"})]
  stages, first = [], 0
  for name, part, kind, epochs, more in wanted:
    if part in given:
      continue
    last = first + epochs * more["steps_per_epoch"]
    if rounds > 1 and "round" in more:
      name = f"{name} {more['round'] + 1}"
    stages.append(Stage(name, part, kind, first=first, last=last, **more))
    first = last
  return tuple(stages)


def at(stages: Sequence[Stage], step: int) -> Stage:
  """The stage that makes a step; the last one at the end."""
  return next((stage for stage in stages if step < stage.last), stages[-1])


def trained(stages: Sequence[Stage], step: int) -> frozenset[str]:
  """The parts that are whole after so many steps, which may be in the middle of a stage.

  Not those that a stage under way is changing, nor heads whose backbone has moved since they grew.
  """
  whole: set[str] = set()
  for stage in stages:
    if stage.last <= step:
      whole.add(stage.part)
    elif stage.first < step or (stage.first == step and stage.kind == GROWN):  # Grown from new heads.
      whole.discard(stage.part)
    if stage.first < step:
      whole -= {other.part for other in stages if other.backbone == stage.part}
  return frozenset(whole)


class Order:
  """In which order images are seen: each epoch in its own, batches running on over its end.

  It depends on the seed, the stage, the agent and the epoch alone.
  """

  def __init__(self, owned: Sequence[np.ndarray], *, batch_size: int, seed: int,
               same_every_epoch: bool):
    """Prepares.

    Args:
      owned: N arrays, the images of each agent.
      batch_size: B.
      seed: of the run.
      same_every_epoch: whether every epoch is as the first.
    """
    self._owned = owned
    self._all = np.concatenate(owned)
    self._batch_size = batch_size
    self._seed = seed
    self._same = same_every_epoch

  def indices(self, stage: Stage, step: int, num: int) -> np.ndarray:
    """Images of `num` steps of a stage, from its step `step` on: [K, B, N], or [K, B] of no agents."""
    numbers = np.arange(step, step + num)
    if self._same:
      numbers = numbers % stage.steps_per_epoch
    places = numbers[:, None] * self._batch_size + np.arange(self._batch_size)
    if not stage.is_population:
      return self._at(stage, 0, self._all, places)
    return np.stack([self._at(stage, agent, images, places)
                     for agent, images in enumerate(self._owned)], axis=-1)

  def _at(self, stage: Stage, agent: int, images: np.ndarray, places: np.ndarray) -> np.ndarray:
    epochs, within = np.divmod(places, len(images))
    found = np.empty(places.shape, np.int32)
    for epoch in np.unique(epochs):
      there = epochs == epoch
      order = _permutation(self._seed, zlib.crc32(stage.name.encode()), agent, int(epoch), len(images))
      found[there] = images[order[within[there]]]
    return found


@functools.lru_cache(maxsize=64)
def _permutation(*seed_and_size: int) -> np.ndarray:
  *seed, size = seed_and_size
  return np.random.default_rng(seed).permutation(size)
