"""One run from its configuration to its summary: train or evaluate, with Jaxline's own loops."""

import contextlib
import os
import re
import time
from typing import Any

import emcom_datasets
import jax
from jaxline import base_config
from jaxline import train
from jaxline import utils
from ml_collections import config_dict

from socialized_learning.platform import background
from socialized_learning.platform import begin
from socialized_learning.platform import checkpoints
from socialized_learning.platform import compiling
from socialized_learning.platform import interrupts
from socialized_learning.platform import jaxline_shim
from socialized_learning.platform import numerics
from socialized_learning.platform import progress
from socialized_learning.platform import run_folder
from socialized_learning.platform import startup
from socialized_learning.platform import stored_config
from socialized_learning.platform import validation
from socialized_learning.platform import writers
from socialized_learning.platform.errors import UserError

_CACHE = os.path.expanduser("~/.cache/socialized_learning/compiled")
_FINGERPRINT = "data_fingerprint"  # In what a checkpoint says beside the state.


def run(config: config_dict.ConfigDict, *, workdir: str | None, mode: str) -> int:
  """Runs what the command line asks for; returns its exit status.

  Nothing is written before the configuration and the data have been looked at.

  Args:
    config: a recipe's configuration.
    workdir: the run's folder; None for a fresh one under runs/.
    mode: train, eval or train_eval_multithreaded.

  Raises:
    UserError, NonFiniteError: see `platform.errors`.
  """
  startup.quieten()
  startup.collect_garbage_rarely()
  startup.use_compilation_cache(_CACHE)
  startup.join_processes(config.distributed)
  startup.find_devices()
  jaxline_shim.install()
  base_config.validate_config(config)
  try:
    experiment_class, config, folder = begin.begin(config, workdir, mode)
    this = Run(experiment_class, config, folder)
    with compiling.announced() if jax.process_index() == 0 else contextlib.nullcontext():
      status = this.evaluate() if mode == "eval" else this.train_and_evaluate(
          in_thread=mode == "train_eval_multithreaded")
    if jax.process_count() > 1:
      jax.distributed.shutdown()  # All leave together: who stays behind would lose its peers.
    return status
  except emcom_datasets.DataSetError as error:
    raise UserError(str(error)) from error
  except (MemoryError, jax.errors.JaxRuntimeError, ValueError) as error:
    if explanation := _explain(error):
      raise UserError(explanation) from error
    raise


def _explain(error: Exception) -> str | None:
  """What a user can do about an error of JAX or NumPy; None where it is a defect of this program."""
  if isinstance(error, MemoryError) or re.search("(?i)out of memory|RESOURCE_EXHAUSTED", str(error)):
    return ("there is not enough memory for this: use a smaller batch_size, population or network, or "
            "more devices")
  if jax.process_count() > 1 and re.search("Gloo|NCCL", str(error)):
    return "another process of this run has ended, it says why: start all of them again to go on"
  return None


