"""Socialized learning as a Jaxline experiment: specialists teach a generalist, which makes them grow.

Source: Yao et al. 2024, "Socialized Learning: Making Each Other Better Through Multi-Agent
Collaboration" (MASC).

Shapes: `N` agents, `D` devices of this process, `K` updates of a call.
"""

from collections.abc import Mapping
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning.agents import vgg
from socialized_learning.configs import masc_config
from socialized_learning.experiments import base
from socialized_learning.experiments import masc_checks
from socialized_learning.experiments import masc_design
from socialized_learning.experiments import masc_results
from socialized_learning.experiments import masc_weights
from socialized_learning.experiments import masc_world
from socialized_learning.experiments import unread
from socialized_learning.platform import run_folder
from socialized_learning.population import devices
from socialized_learning.report import masc_tables
from socialized_learning.society import answers
from socialized_learning.society import exchange
from socialized_learning.society import stages as stages_lib
from socialized_learning.society import training
from socialized_learning.society import views


class MascExperiment(base.FusedExperiment):
  """Trains a society through its stages, and examines who knows what."""

  def __init__(self, mode: str, init_rng: chex.PRNGKey, config: config_dict.ConfigDict):
    super().__init__(mode, config)
    self._world = masc_world.load(config)
    self._data = (*self._world.train, *self._world.test)
    self._stages = masc_world.plan(config, self._world)
    self._design = masc_design.make(config, self._world, self._stages)
    keeps_best = config.selection == "validation"
    shown = _shown(self._world)
    # A checkpoint holds the given networks itself: their folders may be gone by then.
    given = masc_weights.load if mode == "train" else masc_weights.shapes
    self._state = self.initial_state(functools.partial(
        training.init, self._design, self._stages, images=shown, keeps_best=keeps_best,
        has_elders=any(stage.round for stage in self._stages)),
                                     init_rng, given(config, self._design, shown))
    self._order = stages_lib.Order(
        self._world.owned, batch_size=config.batch_size, seed=config.random_seed,
        same_every_epoch=self._design.same_every_epoch)
    self._examine = answers.make_examiner(self._design)
    self._stage: stages_lib.Stage | None = None
    self._keepers: dict[str, Any] = {}  # By part.
    self._constants = {}
    if mode == "train":
      self._images = devices.replicate(
          {"images": self._world.train.images, "labels": self._world.train.labels},
          axis_name=config.axis_name)
    self.results: dict[str, Any] = {}

  @classmethod
  def resolve(cls, config: config_dict.ConfigDict, stored: Mapping[str, Any] | None
             ) -> config_dict.ConfigDict:
    """Fills in what the fidelity says, and what is trained for how long; see the base class."""
    given, config = config, masc_checks.resolved(config, stored)
    unread.check(unread.MASC, config, given=given, recipe=masc_config.get_config, stored=stored)
    world = masc_world.load(config)
    stages = masc_world.plan(config, world)
    config.training_steps = config.training_steps or (stages[-1].last if stages else 0)
    # A run that has been begun holds them itself.
    if stored is None or stored.get("weights") != config.weights.to_dict():
      masc_weights.load(config, masc_design.make(config, world, stages), _shown(world))
    return config

  @classmethod
  def check(cls, config: config_dict.ConfigDict) -> None:
    """See the base class."""
    masc_checks.check(config, masc_world.load(config))

  def room(self, step: int) -> int:
    """See the base class."""
    stage = stages_lib.at(self._stages, step)
    return super().room(step) if masc_design.loops(self._config, stage) else 1

  def end_of_call(self, step: int) -> int:
    """See the base class: a call ends with its stage, and where the best is chosen."""
    return min(super().end_of_call(step), self._border_after(step))

  def _border_after(self, step: int) -> int:
    """The next step after which something else than a step happens, wherever this run may end."""
    stage = stages_lib.at(self._stages, step)
    border = stage.last
    if self._config.selection == "validation":
      every = self._config.selection_epochs * stage.steps_per_epoch
      border = min(border, stage.first + ((step - stage.first) // every + 1) * every)
    return border

  def step(self, *, global_step: int, rng: chex.Array, writer: Any, num_updates: int
          ) -> dict[str, chex.Array]:
    """Makes updates of one stage; at its end, and where the best are chosen, does that too."""
    stage = stages_lib.at(self._stages, global_step)
    self._enter(stage, rng)
    metrics = super().step(global_step=global_step, rng=rng, writer=writer, num_updates=num_updates)
    if global_step + num_updates == self._border_after(global_step):
      self._at_border(stage, global_step + num_updates, rng)
    return metrics

  def _enter(self, stage: stages_lib.Stage, rng: chex.Array) -> None:
    """Makes ready for the steps of a stage: its call, and what its frozen networks say."""
    if stage is self._stage:
      return
    config = self._config
    cache = {}
    if config.cache.enabled and (stage.kind != stages_lib.TAUGHT or config.cache.teachers):
      make = views.make_cache(self._design, stage, config.cache.num_views)
      cache = make(devices.first(self._state), self._world.train.images, self._world.train.labels,
                   devices.first(rng))
    self._constants = self._images | {
        "cache": devices.replicate(cache, axis_name=config.axis_name)}
    self._call = devices.fuse(training.make_update(self._design, stage), axis_name=config.axis_name,
                              loops=masc_design.loops(config, stage))
    self._feed = lambda step, num: {"index": self._mine(
        self._order.indices(stage, step - stage.first, num))}
    self._stage = stage

  def _mine(self, index: np.ndarray) -> np.ndarray:
    share = self._config.batch_size // jax.process_count()
    return index[:, share * jax.process_index():share * (jax.process_index() + 1)]

  def _at_border(self, stage: stages_lib.Stage, step: int, rng: chex.Array) -> None:
    """Looks how good the pupils are, keeps the best, and goes over to the next stage."""
    jax.block_until_ready(self._state)
    with self._stopwatch.pause():
      if self._config.selection == "validation":
        self._state = self._keep(stage.part, self._score(stage))
      if step == stage.last:
        number = self._stages.index(stage)
        begun = self._stages[number + 1] if number + 1 < len(self._stages) else None
        self._state = self._cross(stage, begun, rng)

  def _score(self, stage: stages_lib.Stage) -> np.ndarray:
    """Accuracy in percent on held-out images: of agents [N] on their own, else [] on all.

    Federated agents [N] have that of their mean on all: they are kept together.
    """
    parts = devices.first(self._state).parts
    asked = {part: parts[part] for part in (stage.part, stage.backbone) if part}
    held_out = self._world.held_out
    said = self._examine(asked, self._world.train.images[held_out])[stage.part]
    labels = self._world.train.labels[held_out]
    right = said.argmax(axis=-1) == labels
    if right.ndim == 1:
      agents = (self._design.num_agents,) if stage.is_population else ()
      return np.full(agents, 100 * right.mean(), np.float32)
    own = self._world.owner(labels) == np.arange(len(right))[:, None]
    return (100 * (right & own).sum(axis=-1) / own.sum(axis=-1)).astype(np.float32)

  def _keep(self, part: str, score: np.ndarray) -> Any:
    if part not in self._keepers:  # Compiled once.
      self._keepers[part] = devices.on_each_device(
          lambda state, score: training.keep(state, part=part, score=score), axis_name=self._config.axis_name)
    score = devices.replicate(score, axis_name=self._config.axis_name)
    return self._keepers[part](self._state, score)

  def _cross(self, ended: stages_lib.Stage, begun: stages_lib.Stage | None, rng: chex.Array) -> Any:
    cross = devices.on_each_device(
        lambda state, key: training.cross(self._design, state, ended, begun, key),
        axis_name=self._config.axis_name)
    return cross(self._state, rng)

  def evaluate(self, *, global_step, rng, writer) -> dict[str, float]:
    """Examines all networks on the test images, gates calibrated on those held out."""
    del global_step, rng, writer
    state = devices.first(self._state)
    known = masc_weights.given(self._config) | stages_lib.trained(self._stages, int(state.step))
    parts = {part: pupil for part, pupil in state.parts.items() if part in known}
    held_out = self._world.held_out
    said = {name: self._examine(parts, images) for name, images in (
        ("test", self._world.test.images), ("valid", self._world.train.images[held_out]))
            if parts and len(images)}
    self.results = masc_results.results(self._config, self._world, said)
    return masc_results.scalars(self.results)

  def summary(self, folder: run_folder.RunFolder) -> dict[str, Any]:
    """What `summary.json` says about the society."""
    del folder
    count = lambda tree: sum(x.size for x in jax.tree.leaves(tree))
    narrow, wide = (vgg.shapes(network, _shown(self._world))
                    for network in (self._design.narrow, self._design.wide))
    image = self._world.train.images[0].nbytes
    federated = [stage for stage in self._stages if stage.part == "federated"]
    sizes = exchange.Sizes(
        self._design.num_agents, sum(map(len, self._world.owned)), image,
        self._world.groups.shape[1], count(narrow), count(wide), count(wide.head),
        sum(stage.num_steps // self._config.federated_steps for stage in federated))
    return masc_results.summary(self._config, self._world, self._stages, self.results, sizes)

  def write_artifacts(self, folder: run_folder.RunFolder) -> None:
    """Draws who knows what, if agents have grown."""
    if "after" in self.results:
      folder.write_bytes("accuracy_matrix.png", masc_tables.draw(self.results))

  def print_results(self, summary: Mapping[str, Any]) -> None:
    """Prints the results of all agents."""
    masc_tables.print_results(summary)


def _shown(world: masc_world.World) -> chex.Array:
  """An image of the shape that networks read, as a batch of one."""
  return jnp.zeros((1, *world.train.images.shape[1:]))
