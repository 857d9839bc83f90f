"""What a continual learner is, and what it sees of the world.

A learner never holds images: it is given positions and views, and a `World` that shows what is there.

Shapes: `B` current examples on this device, `N` training images of `C` channels, `n` examples of a
task, `O` outputs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex

from socialized_learning.agents.classifiers import Net

Metrics = dict[str, chex.Array]


class Batch(NamedTuple):
  """The current examples of a step."""
  index: chex.Array  # [B] int32, position in the training images
  view: chex.Array  # [B] int32, row of the stream's table of views
  valid: chex.Array  # [B] bool, False for what only fills up the batch
  positions: chex.Array  # [B] int32, place in the batch over all devices


class World(NamedTuple):
  """The training images, as a learner may look at them."""
  # (index [B], view [B], keys [B, 2] | None) -> images [B, H, W, C], augmented where there are keys.
  look: Callable[[chex.Array, chex.Array, chex.Array | None], chex.Array]
  labels: chex.Array  # [N] int32, the output of each training image
  blank: chex.Array | float = 0.0  # [C] or a number, a pixel of an image of zeros as it is shown


class Task(NamedTuple):
  """What a learner may know at the borders of a task, if it uses borders at all."""
  number: chex.Array  # int32, from 0 on
  examples: Batch  # [n], every example of the task once
  outputs: chex.Array  # [O] bool, the outputs of its classes
  seen: chex.Array  # [O] bool, the outputs of the classes up to and with this task


class Probe(NamedTuple):
  """What is asked of a state at the end beside the examination of its heads, over all test images.

  look(state, images [n, H, W, C], labels [n], valid [n]) -> arrays, sums over the valid images.
  report(the sums over all images, NumPy arrays with a leading axis of members) -> what
  `summary.json` says.
  """
  look: Callable[[Any, chex.Array, chex.Array, chex.Array], Any]
  report: Callable[[Any], dict[str, Any]]


class Learner(NamedTuple):
  """A continual learner as pure functions of its state.

  init(key) -> state. observe(state, batch, world, key) -> (state, metrics), one step.
  begin_task and end_task(state, task, world, key) -> state; None for a learner that needs no borders.
  heads(state) -> the networks to be examined, by name. counters(state) -> whole numbers by name,
  what has happened so far; None for a learner of which each step is like the other. probes: by the
  name that `summary.json` has.
  """
  init: Callable[[chex.PRNGKey], Any]
  observe: Callable[[Any, Batch, World, chex.PRNGKey], tuple[Any, Metrics]]
  heads: Callable[[Any], dict[str, Net]]
  begin_task: Callable[[Any, Task, World, chex.PRNGKey], Any] | None = None
  end_task: Callable[[Any, Task, World, chex.PRNGKey], Any] | None = None
  counters: Callable[[Any], dict[str, chex.Array]] | None = None
  probes: dict[str, Probe] | None = None
