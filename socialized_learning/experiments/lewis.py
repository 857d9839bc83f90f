"""The Lewis game in a population, as a Jaxline experiment.

Shapes: `B` batch on one device.
"""

from collections.abc import Mapping
import functools
from typing import Any, NamedTuple

import chex
import emcom_datasets
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning import agents
from socialized_learning import games
from socialized_learning.configs import lewis_config
from socialized_learning.data import centring
from socialized_learning.data import feeder
from socialized_learning.data import fingerprints
from socialized_learning.experiments import base
from socialized_learning.experiments import checks
from socialized_learning.experiments import lewis_checks
from socialized_learning.experiments import unread
from socialized_learning.games import evaluation
from socialized_learning.games import language_report
from socialized_learning.games import views
from socialized_learning.platform import run_folder
from socialized_learning.platform.errors import UserError
from socialized_learning.population import collaboration
from socialized_learning.population import devices
from socialized_learning.population import dynamics
from socialized_learning.population import randomness
from socialized_learning.report import lewis_results


# Noise of the robustness results hangs on nothing else, so that all runs get the same.
_NOISE_SEED = 20220426
_make_view = jax.jit(views.make_view, static_argnames=("noise", "axis_name"))


class TrainState(NamedTuple):
  """Everything that changes; saving it is all it takes to resume exactly."""
  society: collaboration.Society
  step: chex.Array  # int32, updates made; also the position in the data


class LewisExperiment(base.FusedExperiment):
  """Trains a population on a Lewis game and measures its language."""

  def __init__(self, mode: str, init_rng: chex.PRNGKey, config: config_dict.ConfigDict):
    super().__init__(mode, config)
    self._splits = load_splits(config)
    self._data = fingerprints.arrays_of(self._splits)
    train = self._splits["train"]
    num_classes = {name: train.num_classes[name] for name in config.listener_loss.questions}
    speaker = agents.make_speaker(config.speaker, config.message)
    listener = agents.make_listener(config.listener, config.message, num_classes)
    population = dynamics.make_dynamics(speaker, listener, config, axis_name=config.axis_name)
    self._judge = evaluation.make_judge(speaker, listener, config.listener_loss)
    feed = feeder.Feeder(train, batch_size=config.batch_size, seed=config.random_seed,
                         labels=config.listener_loss.questions)
    self._feed = feed.batches
    view = self._view(self._splits["train"].take(jnp.zeros(1, jnp.int32)))
    self._state = self.initial_state(
        lambda key, view: TrainState(population.init(key, view), jnp.int32(0)), init_rng, view)
    self._constants = {}
    if mode == "train":
      self._constants = {"data": devices.replicate(feed.constants, axis_name=config.axis_name)}
      self._call = devices.fuse(make_update(population, config), axis_name=config.axis_name)
    self.reports: dict[str, language_report.LanguageReport] = {}

  @classmethod
  def resolve(cls, config: config_dict.ConfigDict, stored: Mapping[str, Any] | None
             ) -> config_dict.ConfigDict:
    """Says which end of the chosen metric is the better one; see the base class."""
    given, config = config, config.copy_and_resolve_references()
    # Of another one the check says what is wrong.
    higher = lewis_checks.BEST_BY.get(config.best_model_eval_metric, True)
    checks.require(config.best_model_eval_metric_higher_is_better or not higher,
                   "best_model_eval_metric_higher_is_better=False: more of "
                   f"{config.best_model_eval_metric!r} is better, and the option follows by itself")
    config.best_model_eval_metric_higher_is_better = higher
    unread.check(unread.LEWIS, config, given=given, recipe=lewis_config.get_config, stored=stored)
    return config

  @classmethod
  def check(cls, config: config_dict.ConfigDict) -> None:
    """See the base class."""
    lewis_checks.check_config(config)
    lewis_checks.check_data(config, load_splits(config))

  def _view(self, rows: emcom_datasets.Rows, noise: float = 0.0, number: int = 0) -> games.View:
    """What the players see of a batch when they are evaluated, the number-th of a split."""
    arrays = feeder.arrays(rows, self._config.listener_loss.questions)
    key = jax.random.fold_in(jax.random.PRNGKey(_NOISE_SEED), number) if noise else None
    return _make_view(**arrays, key=key, noise=noise, axis_name=None)

  def evaluate(self, *, global_step, rng, writer) -> dict[str, float]:
    """Numbers of the validation split, and after training of all that is asked for.

    The full reports stay in `self.reports`, by what was examined.
    """
    del global_step, rng, writer
    society = devices.first(self._state).society
    most = self._config.evaluation.max_num_agents
    speakers, listeners = (jax.tree.map(lambda x: x[:most], agents_.params)
                           for agents_ in (society.speakers, society.listeners))
    report = lambda split, noise: language_report.report_on(
        split, self._judge, speakers, listeners,
        lambda rows, number: self._view(rows, noise, number), self._config)
    names = [name for name in self._splits if name != "train"] if self.mode == "eval" else ["valid"]
    self.reports = {name: report(self._splits[name], 0.0) for name in names}
    noise = self._config.evaluation.robustness_noise
    if self.mode == "eval" and noise:
      self.reports["robustness"] = report(self._splits["test"], noise)
    return {f"{name}/{metric}": value for name, report in self.reports.items()
            for metric, value in report.metrics.items()}

  def summary(self, folder: run_folder.RunFolder) -> dict[str, Any]:
    """What `summary.json` says about the language."""
    del folder
    found = {name: dict(report.metrics) for name, report in self.reports.items()}
    for name in ("transfer", "out_of_distribution"):
      if name in found:
        split = self._splits[name]
        found[name]["data"] = _describe(split) | {"split": split.split}
    if "robustness" in found:
      found["robustness"]["noise"] = self._config.evaluation.robustness_noise
      for metric in ("accuracy", "accuracy_vote"):
        found["robustness"][f"{metric}_drop"] = found["test"][metric] - found["robustness"][metric]
    return {"data": _describe(self._splits["test"]), **found}

  def write_artifacts(self, folder: run_folder.RunFolder) -> None:
    """Writes `messages.jsonl`: what each speaker says about each item of the test split."""
    report, most = self.reports["test"], self._config.evaluation.num_messages
    folder.write_jsonl("messages.jsonl", lewis_results.message_rows(
        self._splits["test"], report.messages[:, :most],
        None if report.lengths is None else report.lengths[:, :most]))

  def print_results(self, summary: dict[str, Any]) -> None:
    """Prints the results and a few messages."""
    lewis_results.print_results(summary)
    report = self.reports["test"]
    lewis_results.print_messages(self._splits["test"], report.messages, report.lengths)


