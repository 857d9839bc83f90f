"""Ease and transfer of learning: newcomers learn the language of a Lewis run's frozen speakers.

Shapes: `S` speakers, `L` listeners of each, `P` points of a learning curve.
"""

from collections.abc import Mapping
import functools
from typing import Any, NamedTuple

import chex
import emcom_datasets
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning import agents
from socialized_learning import games
from socialized_learning.configs import ease_of_learning_config
from socialized_learning.data import centring
from socialized_learning.data import feeder
from socialized_learning.data import fingerprints
from socialized_learning.data import pictures
from socialized_learning.experiments import base
from socialized_learning.experiments import ease_of_learning_checks
from socialized_learning.experiments import frozen_speakers
from socialized_learning.experiments import unread
from socialized_learning.games import evaluation
from socialized_learning.games import views
from socialized_learning.metrics import learning_curves
from socialized_learning.platform import checkpoints
from socialized_learning.platform import run_folder
from socialized_learning.platform import writers
from socialized_learning.platform.errors import UserError
from socialized_learning.population import devices
from socialized_learning.population import newcomers
from socialized_learning.population import optimisers
from socialized_learning.population import randomness
from socialized_learning.population import stack
from socialized_learning.report import ease_of_learning_results

_LEVELS = (0.5, 0.75, 0.9)  # Accuracies that the steps are counted to.


class TrainState(NamedTuple):
  """All that changes in training."""
  listeners: stack.AgentState  # [S, L, …]
  step: chex.Array  # int32, updates made; also the position in the data


class EaseOfLearningExperiment(base.FusedExperiment):
  """Teaches fresh listeners the language of frozen speakers and says how fast they learnt it."""

  def __init__(self, mode: str, init_rng: chex.PRNGKey, config: config_dict.ConfigDict):
    super().__init__(mode, config)
    self._splits = load_splits(config)
    self._data = fingerprints.arrays_of(self._splits)
    train = self._splits["train"]
    questions = config.listener_loss.questions
    speaker = agents.make_speaker(config.speaker, config.message)
    listener = agents.make_listener(config.listener, config.message,
                                    {name: train.num_classes[name] for name in questions})
    self._examine = evaluation.make_examiner(speaker, listener, config.listener_loss)
    lessons = newcomers.make_newcomers(
        speaker, listener, optimisers.make_optimiser(config.listener_optimiser), config,
        config.speakers, axis_name=config.axis_name)
    view = self._view(train.take(np.zeros(1, np.int64)))
    self._speakers = jax.device_put(frozen_speakers.load(
        config, lambda: speaker.init(jax.random.PRNGKey(0), view.speaker_inputs)))
    self._state = self.initial_state(
        lambda key, view: TrainState(lessons.init(key, view), jnp.int32(0)), init_rng, view)
    self._constants = {}
    feed = feeder.Feeder(train, batch_size=config.batch_size, seed=config.random_seed,
                         labels=questions)
    self._feed = feed.batches
    if mode == "train":
      self._constants = devices.replicate({"data": feed.constants, "speakers": self._speakers},
                                          axis_name=config.axis_name)
      self._call = devices.fuse(make_update(lessons, config), axis_name=config.axis_name)
    self.results: dict[str, dict[str, Any]] = {}

  @classmethod
  def resolve(cls, config: config_dict.ConfigDict, stored: Mapping[str, Any] | None
             ) -> config_dict.ConfigDict:
    """Takes from the speakers' run what the recipe leaves to it; see the base class."""
    given, config = config, frozen_speakers.resolve(config, stored)
    config = ease_of_learning_checks.with_task(config, load_splits)
    unread.check(unread.EASE_OF_LEARNING, config, given=given,
                 recipe=ease_of_learning_config.get_config, stored=stored)
    return config

  @classmethod
  def check(cls, config: config_dict.ConfigDict) -> None:
    """See the base class."""
    ease_of_learning_checks.check(config, load_splits(config))

  def _view(self, rows: emcom_datasets.Rows) -> games.View:
    """What the agents see of `rows` when they are examined: no noise."""
    arrays = feeder.arrays(rows, self._config.listener_loss.questions)
    return views.make_view(**arrays, key=None, noise=0.0, axis_name=None)

  def evaluate(self, *, global_step, rng, writer) -> dict[str, Any]:
    """Loss and accuracy of every listener on the validation, and after training the test split."""
    del global_step, rng, writer
    listeners = devices.first(self._state).listeners.params
    names = ("valid", "test") if self.mode == "eval" else ("valid",)
    self.results = {name: self._examined(self._splits[name], listeners) for name in names}
    return {f"{name}/{metric}{which}": value
            for name, result in self.results.items() for metric, values in result.items()
            for which, value in (("", values.mean()), ("_per_listener", values))}

  def _examined(self, split: emcom_datasets.Split, listeners: Any) -> dict[str, np.ndarray]:
    """Loss, and accuracy if there is one, of each listener [S, L] over a whole split."""
    settings, totals, games_played = self._config.evaluation, {}, 0
    for items, counts in evaluation.candidate_batches(
        len(split), settings.num_candidates, settings.num_epochs):
      examined = self._examine(self._speakers, listeners, self._view(split.take(items)))
      for name, values in examined._asdict().items():
        if values is not None:
          values = np.asarray(values, np.float64)[..., counts].sum(axis=-1)
          totals[name] = totals.get(name, 0.0) + values
      games_played += int(counts.sum())
    return {name: total / games_played for name, total in totals.items()}

  def summary(self, folder: run_folder.RunFolder) -> dict[str, Any]:
    """What `summary.json` says about the newcomers."""
    config, test = self._config, self._splits["test"]
    return {
        "task": config.task,
        "data": {"name": test.name, "kind": emcom_datasets.KINDS[test.name]},
        "speakers": {"run": config.speaker_checkpoint, "series": config.speaker_series,
                     "step": config.speaker_step, "indices": config.speakers,
                     "messages": config.messages},
        "num_listeners": config.num_listeners,
        **({"num_candidates": config.evaluation.num_candidates} if config.task == "discrimination"
           else {}),
        "blind": self._blind(),
        "curve": (curve := _curve(folder)),
        "ease_of_learning": _ease(curve),
        **{name: {metric: learning_curves.summarise(values) for metric, values in result.items()}
           for name, result in self.results.items()},
    }

  def _blind(self) -> dict[str, float]:
    """The best that a listener can reach on the test split that hears nothing."""
    config, test = self._config, self._splits["test"]
    if config.task == "reconstruction":  # It draws the mean picture.
      mean = self._splits["train"].rows.labels[pictures.LABEL].mean(axis=0)
      return {"loss": float(np.square(test.rows.labels[pictures.LABEL] - mean).sum((1, 2, 3)).mean())}
    if config.listener_loss.kind == "cpc":
      return {"accuracy": 1 / config.evaluation.num_candidates}
    # It always gives the answer that is right most often.
    asked = feeder.arrays(test.take(np.arange(len(test))), config.listener_loss.questions)["labels"]
    return {"accuracy": float(np.mean([np.bincount(answers).max() / len(test)
                                       for answers in asked.values()]))}

  def final_metrics(self, summary: Mapping[str, Any]) -> dict[str, Any]:
    """How easily the language was learnt, as entries of metrics.jsonl."""
    return {f"ease_of_learning/{name}{which}": value
            for name, numbers in summary["ease_of_learning"].items()
            for which, value in (("", numbers["mean"]), ("_error", numbers["standard_error"]),
                                 ("_per_listener", numbers["values"]))}

  def print_results(self, summary: Mapping[str, Any]) -> None:
    """Prints a line for each speaker."""
    ease_of_learning_results.print_results(summary)


