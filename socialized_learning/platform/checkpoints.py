"""Orbax checkpoints behind Jaxline's `Checkpointer` interface.

A save is complete when `save` returns: the arrays have been copied to the host, written and renamed
into place. Each instance keeps its own experiment states, so a training and an evaluating thread
(or process) share a run folder by having an instance each; whatever one writes the other sees.
"""

from collections.abc import Callable, Mapping
import os
import pathlib
from typing import Any

import jax
from ml_collections import config_dict
import numpy as np

import socialized_learning
from socialized_learning.platform import checkpoint_format as fmt
from socialized_learning.platform import jaxline_shim
from socialized_learning.platform import plain_trees
from socialized_learning.platform import stored_config
from socialized_learning.platform.errors import shown
from socialized_learning.platform.errors import UserError

PyTree = Any
latest_step = fmt.latest_step  # Part of this module's interface.

_MODULE = "experiment_module"
_RNG = "train_step_rng"
_NO_SOURCE: Mapping[str, str] = {}


class OrbaxCheckpointer:
  """Implements `jaxline.utils.Checkpointer` on disk.

  What is saved: `experiment_module.snapshot_state()`, the first device's `train_step_rng`, the
  scalar entries of the state (`global_step`, `best_eval_metric_value`, ...), the experiment's name
  and whatever `meta_fn` returns, which `check_meta` looks at before a restore.
  """

  def __init__(
      self,
      directory: str | os.PathLike[str],
      *,
      max_to_keep: int = 5,
      mode: str = "train",
      experiment_name: str | None = None,
      process_index: int | None = None,
      series_source: Mapping[str, str] = _NO_SOURCE,
      meta_fn: Callable[[], Mapping[str, Any]] = dict,
      check_meta: Callable[[Mapping[str, Any]], None] = lambda meta: None,
  ):
    """Prepares reading and writing DIR/checkpoints; touches nothing on disk.

    Args:
      directory: the run folder DIR.
      max_to_keep: how many checkpoints of `latest` to keep, at least 1; `best` always keeps one.
      mode: Jaxline's mode; the random key of training is restored only in 'train'.
      experiment_name: what must have made a checkpoint; default the experiment's class name.
      process_index: this process; only process 0 writes, all may read. Default: ask JAX.
      series_source: series to read another one from, `{'latest': 'best'}` evaluates the best model.
      meta_fn: called at each save; returns JSON-able entries to store, such as elapsed seconds.
      check_meta: called with these before a restore; raises UserError if they do not fit.

    Raises:
      ValueError: `max_to_keep` is less than 1.
    """
    if max_to_keep < 1:
      raise ValueError(f"max_to_keep must be at least 1, is {max_to_keep}")
    self._directory = pathlib.Path(directory).absolute()
    self._max_to_keep = max_to_keep
    self._is_train = mode.startswith("train")
    self._experiment_name = experiment_name
    self._is_primary = (jax.process_index() if process_index is None else process_index) == 0
    self._series_source = dict(series_source)
    self._meta_fn = meta_fn
    self._check_meta = check_meta
    self._states: dict[str, config_dict.ConfigDict] = {}
    self._cleaned: set[str] = set()
    self._known: set[pathlib.Path] = set()  # Checkpoints that were saved here, or restored.

  def get_experiment_state(self, ckpt_series: str) -> config_dict.ConfigDict:
    """The live state of a series, to be filled in by the caller."""
    # Not type-safe: Jaxline replaces floats of this state by arrays.
    return self._states.setdefault(ckpt_series, config_dict.ConfigDict(type_safe=False))

  def can_be_restored(self, ckpt_series: str) -> bool:
    """Whether the disk now holds a checkpoint to restore the series from."""
    return self._newest(ckpt_series) is not None

  def restore_path(self, ckpt_series: str) -> str | None:
    """The folder that `restore` would now read, or None."""
    newest = self._newest(ckpt_series)
    return None if newest is None else str(newest)

  def wait_for_checkpointing_to_finish(self) -> None:
    """Returns at once: saves are complete when `save` returns."""

  def save(self, ckpt_series: str) -> None:
    """Saves the state as step `global_step`; does nothing if that step is on disk already.

    Raises:
      UserError: the disk is full or not writable, or something else lies in the step's place.
    """
    if not self._is_primary:
      return
    state = self.get_experiment_state(ckpt_series)
    series = fmt.series_dir(self._directory, ckpt_series)
    folder = series / str(int(state.global_step))
    if os.path.lexists(folder):
      if folder not in self._known:
        fmt.read_info(folder)  # Raises unless it is a checkpoint of this step.
      return
    if ckpt_series not in self._cleaned:
      fmt.remove_leftovers(series)
      self._cleaned.add(ckpt_series)
    rng = state.get(_RNG)
    plain = plain_trees.to_plain({
        _MODULE: state.experiment_module.snapshot_state(),
        _RNG: None if rng is None else jaxline_shim.get_first(rng)})
    fmt.write_step(folder, plain, {
        "experiment": self._name_of(state.experiment_module),
        "step": int(state.global_step),
        "state": {k: _scalar(k, v) for k, v in state.items() if k not in (_MODULE, _RNG)},
        "meta": dict(self._meta_fn())})
    self._known.add(folder)
    self._delete_old(ckpt_series, folder)

  def restore(self, ckpt_series: str) -> None:
    """Restores the newest checkpoint into the state and its experiment.

    Without a saved training key (a checkpoint made by evaluation) the state keeps its own.

    Raises:
      UserError: there is none, it is damaged, or it was made by something else. An older one is
        never taken instead.
    """
    state = self.get_experiment_state(ckpt_series)
    # Slots instead of arrays: the old values' memory is free before the new ones are read.
    slots = plain_trees.to_slots(state.experiment_module.snapshot_state())
    info, arrays = self._read(ckpt_series, state, slots)
    self._check_meta(info["meta"])
    for name in state:
      if name in info["state"]:
        state[name] = info["state"][name]
    rng = arrays.get(_RNG)
    if self._is_train and state.get(_RNG) is not None and rng is not None:
      # Laid out as the key it replaces, or the first step would be compiled again.
      state[_RNG] = jax.device_put(jaxline_shim.bcast_local_devices(rng), state[_RNG].sharding)
    state.experiment_module.restore_from_snapshot(
        plain_trees.from_plain(slots, arrays.get(_MODULE, {})))

  def _newest(self, ckpt_series: str) -> pathlib.Path | None:
    source = self._series_source.get(ckpt_series, ckpt_series)
    step = fmt.latest_step(self._directory, source)
    return None if step is None else fmt.series_dir(self._directory, source) / str(step)

  def _read(self, ckpt_series: str, state: config_dict.ConfigDict,
            slots: PyTree) -> tuple[dict[str, Any], plain_trees.Plain]:
    """Reads (info, arrays) of the newest checkpoint, checked against the live state."""
    while True:
      folder = self._newest(ckpt_series)
      if folder is None:
        raise _none_error(self._directory, ckpt_series)
      try:
        info = fmt.read_info(folder)
        _check_origin(folder, info, self._name_of(state.experiment_module), state)
        _check_structure(folder, info, slots)
        arrays = fmt.read_arrays(folder, info)
        self._known.add(folder)
        return info, arrays
      except UserError:
        # The process that writes has put a newer one in its place while it was being read.
        if folder.exists():
          raise

  def _name_of(self, experiment_module: Any) -> str:
    return self._experiment_name or type(experiment_module).__name__

  def _delete_old(self, ckpt_series: str, newest: pathlib.Path) -> None:
    keep = 1 if ckpt_series == "best" else self._max_to_keep
    others = [s for s in fmt.list_steps(self._directory, ckpt_series) if s != int(newest.name)]
    for step in others[:max(0, len(others) - (keep - 1))]:
      fmt.remove(newest.with_name(str(step)))


