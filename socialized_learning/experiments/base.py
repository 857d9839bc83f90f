"""What all experiments share: fused steps, late metrics, snapshots, and a watch over every number.

Shapes: `D` devices of this process, `K` updates that a call has room for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import contextlib
import functools
import json
import time
from typing import Any

import chex
import jax
import jax.numpy as jnp
from jaxline import experiment
from ml_collections import config_dict
import numpy as np

from socialized_learning.data import fingerprints
from socialized_learning.platform import interrupts
from socialized_learning.platform import run_folder
from socialized_learning.platform.errors import NonFiniteError
from socialized_learning.population import devices

# Metrics that are not there in every step: NaN then says "not this time".
OCCASIONAL = frozenset({"imitation_loss"})


def _intervals(config: config_dict.ConfigDict) -> list[int]:
  """Steps after which something is logged, saved or evaluated."""
  return [int(interval) for interval in (  # Jaxline's are floats, being made for seconds too.
      config.log_train_data_interval, config.save_checkpoint_interval, config.evaluation.interval)
          if interval]


def _is_due(step: int, interval: float, config: config_dict.ConfigDict) -> bool:
  return step % interval == 0 or step >= config.training_steps


class FusedExperiment(experiment.AbstractExperiment):
  """An experiment whose state changes only by one pmapped, donated call of several updates.

  A subclass sets, in its constructor, `self._state` (replicated), `self._call` (made by
  `devices.fuse`), `self._constants` (replicated), `self._feed` and `self._data`, and implements
  `check`, `evaluate`, `summary` and `print_results`.
  """

  _state: Any
  _constants: Any
  _call: Callable[[Any, Any, Any, np.int32], tuple[Any, dict[str, chex.Array]]]
  _feed: Callable[[int, int], Any]  # (step, k) -> batches [k, b, …] of this process
  _data: Iterable[np.ndarray]  # What `data_fingerprint` is made of.

  def __init__(self, mode: str, config: config_dict.ConfigDict):
    super().__init__(mode=mode)
    self.mode = mode
    self._config = config
    self.steps_per_second: float | None = None  # Of training alone, once it has been measured.
    self._stopwatch = Stopwatch()

  def initialize_train_step_rng(self, rng: chex.PRNGKey) -> chex.Array:
    """The key all randomness of training is derived from; it stays the same for the whole run."""
    return devices.replicate(rng, axis_name=self._config.axis_name)

  def step(self, *, global_step: int, rng: chex.Array, writer: Any, num_updates: int
          ) -> dict[str, chex.Array]:
    """Makes the updates `global_step` to `global_step + num_updates`, and what comes with them."""
    del writer
    return self.advance(global_step, num_updates, rng)

  def advance(self, step: int, num_updates: int, rng: chex.Array) -> dict[str, chex.Array]:
    """Makes the updates from `step` on and nothing else, all of them in one call; metrics [D, K]."""
    missing = self.room(step) - num_updates
    batches = jax.tree.map(lambda x: np.pad(x, [(0, missing), *[(0, 0)] * (x.ndim - 1)]),
                           self._feed(step, num_updates))
    self._state, metrics = self._call(
        self._state, devices.split(batches), self._constants | {"run_key": rng},
        np.int32(num_updates))
    return metrics

  def room(self, step: int) -> int:
    """How many updates a call has room for that begins at `step`."""
    del step
    return min(self._config.updates_per_call, *_intervals(self._config))

  def end_of_call(self, step: int) -> int:
    """The step that a call which begins at `step` goes up to: something happens there, or it is full."""
    return min(step + self.room(step), self._config.training_steps,
               *(step - step % interval + interval for interval in _intervals(self._config)))

  def should_run_step(self, global_step: int, config: config_dict.ConfigDict) -> bool:
    """Until the last step, or until the user asks to stop (Jaxline then saves)."""
    return global_step < config.training_steps and not interrupts.requested()

  def train_loop(self, config, state, periodic_actions, writer=None) -> None:
    """Jaxline's loop with three differences: it counts updates and not calls; keys are derived from
    the step and not carried along; metrics leave the devices only when somebody wants them, and
    every one of them, and the state, is looked at before anything is saved."""
    pending: list[tuple[int, int, Mapping[str, chex.Array]]] = []
    means = RunningMeans(state.get("unlogged"))
    self._stopwatch = Stopwatch()
    interrupts.agree()
    while self.should_run_step(state.global_step, config):
      num_updates = self.end_of_call(state.global_step) - state.global_step
      with jax.profiler.StepTraceAnnotation("train", step_num=state.global_step):
        metrics = self.step(global_step=state.global_step, rng=state.train_step_rng, writer=writer,
                            num_updates=num_updates)
      pending.append((state.global_step, num_updates, metrics))
      state.global_step += num_updates
      if any(_is_due(state.global_step, every, config) for every in _intervals(config)):
        interrupts.agree()
        self._take_in(pending, means, state.global_step)
        self.steps_per_second = self._stopwatch.lap(sum(made for _, made, _ in pending))
        pending = []
        scalars = {"updates": means.updates} | means.values() | self.counters()
        if _is_due(state.global_step, config.log_train_data_interval, config):
          means = RunningMeans()
        # With it a run that is resumed between two logs logs what it would have logged.
        state.unlogged = means.to_json()
        for action in periodic_actions:
          action(time.time(), state.global_step, scalars)
        self._stopwatch.start()
    self._take_in(pending, means, state.global_step)  # There are some if the user has asked to stop.
    state.unlogged = means.to_json()

  def _take_in(self, pending: list[tuple[int, int, Mapping[str, chex.Array]]], means: "RunningMeans",
               step: int) -> None:
    """Adds metrics to their means; raises NonFiniteError if one is not finite, or the state after them.

    Metrics would tell of the state one update later, when it has perhaps been saved.
    """
    arrays = not_finite(devices.first(self._state))
    means.add(pending, arrays)
    if arrays:
      raise NonFiniteError(step, f"a number of {arrays[0]}", "not finite")

  @functools.cached_property
  def data_fingerprint(self) -> str:
    """What tells the data of this run from others, see `data.fingerprints`."""
    return fingerprints.of_arrays(self._data)

  @classmethod
  def resolve(cls, config: config_dict.ConfigDict, stored: Mapping[str, Any] | None
             ) -> config_dict.ConfigDict:
    """The configuration with everything decided that the recipe leaves to what is found on disk.

    Args:
      config: as the user gave it.
      stored: config.json of the run that is gone on with, None for a new run.
    """
    del stored
    return config

  @classmethod
  def check(cls, config: config_dict.ConfigDict) -> None:
    """Raises UserError or DataSetError for a configuration this experiment cannot run."""
    raise NotImplementedError

  def summary(self, folder: run_folder.RunFolder) -> dict[str, Any]:
    """What `summary.json` says beside what it says of every run, after `evaluate`."""
    raise NotImplementedError

  def counters(self) -> dict[str, Any]:
    """What metrics.jsonl says beside means: how often what has happened so far."""
    return {}

  def final_metrics(self, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What metrics.jsonl says at the end that `evaluate` could not say."""
    del summary
    return {}

  def write_artifacts(self, folder: run_folder.RunFolder) -> None:
    """Writes further files, after `evaluate`."""

  def print_results(self, summary: Mapping[str, Any]) -> None:
    """Prints the results for people."""
    raise NotImplementedError

  def initial_state(self, build: Callable[..., Any], *arguments: Any) -> Any:
    """`build(*arguments)` on all devices; where a checkpoint will take its place, zeros of its shape."""
    if self.mode == "train":
      # Runs once: compiling it fast matters more than running it fast.
      state = jax.jit(build, compiler_options={"xla_backend_optimization_level": 0})(*arguments)
    else:
      state = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), jax.eval_shape(build, *arguments))
    return devices.replicate(state, axis_name=self._config.axis_name)

  def snapshot_state(self) -> dict[str, Any]:
    """One device's copy of all that changes."""
    return {"state": devices.first(self._state)}

  def restore_from_snapshot(self, snapshot_state: Mapping[str, Any]) -> None:
    """Puts a snapshot on all devices."""
    self._state = devices.replicate(snapshot_state["state"], axis_name=self._config.axis_name)


