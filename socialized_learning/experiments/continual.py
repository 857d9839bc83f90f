"""Continual learning as a Jaxline experiment: several seeds of one learner walk a stream.

Shapes: `N` members (seeds), `D` devices of this process, `K` updates a call has room for, `B` batch on
one device, `T` tasks, `O` outputs.
"""

from collections.abc import Mapping
import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning import learners
from socialized_learning import streams
from socialized_learning.agents import classifiers
from socialized_learning.configs import continual_config
from socialized_learning.experiments import base
from socialized_learning.experiments import continual_checks
from socialized_learning.experiments import continual_examination
from socialized_learning.experiments import continual_results
from socialized_learning.experiments import continual_skipping
from socialized_learning.experiments import continual_world
from socialized_learning.experiments import unread
from socialized_learning.learners import examination
from socialized_learning.platform import run_folder
from socialized_learning.population import devices
from socialized_learning.population import members
from socialized_learning.population import randomness
from socialized_learning.report import continual_tables


class TrainState(NamedTuple):
  """All that changes in training."""
  members: Any  # [N, …], states of the learner
  step: chex.Array  # int32, updates made


class ContinualExperiment(base.FusedExperiment):
  """Trains N seeds of a learner on a stream, and examines them at the borders of its tasks."""

  def __init__(self, mode: str, init_rng: chex.PRNGKey, config: config_dict.ConfigDict):
    super().__init__(mode, config)
    self._images = continual_world.load_images(config)
    self._data = (*self._images.train, *self._images.test)
    self._streams = continual_world.plan(config)
    stream = self._streams[0]
    axis_name = config.axis_name
    make_classifier = functools.partial(
        classifiers.make_classifier, config.network, stream.num_outputs, inference=config.inference)
    shape = (1, *self._images.train.images.shape[1:])
    learner = learners.make(
        config.method, make_classifier(axis_name=axis_name), continual_checks.settings(config, stream),
        images=jnp.zeros(shape), num_outputs=stream.num_outputs, axis_name=axis_name)
    self._learner = learner
    has_convolutions = config.network.kind != "mlp"
    self._over = members.over(config.population.mapping, has_convolutions=has_convolutions)
    self._loops = members.fits_loops(has_convolutions=has_convolutions)
    self._state = self.initial_state(
        lambda key: TrainState(jax.vmap(learner.init)(
            members.keys(randomness.named(key, "start"), config.population.size)), jnp.int32(0)),
        init_rng)
    self._world = continual_world.make_world(self._images, self._streams)
    self._constants = {}
    if mode == "train":
      self._constants = devices.replicate(self._world, axis_name=axis_name)
      self._call = devices.fuse(make_update(learner, stream, self._over, axis_name),
                                axis_name=axis_name, loops=self._loops)
      self._border = {name: make_border(getattr(learner, f"{name}_task"), stream, self._over, axis_name)
                      for name in ("begin", "end") if getattr(learner, f"{name}_task")}
    self._examine = continual_examination.make_examiner(
        make_classifier(), learner, stream, self._over)
    self._probes = continual_examination.Probes(learner, stream, self._over)
    self._skipped: dict[str, Any] = {}
    heads = jax.eval_shape(lambda: learner.heads(learner.init(jax.random.PRNGKey(0))))
    self.results = continual_results.Results(
        list(heads), config.population.size, len(stream.plan.task_ends), stream.num_outputs)

  @classmethod
  def resolve(cls, config: config_dict.ConfigDict, stored: Mapping[str, Any] | None
             ) -> config_dict.ConfigDict:
    """Fills in how long the stream is; see the base class."""
    continual_checks.check_config(config)
    unread.check(unread.CONTINUAL, config, given=config, recipe=continual_config.get_config, stored=stored)
    config = config.copy_and_resolve_references()
    config.training_steps = config.training_steps or len(continual_world.plan(config)[0].plan.index)
    return config

  @classmethod
  def check(cls, config: config_dict.ConfigDict) -> None:
    """See the base class."""
    continual_checks.check(config, continual_world.plan(config)[0])

  def _feed(self, step: int, num_updates: int) -> dict[str, np.ndarray]:
    """What each member sees in the next updates: leaves [K, B over this process, N]."""
    share = self._config.batch_size // jax.process_count()
    mine = slice(share * jax.process_index(), share * (jax.process_index() + 1))
    part = lambda x: x[step:step + num_updates, mine]
    return {name: np.stack([part(getattr(stream.plan, name)) for stream in self._streams], axis=-1)
            for name in ("index", "view", "valid")}

  def room(self, step: int) -> int:
    """See the base class."""
    return super().room(step) if self._loops else 1

  def end_of_call(self, step: int) -> int:
    """See the base class: a call ends with its task."""
    ends = self._streams[0].plan.task_ends
    return min(super().end_of_call(step), int(ends[np.searchsorted(ends, step, side="right")]))

  def step(self, *, global_step: int, rng: chex.Array, writer: Any, num_updates: int
          ) -> dict[str, chex.Array]:
    """Makes updates of one task; before the first and at the end of each looks about."""
    if not global_step and not self.results.begun:
      self._at_start(rng, writer)
    metrics = super().step(
        global_step=global_step, rng=rng, writer=writer, num_updates=num_updates)
    self._end_tasks(global_step + num_updates, rng, writer)
    return metrics

  def _at_start(self, rng: chex.Array, writer: Any) -> None:
    """Accuracies before any training, and the beginning of the first task that has steps."""
    with self._stopwatch.pause():
      self.results.note_start(self._examined(range(self.results.num_tasks)))
    self._cross_border("begin", 0, rng)
    if self._config.method != "joint":  # Of which no task has an end of its own.
      self._end_tasks(0, rng, writer)

  def _end_tasks(self, step: int, rng: chex.Array, writer: Any) -> None:
    """Ends the tasks whose last update this was, and writes how much is known then.

    There are several where tasks have no step: they are one line of metrics, that of the last.
    """
    ended = np.flatnonzero(self._streams[0].plan.task_ends == step).tolist()
    for task in ended:
      self._at_end_of(task, rng)
    if ended and writer is not None:
      writer.write_now(step, self.results.after_task(ended[-1], self._streams[0]))

  def _at_end_of(self, task: int, rng: chex.Array) -> None:
    """What a task's end brings: the learner's own business, an examination, the next task."""
    self._cross_border("end", task, rng)
    num_tasks = self.results.num_tasks
    jax.block_until_ready(self._state)
    with self._stopwatch.pause():
      # The next task too, unseen: what was learnt for it without it.
      self.results.note(task, self._examined(range(min(task + 2, num_tasks))))
    if task + 1 < num_tasks:
      self._cross_border("begin", task + 1, rng)

  def _cross_border(self, name: str, task: int, rng: chex.Array) -> None:
    if name in self._border:
      record = devices.replicate(continual_world.task_record(self._streams, task),
                                 axis_name=self._config.axis_name)
      self._state = self._border[name](self._state, record, self._constants | {"run_key": rng})

  def _examined(self, tasks: Any) -> dict[str, examination.Counts]:
    """Counts of every head on some test sets: leaves [N, tasks, …]."""
    states = devices.first(self._state).members
    ask = lambda task: jax.device_get(self._examine(
        states, self._world, *continual_world.test_set(self._streams, task)))
    nested = self._streams[0].tests.nested
    if nested is not None:
      return {head: examination.of_nested(counts, nested[list(tasks)])
              for head, counts in ask(len(nested) - 1).items()}
    return jax.tree.map(lambda *xs: np.stack(xs, axis=1), *map(ask, tasks))

  def snapshot_state(self) -> dict[str, Any]:
    """One device's copy of all that changes, and what the examinations said so far."""
    return super().snapshot_state() | {"results": self.results.to_arrays()}

  def restore_from_snapshot(self, snapshot_state: Mapping[str, Any]) -> None:
    """Puts a snapshot on all devices."""
    super().restore_from_snapshot(snapshot_state)
    self.results.from_arrays(snapshot_state["results"])

  def evaluate(self, *, global_step, rng, writer) -> dict[str, float]:
    """Final average accuracies, and the probes; examinations are part of training."""
    del global_step, rng, writer
    states = devices.first(self._state).members
    self._probes.look(states, self._world, self._streams)
    if self._config.inference.skip_channels:
      self._skipped = {"skipped_channels": continual_skipping.report(
          self._config, self._streams, self._world, states.net)}
    return self.results.final_metrics(self._streams[0])

  def counters(self) -> dict[str, np.ndarray]:
    """What the learner counts, [N] each."""
    if self._learner.counters is None:
      return {}
    return jax.device_get(jax.vmap(self._learner.counters)(devices.first(self._state).members))

  def summary(self, folder: run_folder.RunFolder) -> dict[str, Any]:
    """What `summary.json` says about the stream."""
    del folder
    counters = self.counters()
    return (self.results.summary(self._config, self._streams, self._images.kind)
            | self._probes.reports | self._skipped | ({"counters": counters} if counters else {}))

  def write_artifacts(self, folder: run_folder.RunFolder) -> None:
    """Writes the tables of results and the probes' pictures."""
    steps = int(devices.first(self._state).step)
    for name, text in self.results.tables(self._config, self._streams[0], steps).items():
      folder.write_text(name, text)
    for name, picture in self._probes.pictures().items():
      folder.write_bytes(f"{name}.png", picture)

  def print_results(self, summary: Mapping[str, Any]) -> None:
    """Prints the results of all heads."""
    continual_tables.print_results(summary)


