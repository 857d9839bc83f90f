"""The speakers of a Lewis run as another experiment finds them: on disk, and not to be changed."""

from collections.abc import Iterator, Mapping
import contextlib
import functools
import os
from typing import Any

import jax
from ml_collections import config_dict
import numpy as np

from socialized_learning.configs import earlier
from socialized_learning.configs import lewis_config
from socialized_learning.experiments.checks import require
from socialized_learning.platform import checkpoints
from socialized_learning.platform import run_folder
from socialized_learning.platform import stored_config
from socialized_learning.platform.errors import FolderError
from socialized_learning.platform.errors import UserError
from socialized_learning.population import stack

SERIES = ("latest", "best")
_TAKEN = ("speaker", "message", "data.centre", "data.name", "data.dir", "population.num_speakers",
          "evaluation.checkpoint")


def resolve(config: config_dict.ConfigDict, stored: Mapping[str, Any] | None
           ) -> config_dict.ConfigDict:
  """The configuration with all that it leaves to the Lewis run in its place.

  Args:
    config: a recipe of newcomers, see `configs.ease_of_learning_config`.
    stored: the configuration of the run that is gone on with, None for a new one. Where it holds the
      same speakers, the checkpoint stays the one that was the newest then.

  Raises:
    UserError: there is no such run, it is none of a Lewis game, or has no such speakers.
  """
  require(bool(config.speaker_checkpoint), "speaker_checkpoint is empty: name the folder of a Lewis "
          "run, --config.speaker_checkpoint=RUN")
  require(config.speaker_series in (None, *SERIES), f"speaker_series={config.speaker_series!r}: choose one "
          f"of {', '.join(SERIES)}")
  path = os.path.abspath(os.path.expanduser(config.speaker_checkpoint))
  with _advising(config):
    run, version = _lewis_config(path)
  config = config.copy_and_resolve_references()
  _check_taken(run, config, path, version)
  with config.unlocked():
    config.speaker_checkpoint = path
    config.speaker_series = config.speaker_series or _series(run, path, stored)
    config.speaker_step = _step(config, stored)
    _fill(config, run)
    config.speaker = config_dict.ConfigDict(run["speaker"])
    config.message = config_dict.ConfigDict(run["message"])
    # The speakers' eyes: inputs are centred by the data the speakers have learnt from.
    config.data.centre = run["data"]["centre"]
    config.data.speakers_name = run["data"]["name"]
    config.data.dir = config.data.dir or run["data"]["dir"]
  num_speakers = run["population"]["num_speakers"]
  _check_speakers(config.speakers, num_speakers)
  config.speakers = tuple(config.speakers) or tuple(range(num_speakers))
  return config


def load(config: config_dict.ConfigDict, init: Any) -> Any:
  """Parameters of the speakers [S, …] that a resolved configuration names, NumPy arrays.

  Args:
    config: as `resolve` returns it.
    init: () -> parameters of one speaker; only its shapes are computed.

  Raises:
    UserError: the checkpoint is gone or damaged, or holds other speakers than config.json says.
  """
  with _advising(config):
    tree, _ = checkpoints.read_checkpoint(config.speaker_checkpoint, config.speaker_series,
                                          config.speaker_step)
  try:
    population = tree["state"]["society"]["speakers"]["params"]
    params = stack.take(population, np.asarray(config.speakers))
    shapes = lambda agent: jax.tree.map(lambda x: (x.shape, x.dtype), agent)
    one = jax.tree.map(lambda x: x[0], params)
    same = shapes(one) == shapes(jax.eval_shape(init))
  except (KeyError, IndexError) as error:
    raise _differs(config) from error
  if not same:
    raise _differs(config)
  return params


def _differs(config: config_dict.ConfigDict) -> UserError:
  return UserError(f"the checkpoint of step {config.speaker_step} in {config.speaker_checkpoint} does "
                   "not hold the speakers that the config.json there describes: restore that file")