class Stopwatch:
  """Speed of training alone: without evaluation and saving, nor the first lap with its compiling."""

  def __init__(self):
    self._laps: list[tuple[int, float]] = []  # Steps, seconds.
    self.start()

  def start(self) -> None:
    """Starts a lap."""
    self._started = time.monotonic()

  @contextlib.contextmanager
  def pause(self) -> Iterator[None]:
    """Does not count the time in its block."""
    began = time.monotonic()
    yield
    self._started += time.monotonic() - began

  def lap(self, steps: int) -> float:
    """Ends a lap of so many steps; returns the steps per second up to now."""
    self._laps.append((steps, time.monotonic() - self._started))
    laps = self._laps[1:] or self._laps
    return sum(steps for steps, _ in laps) / sum(seconds for _, seconds in laps)


class RunningMeans:
  """Means of metrics over the updates since the last log, all of which were finite."""

  def __init__(self, earlier: str | None = None):
    """Goes on from what `to_json` said, or starts anew."""
    self._totals: dict[str, tuple[np.ndarray, np.ndarray]] = {  # Name -> (sum, count).
        name: (np.asarray(total), np.asarray(count))
        for name, (total, count) in json.loads(earlier or "{}").items()}

  def add(self, pending: list[tuple[int, int, Mapping[str, chex.Array]]],
          arrays: Sequence[str] = ()) -> None:
    """Takes in (first step, updates made, metrics [D, K, ...]) of several calls.

    Args:
      pending: these.
      arrays: of the state after them, which are not finite.

    Raises:
      NonFiniteError: with the first step and metric that is not finite.
    """
    for first_step, made, metrics in pending:
      values = {name: x[:made].astype(np.float64)
                for name, x in devices.first_on_host(metrics).items()}
      check_finite(first_step, values, arrays)
      for name, x in values.items():
        total, count = self._totals.get(name, (0.0, 0))
        there = ~np.isnan(x)
        self._totals[name] = (total + np.where(there, x, 0.0).sum(axis=0), count + there.sum(axis=0))

  @property
  def updates(self) -> int:
    """How many updates they are means over."""
    return max((int(np.max(count)) for _, count in self._totals.values()), default=0)

  def values(self) -> dict[str, Any]:
    """The means, numbers or nested lists of them; NaN for what was never there."""
    return {name: np.where(count > 0, total / np.maximum(count, 1), np.nan).tolist()
            for name, (total, count) in self._totals.items()}

  def to_json(self) -> str:
    """All that `__init__` needs to go on."""
    return json.dumps({name: (np.asarray(total).tolist(), np.asarray(count).tolist())
                       for name, (total, count) in self._totals.items()})


