"""What must be true before a run begins: of its configuration, its folder, and all its processes."""

from collections.abc import Callable, Mapping
import json
import os
import time
from typing import Any, TypeVar

import emcom_datasets
import jax
from ml_collections import config_dict

from socialized_learning import experiments
from socialized_learning.configs import common
from socialized_learning.configs import earlier
from socialized_learning.platform import agreement
from socialized_learning.platform import checkpoints
from socialized_learning.platform import folder_probe
from socialized_learning.platform import numerics
from socialized_learning.platform import run_folder
from socialized_learning.platform import stored_config
from socialized_learning.platform import writers
from socialized_learning.platform.errors import UserError

T = TypeVar("T")

_SEEN_AFTER = 30  # Seconds; a network's file system may remember that a file was not there.


def begin(config: config_dict.ConfigDict, workdir: str | None, mode: str
         ) -> tuple[type, config_dict.ConfigDict, run_folder.RunFolder]:
  """Class, configuration and folder of a run that can begin; of several processes all can.

  Args:
    config: a recipe's configuration.
    workdir: the run's folder; None for a fresh one under runs/.
    mode: train, eval or train_eval_multithreaded.

  Raises:
    UserError: it cannot, and why.
  """
  # Nobody writes before all have read what lies in the folder, and want the same.
  experiment_class, config = _together(
      lambda: _resolved(config, workdir, mode), lambda resolved: _plan(resolved[1], mode))
  folder = _together(lambda: _open_folder(config, workdir, mode),
                     lambda opened: str(checkpoints.latest_step(opened.path)))
  _together(lambda: _claim(folder, config, mode), lambda _: "")
  # What process 0 has written by now all must see.
  agreement.agree(_not_seen(folder), "")
  return experiment_class, config, folder


def _together(do: Callable[[], T], plan: Callable[[T], str]) -> T:
  """What `do` gives, if it succeeds in all processes and `plan` of what it gives is the same in all."""
  result, problem, found = None, None, ""
  try:
    result = do()
    found = plan(result)
  except emcom_datasets.DataSetError as error:
    problem = UserError(str(error))
  except UserError as error:
    problem = error
  agreement.agree(problem, found)
  return result


def _resolved(config: config_dict.ConfigDict, workdir: str | None, mode: str
             ) -> tuple[type, config_dict.ConfigDict]:
  """The experiment's class, and its configuration with nothing left open and nothing wrong."""
  experiment_class = experiments.experiment_class(config.experiment)
  config = experiment_class.resolve(config, _stored_config(config, workdir))
  experiment_class.check(config)
  _check_mode(config, workdir, mode)
  return experiment_class, config


def _plan(config: config_dict.ConfigDict, mode: str) -> str:
  """All that several processes must have in common: not where each finds its data."""
  common_ = run_folder.to_json(config)
  del common_["distributed"]["process_id"], common_["data"]["dir"]
  return json.dumps([mode, common_, numerics.settings()], sort_keys=True)


def _not_seen(folder: run_folder.RunFolder) -> UserError | None:
  """The problem of a process that waits in vain for what process 0 has written."""
  deadline = time.monotonic() + _SEEN_AFTER
  while not folder.config.exists():
    if time.monotonic() > deadline:
      return UserError(f"process {jax.process_index()} does not see in {folder.path} what process 0 has "
                       "written there: give a --workdir that all processes see")
    time.sleep(0.1)
  return None


def _check_mode(config: config_dict.ConfigDict, workdir: str | None, mode: str) -> None:
  """Raises UserError for what does not go with the mode, or with several processes."""
  several = config.distributed.num_processes > 1
  if mode == "eval" and workdir is None:
    raise UserError("--jaxline_mode=eval needs the run to evaluate: give --workdir=DIR")
  if several and workdir is None:
    raise UserError("several processes need one folder that all of them see: give --workdir=DIR")
  if several and mode == "train_eval_multithreaded":
    raise UserError("--jaxline_mode=train_eval_multithreaded is for one process: use "
                    "--jaxline_mode=train, which validates every evaluation.interval steps")
  if mode == "train" and config.evaluation.checkpoint == "best" and not config.evaluation.interval:
    raise UserError("evaluation.checkpoint='best' with evaluation.interval=0, which looks for none: "
                    "give an interval, or evaluate the latest")