def _lewis_config(path: str) -> stored_config.StoredConfig:
  """The configuration of a Lewis run."""
  folder = run_folder.RunFolder.open(path, create=False)
  require(folder.config.exists(), f"speaker_checkpoint={path}: there is no config.json, so this is not "
          "the folder of a run")
  run, version = folder.read_config()
  name = run.get("experiment")
  require(name == "lewis", f"speaker_checkpoint={path} is a run of {name!r}: name one of 'lewis'")
  run = stored_config.with_earlier(run, lewis_config.get_config().to_dict(), earlier.EARLIER["lewis"])
  return stored_config.StoredConfig(run, version)


def _check_taken(run: Mapping[str, Any], config: config_dict.ConfigDict, path: str, version: str
                ) -> None:
  """Raises UserError unless the run has all that is taken from it, each as Lewis recipes have it."""
  for key, example in _leaves(lewis_config.get_config()):
    if any(f"{key}.".startswith(f"{taken}.") for taken in _TAKEN) or _is_open(config, key):
      value = functools.reduce(lambda node, name: node.get(name) if isinstance(node, dict) else None,
                               key.split("."), run)
      require(_is_like(value, example), f"{path}/config.json is not that of a Lewis run, its {key} is "
              f"missing or wrong: restore that file, which version {version} of the program wrote")


def _leaves(config: config_dict.ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
  """(dotted path, value) of all that is no group."""
  for name, value in config.items():
    if isinstance(value, config_dict.ConfigDict):
      yield from _leaves(value, f"{prefix}{name}.")
    else:
      yield prefix + name, value


def _is_open(config: config_dict.ConfigDict, key: str) -> bool:
  """Whether the configuration has a value at a dotted path that it leaves to the run."""
  *groups, name = key.split(".")
  for group in groups:
    config = config.get(group)
    if not isinstance(config, config_dict.ConfigDict):
      return False
  return name in config and config[name] is None


def _is_like(value: Any, example: Any) -> bool:
  """Whether a value of JSON can stand where a recipe has `example`; None takes all."""
  if example is None:
    return True
  kinds = {tuple: list, float: (int, float)}.get(type(example), type(example))
  return isinstance(value, kinds) and isinstance(value, bool) == isinstance(example, bool)


def _series(run: Mapping[str, Any], path: str, stored: Mapping[str, Any] | None) -> str:
  """The checkpoints to take where none are named: those that the run's own results are of."""
  if stored and stored.get("speaker_checkpoint") == path and stored.get("speaker_series") in SERIES:
    return stored["speaker_series"]
  series = run["evaluation"]["checkpoint"]
  require(series in SERIES, f"{path}/config.json is not that of a Lewis run, its evaluation.checkpoint is "
          f"{series!r}: restore that file")
  return series


@contextlib.contextmanager
def _advising(config: config_dict.ConfigDict) -> Iterator[None]:
  """Says what helps where the speakers' run is damaged: another folder for the lessons does not."""
  try:
    yield
  except FolderError as error:
    raise UserError(f"{error.problem}: restore it, or name another speaker_checkpoint or, of this one, "
                    "another speaker_step") from error


def _step(config: config_dict.ConfigDict, stored: Mapping[str, Any] | None) -> int:
  """The step of the checkpoint meant, which is there."""
  path, series, step = config.speaker_checkpoint, config.speaker_series, config.speaker_step
  if step is None and stored and (path, series) == (
      stored.get("speaker_checkpoint"), stored.get("speaker_series")):
    step = stored.get("speaker_step")
  if step is None:
    step = checkpoints.latest_step(path, series)
  with _advising(config):
    return checkpoints.read_info(path, series, step)["step"]


def _fill(config: config_dict.ConfigDict, run: Mapping[str, Any]) -> None:
  """Takes from the run, by the same name, whatever the configuration leaves open."""
  for name, value in config.items():
    if isinstance(value, config_dict.ConfigDict):
      _fill(value, run.get(name, {}))
    elif value is None and name in run:
      config[name] = tuple(run[name]) if isinstance(run[name], list) else run[name]


def _check_speakers(speakers: Any, num_speakers: int) -> None:
  require(all(isinstance(s, int) and 0 <= s < num_speakers for s in speakers),
          f"speakers={tuple(speakers)}: the run has {num_speakers}, counted from 0 to "
          f"{num_speakers - 1}")
  require(len(set(speakers)) == len(speakers), f"speakers={tuple(speakers)}: name each one once")