def read_checkpoint(
    run_dir: str | os.PathLike[str], series: str = "latest", step: int | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
  """Reads a checkpoint of another run, whatever its experiment.

  Args:
    run_dir: the run folder.
    series: 'latest' or 'best'.
    step: which one; default the newest.

  Returns:
    The experiment's snapshot as nested dictionaries of numpy arrays (a list or a named tuple is a
    dictionary of its indices or fields), and a dictionary with `experiment`, `step`, `state`
    (Jaxline's scalars) and `meta` (the writer's own entries).

  Raises:
    UserError: there is no such checkpoint, or it is damaged.
  """
  folder = _find(run_dir, series, step)
  info = fmt.read_info(folder)
  return fmt.read_arrays(folder, info).get(_MODULE, {}), _public(info)


def read_info(run_dir: str | os.PathLike[str], series: str = "latest", step: int | None = None
             ) -> dict[str, Any]:
  """What a checkpoint says of itself: `experiment`, `step`, `state` and `meta`.

  Raises:
    UserError: there is no such checkpoint, or it is damaged.
  """
  while True:
    folder = _find(run_dir, series, step)
    try:
      return _public(fmt.read_info(folder))
    except UserError:
      # The process that trains may have put a newer one in its place.
      if step is not None or folder.exists():
        raise


def _public(info: Mapping[str, Any]) -> dict[str, Any]:
  return {key: info[key] for key in ("experiment", "step", "state", "meta")}


def _find(run_dir: str | os.PathLike[str], series: str, step: int | None) -> pathlib.Path:
  step = fmt.latest_step(run_dir, series) if step is None else step
  if step is None or step not in fmt.list_steps(run_dir, series):
    raise _none_error(run_dir, series, step)
  return fmt.series_dir(run_dir, series) / str(step)


def _none_error(run_dir: str | os.PathLike[str], series: str,
                step: int | None = None) -> UserError:
  which = "" if step is None else f" of step {step}"
  steps = fmt.list_steps(run_dir, series)
  held = f"steps {', '.join(map(str, steps))}" if steps else "none"
  return UserError(f"no '{series}' checkpoint{which} in {run_dir} (there: {held}): name the "
                   "folder of a run that has saved one")


def _scalar(name: str, value: Any) -> int | float | bool | str | None:
  """Converts a state entry to a JSON scalar, a float32 exactly."""
  if isinstance(value, (jax.Array, np.ndarray, np.generic)) and value.size == 1:
    value = np.asarray(value).item()
  if value is not None and not isinstance(value, (bool, int, float, str)):
    raise TypeError(f"state entry {name} is a {type(value).__name__}: a checkpoint keeps scalars "
                    "only, arrays belong into snapshot_state()")
  return value


def _check_origin(folder: pathlib.Path, info: Mapping[str, Any], experiment_name: str,
                  state: config_dict.ConfigDict) -> None:
  if info["experiment"] != experiment_name:
    raise UserError(f"checkpoint {folder} was made by {info['experiment']}, this is "
                    f"{experiment_name}: use a new --workdir")
  # A best value of one metric must not be compared with values of another.
  metric = info["state"].get("best_model_eval_metric")
  wanted = state.get("best_model_eval_metric")
  if metric and wanted and metric != wanted:
    raise UserError(f"checkpoint {folder} was chosen by {metric}, this configuration chooses "
                    f"by {wanted}: use the metric of that run, or a new --workdir")


def _check_structure(folder: pathlib.Path, info: Mapping[str, Any], slots: PyTree) -> None:
  """Compares names, shapes and dtypes before any array is read."""
  held = {path[1:]: spec for path, spec in fmt.array_table(info).items() if path[0] == _MODULE}
  difference = plain_trees.difference(held, slots)
  if difference:
    software = info["meta"].get("software")
    version = software.get("socialized_learning") if isinstance(software, dict) else None
    version = shown(version or stored_config.FIRST_VERSION)
    other = "" if version == socialized_learning.__version__ else f", version {version} of the program"
    raise UserError(f"checkpoint {folder} {difference}: use the configuration in config.json of "
                    f"that run{other}, or a new --workdir")