def _stored_config(config: config_dict.ConfigDict, workdir: str | None) -> dict[str, Any] | None:
  """The configuration of the run that lies in a folder, if one does, with the keys that `config` has."""
  folder = run_folder.RunFolder(os.path.expanduser(workdir)) if workdir else None
  try:
    is_there = folder is not None and folder.config.exists()
  except OSError as error:
    raise UserError(f"cannot look into run folder {workdir}: {error.strerror}") from error
  if not is_there:
    return None
  return stored_config.with_earlier(
      folder.read_config().values, config.to_dict(), earlier.EARLIER.get(config.experiment, {}))


def _open_folder(config: config_dict.ConfigDict, workdir: str | None, mode: str
                ) -> run_folder.RunFolder:
  """The run's folder, which fits the configuration."""
  if mode == "eval":
    folder = run_folder.RunFolder.open(os.path.expanduser(workdir), create=False)
    if checkpoints.latest_step(folder.path) is None:
      raise UserError(f"no checkpoint in {workdir}: train first, or name another --workdir")
  elif workdir is not None:
    folder = run_folder.RunFolder.open(os.path.expanduser(workdir))
  else:
    folder = run_folder.RunFolder.fresh(f"{config.experiment}-{config.sweep}")
  _check_content(folder)
  told = _read_checkpoints(folder, config, mode)
  if mode != "eval":
    _check_progress(folder, config, _stored_config(config, workdir))
  known = earlier.EARLIER.get(config.experiment, {})
  folder.check_config(config.to_dict(), common.FREE_KEYS, known)
  for info in told.values():
    _check_origin(folder, config, info, known)
  if mode != "eval" and "latest" in told:
    writers.check_metrics(folder, told["latest"]["meta"].get("metrics"), told["latest"]["step"])
  return folder


def _read_checkpoints(folder: run_folder.RunFolder, config: config_dict.ConfigDict, mode: str
                     ) -> dict[str, dict[str, Any]]:
  """What the newest checkpoints say of themselves, by series, of those that the run would read.

  Raises:
    UserError: one of them is none, or damaged.
  """
  needed = {"latest", config.evaluation.checkpoint}
  if mode != "eval" and config.evaluation.interval:
    needed.add("best")  # Validation compares with it.
  return {series: checkpoints.read_info(folder.path, series) for series in sorted(needed)
          if checkpoints.latest_step(folder.path, series) is not None}


def _check_origin(folder: run_folder.RunFolder, config: config_dict.ConfigDict, info: dict[str, Any],
                  known: Mapping[str, Any]) -> None:
  """Raises UserError for a checkpoint that was made with other settings, or of another run."""
  what = f"the checkpoint of step {info['step']} in {folder.path}"
  numerics.check_same(info["meta"].get("settings"), what)
  if isinstance(content := info["meta"].get("config"), dict):
    stored_config.check_same(stored_config.unpack(content, what), run_folder.to_json(config),
                             common.FREE_KEYS, known, what=what)


def _claim(folder: run_folder.RunFolder, config: config_dict.ConfigDict, mode: str) -> None:
  """Makes the folder this run's, if it is to be trained: nobody else trains there, config.json is its.

  A run that is resumed updates config.json once it has read its checkpoint, see `run`.
  """
  if mode != "eval" and jax.process_index() == 0:
    folder.lock()
    folder_probe.check(folder)
    if checkpoints.latest_step(folder.path) is None:
      folder.write_config(config.to_dict())


def _check_content(folder: run_folder.RunFolder) -> None:
  """Raises UserError for a folder with what nobody says what it is of, or with something in a file's place."""
  folder.check_kinds()
  held = [path.name for path in (folder.metrics, folder.summary, folder.messages) if path.exists()]
  if checkpoints.latest_step(folder.path) is not None:
    held.append("checkpoints")
  if held and not folder.config.exists():
    raise UserError(f"{folder.path} holds {' and '.join(held)}, but no config.json: restore it, or use "
                    "a new --workdir")


def _check_progress(folder: run_folder.RunFolder, config: config_dict.ConfigDict,
                    stored: dict[str, Any] | None) -> None:
  """Raises UserError for a run that is further than this one would go, or has lost what it was."""
  latest = checkpoints.latest_step(folder.path)
  if latest is not None and latest > config.training_steps:
    raise UserError(f"training_steps={config.training_steps}: the run in {folder.path} has made {latest} "
                    "already, use as many or more")
  logged = max((row["step"] for row in writers.read_metrics(folder)), default=0)
  # What was begun may have been saved less often than is wanted now.
  intervals = [each.get("save_checkpoint_interval") for each in (config.to_dict(), stored or {})]
  first_save = max(interval for interval in intervals if isinstance(interval, int))
  if latest is None and logged > first_save:
    raise UserError(f"{folder.path} holds metrics up to step {logged}, but no checkpoint: restore it, "
                    "or use a new --workdir")
