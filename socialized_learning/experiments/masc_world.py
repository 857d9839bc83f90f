"""What a society sees: images, whose they are, and which of them only select and calibrate.

Shapes: `N` agents, `n` training images, `C` classes.
"""

import ast
from collections.abc import Callable, Sequence
import functools
from typing import NamedTuple

from ml_collections import config_dict
import numpy as np

from socialized_learning.data import sources
from socialized_learning.experiments import masc_weights
from socialized_learning.platform.errors import UserError
from socialized_learning.society import groups as groups_lib
from socialized_learning.society import stages as stages_lib
from socialized_learning.streams import pools


# The last: each agent has the classes of one task, of a set that comes in tasks.
SPLITS = (*groups_lib.SPLITS, "tasks")


class World(NamedTuple):
  """The images of a run; none of it changes."""
  kind: str  # What numbers measured on them are numbers of.
  train: sources.Images  # All training images, those held out too.
  test: sources.Images
  groups: np.ndarray  # [N, C] bool, whose classes are whose
  owned: tuple[np.ndarray, ...]  # Of each agent the images it trains on.
  held_out: np.ndarray  # [m], images that only select and calibrate.

  def owner(self, labels: np.ndarray) -> np.ndarray:
    """The agent that each label belongs to."""
    return groups_lib.owners(self.groups)[labels]


def load(config: config_dict.ConfigDict) -> World:
  """Reads the images and divides them.

  Raises:
    UserError: no such images or groups, or a group that has nothing to learn from.
  """
  given = config.groups.given
  return _load(config.data.name, config.data.dir, config.data.download, config.data.order,
               config.data.validation, config.data.classes, config.data.images_per_class, config.groups.num_agents, config.groups.split,
               config.groups.seed, given if isinstance(given, str) else str(tuple(given)),
               config.random_seed)


@functools.lru_cache(maxsize=1)
def _load(name, data_dir, download, order, validation, classes, images_per_class, num_agents, split,
          groups_seed, given, seed) -> World:
  found = sources.load(name, data_dir=data_dir or None, download=download, order=order)
  kind, num_classes = found.kind, found.num_classes
  train, test = found.train, found.test
  if classes:
    if not 0 < classes <= num_classes:
      raise UserError(f"data.classes={classes}: {name} has {num_classes}, use 0 for all")
    train, test = (sources.Images(images.images[images.labels < classes],
                                  images.labels[images.labels < classes]) for images in (train, test))
    if classes < num_classes:
      kind = f"{kind}, the first {classes} of {num_classes} classes"
    num_classes = classes
  if split == "tasks" and not found.tasks:
    raise UserError(f"groups.split='tasks': {name} does not come in tasks, use "
                    f"{', '.join(groups_lib.SPLITS)}")
  if split == "tasks" and len(found.tasks) != num_agents:
    raise UserError(f"groups.num_agents={num_agents}: {name} comes in {len(found.tasks)} tasks, one for "
                    f"each agent, use {len(found.tasks)}")
  groups = groups_lib.split("given" if split == "tasks" else split, num_agents, num_classes,
                            seed=groups_seed, given=found.tasks if split == "tasks" else _parsed(given))
  if images_per_class:
    if images_per_class > (most := int(np.bincount(train.labels).max())):
      raise UserError(f"data.images_per_class={images_per_class}: {name} has at most {most} of a class, "
                      "use 0 for all")
    few = _of_each_class(train.labels, num_classes, lambda count: images_per_class, "images", seed)
    train = sources.Images(train.images[few], train.labels[few])
    kind = f"{kind}, {images_per_class} training images of each class"
  held_out = _of_each_class(
      train.labels, num_classes, lambda count: round(validation * count), "held out", seed)
  is_left = np.ones(len(train.labels), bool)
  is_left[held_out] = False
  owners = groups_lib.owners(groups)[train.labels]
  owned = tuple(np.flatnonzero((owners == agent) & is_left).astype(np.int32)
                for agent in range(num_agents))
  if empty := [agent for agent, images in enumerate(owned) if not len(images)]:
    raise UserError(f"agent {empty[0]} has no image to train on: give it other classes, or hold out "
                    f"less than data.validation={validation}")
  return World(kind, train, test, groups, owned, held_out)


def _parsed(given: str) -> Sequence[Sequence[int]]:
  """Groups as they are written: "((0, 1), (2, 3))"."""
  try:
    groups = ast.literal_eval(given)
    return tuple(tuple(group) for group in groups)
  except (ValueError, SyntaxError, TypeError) as error:
    raise UserError(f"groups.given={given!r}: write the classes of every agent, as "
                    "((0, 1), (2, 3))") from error


def _of_each_class(labels: np.ndarray, num_classes: int, number: Callable[[int], int], name: str,
                   seed: int) -> np.ndarray:
  """Of each class so many as its size says, drawn with the seed: positions in their order."""
  chosen = [np.empty(0, np.int64)]
  for label in range(num_classes):
    there = np.flatnonzero(labels == label)
    order = pools.generator(seed, name, label).permutation(len(there))
    chosen.append(there[order[:number(len(there))]])
  return np.sort(np.concatenate(chosen)).astype(np.int32)


def plan(config: config_dict.ConfigDict, world: World) -> tuple[stages_lib.Stage, ...]:
  """The stages of a run."""
  epochs = config.num_epochs
  untrained = masc_weights.given(config) if config.train else masc_weights.PARTS
  return stages_lib.plan(
      [len(images) for images in world.owned], config.batch_size,
      (epochs.specialists, epochs.student, epochs.experts), rounds=config.rounds,
      has_baselines=config.baselines, given=untrained)