def _curve(folder: run_folder.RunFolder) -> dict[str, Any]:
  """Steps [P] and the means [S, L, P] up to each since the one before, as metrics.jsonl has them."""
  saved = checkpoints.read_info(folder.path)
  writers.check_metrics(folder, saved["meta"].get("metrics"), saved["step"])
  rows = [row for row in writers.read_metrics(folder) if row["split"] == "train"]
  last = saved["step"] - base.RunningMeans(saved["state"].get("unlogged")).updates
  told = [0, *(row["step"] for row in rows)]
  begun = [row["step"] - row.get("updates", row["step"] - before) for row, before in zip(rows, told)]
  for before, start in zip(told, [*begun, last], strict=True):
    if start > before:
      raise UserError(f"{folder.metrics} says nothing of the training from step {before} to {start}, so "
                      "that the learning curve is not whole: restore that file")
  curve = {"step": [row["step"] for row in rows]}
  for name in ("accuracy", "loss"):
    values = [row[f"{name}_per_listener"] for row in rows if f"{name}_per_listener" in row]
    if values:
      curve[name] = np.moveaxis(np.asarray(values, np.float64), 0, -1)
  return curve


def _ease(curve: Mapping[str, Any]) -> dict[str, Any]:
  """Area under the curves and steps to some accuracies, with means and errors."""
  name = "accuracy" if "accuracy" in curve else "loss"
  values = np.moveaxis(curve[name], -1, 0)
  measured = {"area_under_curve": learning_curves.area_under_curve(curve["step"], values)}
  if name == "accuracy":
    measured |= {f"steps_to_{100 * level:.0f}": learning_curves.steps_to(curve["step"], values, level)
                 for level in _LEVELS}
  return {name: learning_curves.summarise(numbers) for name, numbers in measured.items()}


def load_splits(config: config_dict.ConfigDict) -> dict[str, emcom_datasets.Split]:
  """The three splits as the newcomers' lessons need them."""
  return _load_splits(config.data.name, config.data.speakers_name, config.data.dir,
                      config.data.centre, config.task == "reconstruction")


@functools.cache  # Read once by a process.
def _load_splits(name, speakers_name, data_dir, centre, with_pictures):
  load = functools.partial(emcom_datasets.load, data_dir=data_dir or None)
  splits = {split: load(name, split) for split in ("train", "valid", "test")}
  speakers_train = splits["train"] if name == speakers_name else load(speakers_name, "train")
  ease_of_learning_checks.check_inputs(splits["train"], speakers_train)
  if centre:
    splits = centring.centre(splits, speakers_train)
  if with_pictures:
    splits = {key: pictures.with_pictures(split, agents.IMAGE_SIZE) for key, split in splits.items()}
  return splits


def make_update(lessons: newcomers.Newcomers, config: config_dict.ConfigDict):
  """One update on one device: (state, batch, constants) -> (state, metrics)."""

  def update(state, batch, constants):
    key = randomness.at_step(constants["run_key"], state.step)
    rows = feeder.rows_of(batch, constants["data"])
    view = views.make_view(rows["inputs"], rows["labels"], key, noise=config.data.noise,
                           axis_name=config.axis_name)
    listeners, metrics = lessons.update(state.listeners, constants["speakers"], view, key)
    return TrainState(listeners, state.step + 1), metrics

  return update