def make_update(learner: learners.Learner, stream: streams.Stream, over: Any, axis_name: str):
  """One update of all members on one device: (state, batch, constants) -> (state, metrics)."""

  def update(state, batch, constants):
    size = batch["index"].shape[0]
    positions = jax.lax.axis_index(axis_name) * size + jnp.arange(size, dtype=jnp.int32)
    step_keys = members.keys(randomness.at_step(constants["run_key"], state.step),
                             batch["index"].shape[1])

    def one(member, index, view, valid, table, key):
      seen = learners.Batch(index, view, valid, positions)
      return learner.observe(member, seen, continual_world.world_of(stream, constants, table), key)

    moved, metrics = over(one)(state.members, batch["index"].T, batch["view"].T, batch["valid"].T,
                               constants["table"], step_keys)
    return TrainState(moved, state.step + 1), jax.tree.map(lambda x: x.mean(), metrics)

  return update


def make_border(cross: Any, stream: streams.Stream, over: Any, axis_name: str):
  """What a learner does at a border of a task, for all members, compiled once for all tasks."""

  def border(state, record, constants):
    keys = members.keys(
        randomness.named(randomness.at_step(constants["run_key"], state.step), "border"),
        record.examples.index.shape[0])

    def one(member, index, view, valid, table, key):
      examples = learners.Batch(index, view, valid, jnp.arange(index.shape[0], dtype=jnp.int32))
      return cross(member, record._replace(examples=examples),
                   continual_world.world_of(stream, constants, table), key)

    examples = record.examples
    return state._replace(members=over(one)(
        state.members, examples.index, examples.view, examples.valid, constants["table"], keys))

  return devices.on_each_device(border, axis_name=axis_name)