def load_splits(config: config_dict.ConfigDict) -> dict[str, emcom_datasets.Split]:
  """All splits a configuration needs: train, valid, test, and those of other examinations."""
  return _load_splits(config.data.name, config.data.dir, config.data.centre,
                      config.evaluation.transfer, config.evaluation.official)


@functools.cache  # Read once by a process.
def _load_splits(name, data_dir, centre, transfer, official):
  load = lambda name, split: emcom_datasets.load(name, split, data_dir=data_dir or None)
  splits = {split: load(name, split) for split in ("train", "valid", "test")}
  if transfer:
    splits["transfer"] = load(transfer, "test")
    theirs, ours = splits["transfer"].input_shape, splits["train"].input_shape
    if theirs != ours:
      raise UserError(f"evaluation.transfer={transfer!r}: its inputs are {theirs}, those of {name} are "
                      f"{ours}: name a set of the same input size")
  if official:
    splits["out_of_distribution"] = load(name, "test_official")
  return centring.centre(splits, splits["train"]) if centre else splits


def _describe(split: emcom_datasets.Split) -> dict[str, str]:
  return {"name": split.name, "kind": emcom_datasets.KINDS[split.name]}


def make_update(population: dynamics.Dynamics, config: config_dict.ConfigDict):
  """One update on one device: (state, batch, constants) -> (state, metrics)."""

  def update(state, batch, constants):
    key = randomness.at_step(constants["run_key"], state.step)
    rows = feeder.rows_of(batch, constants["data"])
    view = views.make_view(rows["inputs"], rows["labels"], key, noise=config.data.noise,
                           axis_name=config.axis_name)
    society, metrics = population.update(state.society, view, key, state.step)
    return TrainState(society, state.step + 1), metrics

  return update