def check_finite(first_step: int, metrics: Mapping[str, np.ndarray], arrays: Sequence[str] = ()
                ) -> None:
  """Raises NonFiniteError at the first step [K, ...] with a metric that is NaN or infinite.

  Args:
    first_step: that of the first metrics.
    metrics: [K, ...] by name.
    arrays: of the state after them, which are not finite: the error names them.
  """
  bad = {name: ~(np.isfinite(values) | (np.isnan(values) & (name in OCCASIONAL)))
         for name, values in metrics.items()}
  bad = {name: values.reshape(len(values), -1).any(axis=1) for name, values in bad.items()}
  anywhere = functools.reduce(np.logical_or, bad.values())
  if anywhere.any():
    place = int(np.argmax(anywhere))
    # The loss says more to a user than the terms it is made of.
    name, *others = sorted((name for name in bad if bad[name][place]),
                           key=lambda n: (n != "loss", n))
    values = np.ravel(metrics[name][place])
    is_bad = np.isinf(values) if name in OCCASIONAL else ~np.isfinite(values)
    raise NonFiniteError(first_step + place, name, float(values[is_bad][0]), others, arrays)


def not_finite(state: Any) -> list[str]:
  """The arrays of `state` that hold a number that is NaN or infinite, as paths."""
  return [jax.tree_util.keystr(path, simple=True, separator="/")
          for path, is_finite in jax.tree_util.tree_leaves_with_path(jax.device_get(_finite(state)))
          if not is_finite]


@jax.jit
def _finite(state: Any) -> Any:
  return jax.tree.map(lambda x: jnp.isfinite(x).all(), state)