class Run:
  """A run folder and what it takes to go on with it."""

  def __init__(self, experiment_class: type, config: config_dict.ConfigDict,
               folder: run_folder.RunFolder):
    self._experiment_class = experiment_class
    self._config = config
    self._folder = folder
    self._is_chief = jax.process_index() == 0
    # How the folder is called when it is shown.
    self._shown = min(os.path.relpath(folder.path), str(folder.path), key=len)
    self._started = time.monotonic()
    self._resumed_from = checkpoints.latest_step(folder.path)
    # How long training took in the processes this one goes on from, and how fast it was.
    self._earlier = self._timing_at_checkpoint()

  def train_and_evaluate(self, *, in_thread: bool) -> int:
    """Trains to the end, or until the user asks to stop; then evaluates. Returns the exit status."""
    if self._is_chief:
      resumed = f" (resumed at step {self._resumed_from})" if self._resumed_from else ""
      print(f"run: {self._shown}{resumed}", flush=True)
      if changed := numerics.changed_software(self._saved_meta().get("software")):
        print(f"note: the checkpoint was made with {changed}", flush=True)
    checkpointer = self._checkpointer("train")
    self._train(checkpointer, in_thread=in_thread)
    state = checkpointer.get_experiment_state("latest")
    if interrupts.requested():
      if self._is_chief:
        print(f"stopped at step {state.global_step}; the same command with "
              f"--workdir={self._shown} goes on")
      return 130
    self._earlier = self._timing_at_checkpoint()
    return self.evaluate()

  def evaluate(self) -> int:
    """Evaluates what is on disk and writes the summary. Returns the exit status."""
    series = self._config.evaluation.checkpoint
    if checkpoints.latest_step(self._folder.path, series) is None:
      raise UserError(f"no {series!r} checkpoint in {self._folder.path}: no validation found one, "
                      "use evaluation.checkpoint=latest")
    checkpointer = self._checkpointer("eval", series_source={"latest": series})
    writer = writers.RunWriter(self._folder, tensorboard=self._is_chief)
    try:
      train.evaluate(self._experiment_class,
                     self._jaxline_config(one_off_evaluate=True, best_model_eval_metric=""),
                     checkpointer, writer.for_split("eval") if self._is_chief else None, "eval")
      state = checkpointer.get_experiment_state("latest")
      if self._is_chief:
        self._report(state.experiment_module, int(state.global_step), writer)
    finally:
      writer.close()
    return 0

  def _report(self, experiment: Any, step: int, writer: writers.RunWriter) -> None:
    """Leaves the results of an evaluation in the folder, and shows them."""
    summary = self._summary(step) | experiment.summary(self._folder)
    if final := experiment.final_metrics(summary):
      writer.write_scalars(step, final)
    experiment.write_artifacts(self._folder)
    self._folder.write_json("summary.json", summary)
    experiment.print_results(summary)
    print(f"run: {self._shown}")

  def _train(self, checkpointer: checkpoints.OrbaxCheckpointer, *, in_thread: bool) -> None:
    config = self._jaxline_config()
    bar = progress.Progress(config.training_steps) if self._is_chief else None
    writer = writers.RunWriter(self._folder, resume_step=self._resumed_from or 0, progress=bar,
                               tensorboard=self._is_chief)
    self._writer = writer
    checkpointer.get_experiment_state("latest").unlogged = None  # Restored with a checkpoint.
    # Jaxline would write after saving: a kill in between would lose that line.
    actions, evaluator = (self._logging(config, writer),), None
    if config.evaluation.interval and self._is_chief and not in_thread:
      look = validation.Validation(config, checkpointer, writer, self._best_so_far())
      actions += (look.periodic_action(config),)
    with interrupts.graceful():
      try:
        if in_thread:
          evaluator = background.Background(lambda: self._follow(writer))
        train.train(self._experiment_class, config, checkpointer, writers.ExperimentWriter(writer), actions)
        if evaluator is not None:
          evaluator.finish(wait=not interrupts.requested())
      finally:
        writer.close()

  def _logging(self, config: config_dict.ConfigDict, writer: writers.RunWriter
              ) -> utils.PeriodicAction:
    return utils.PeriodicAction(
        writer.write_scalars, interval_type="steps", interval=config.log_train_data_interval,
        run_async=False, end_step_to_action=config.training_steps)

  def _follow(self, writer: writers.RunWriter) -> None:
    """Validates every new checkpoint until the last, as Jaxline's evaluator does."""
    train.evaluate(self._experiment_class, self._jaxline_config(one_off_evaluate=False),
                   self._checkpointer("follow"), writer.for_split("valid"), "follow")

  def _checkpointer(self, mode: str, **kwargs) -> checkpoints.OrbaxCheckpointer:
    checkpointer = checkpoints.OrbaxCheckpointer(
        self._folder.path, mode=mode, max_to_keep=self._config.max_checkpoints_to_keep,
        experiment_name=self._config.experiment,
        meta_fn=lambda: self._meta(checkpointer, mode),
        check_meta=lambda meta: self._accept(checkpointer, meta, mode), **kwargs)
    return checkpointer

  def _meta(self, checkpointer: checkpoints.OrbaxCheckpointer, mode: str) -> dict[str, Any]:
    """What a checkpoint says beside the state."""
    experiment = checkpointer.get_experiment_state("latest").experiment_module
    progress_ = self._timing(experiment) | {"metrics": self._writer.state()} if mode == "train" else {}
    return progress_ | {
        _FINGERPRINT: experiment.data_fingerprint, "settings": numerics.settings(),
        "software": numerics.software(),
        "config": stored_config.pack(run_folder.to_json(self._config))}

  def _accept(self, checkpointer: checkpoints.OrbaxCheckpointer, meta: dict[str, Any], mode: str) -> None:
    """Takes a checkpoint for this run's; raises UserError if it was made of other data than this run has."""
    experiment = checkpointer.get_experiment_state("latest").experiment_module
    if meta.get(_FINGERPRINT, experiment.data_fingerprint) != experiment.data_fingerprint:
      raise UserError(f"the run in {self._folder.path} was begun with other data of "
                      f"{self._config.data.name}, or in another order: name those in "
                      "--config.data.dir, or use a new --workdir")
    if mode == "train" and self._is_chief:
      self._folder.write_config(self._config)

  def _jaxline_config(self, **changes) -> config_dict.ConfigDict:
    """The configuration as Jaxline reads it: the experiment gets all of it."""
    config = config_dict.ConfigDict(self._config.to_dict() | changes)
    config.experiment_kwargs = config_dict.ConfigDict({"config": self._config})
    return config

  def _best_so_far(self) -> float | None:
    if checkpoints.latest_step(self._folder.path, "best") is None:
      return None
    value = checkpoints.read_info(self._folder.path, "best")["state"].get("best_eval_metric_value")
    return value if isinstance(value, (int, float)) else None

  def _saved_meta(self) -> dict[str, Any]:
    """What the newest checkpoint says beside the state; nothing if there is none."""
    is_there = checkpoints.latest_step(self._folder.path) is not None
    return checkpoints.read_info(self._folder.path)["meta"] if is_there else {}

  def _timing_at_checkpoint(self) -> dict[str, Any]:
    """What `_timing` was when the newest checkpoint was saved."""
    meta, timing = self._saved_meta(), {"wall_seconds": 0.0, "steps_per_second": None}
    return timing | {name: meta[name] for name in timing if isinstance(meta.get(name), (int, float))}

  def _timing(self, experiment: Any) -> dict[str, Any]:
    """Seconds of this run so far, over all its processes, and its latest speed."""
    return {
        "wall_seconds": self._earlier["wall_seconds"] + time.monotonic() - self._started,
        "steps_per_second": experiment.steps_per_second or self._earlier["steps_per_second"],
    }

  def _summary(self, evaluated_step: int) -> dict[str, Any]:
    return {
        "experiment": self._config.experiment,
        "sweep": self._config.sweep,
        "step": checkpoints.latest_step(self._folder.path),
        "evaluated": {"checkpoint": self._config.evaluation.checkpoint, "step": evaluated_step},
        "seed": self._config.random_seed,
        **self._earlier,
        "devices": jax.device_count(),
        "device_kind": jax.devices()[0].device_kind,
    }
