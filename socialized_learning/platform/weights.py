"""Weights of a network in a folder of their own, to start a run from.

They lie there as a checkpoint does, of step 0: atomically written, with checksums, readable without
any class of this project.
"""

from collections.abc import Mapping
import os
import pathlib
import types
from typing import Any

import numpy as np

from socialized_learning.platform import checkpoints
from socialized_learning.platform import plain_trees
from socialized_learning.platform.errors import UserError

PyTree = Any
_MADE_BY = "weights"  # In place of the name of an experiment.


def save_weights(folder: str | os.PathLike[str], tree: PyTree, about: Mapping[str, Any]) -> None:
  """Writes a pytree of arrays to a folder, which must be new or empty.

  Args:
    folder: where to.
    tree: the weights.
    about: JSON-able entries that say what they are.

  Raises:
    UserError: there is something in the folder, or it cannot be written.
  """
  refuse_used(folder)
  checkpointer = checkpoints.OrbaxCheckpointer(
      folder, experiment_name=_MADE_BY, meta_fn=lambda: about)
  state = checkpointer.get_experiment_state("latest")
  state.global_step = 0
  state.experiment_module = types.SimpleNamespace(snapshot_state=lambda: tree)
  checkpointer.save("latest")


def load_weights(folder: str | os.PathLike[str], template: PyTree) -> PyTree:
  """Reads the weights of a folder as NumPy arrays, arranged as the template is.

  Args:
    folder: where `save_weights` has written them.
    template: a tree with the shapes and types that are wanted, as `jax.eval_shape` gives it.

  Raises:
    UserError: no weights there, damaged ones, others than are wanted, or numbers that are not finite:
      it names an array.
  """
  _check_there(folder)
  plain, info = checkpoints.read_checkpoint(folder)
  _check_origin(folder, info)
  slots = plain_trees.to_slots(template)
  held = {path: (array.dtype.name, list(array.shape)) for path, array in plain_trees.iterate(plain)}
  difference = plain_trees.difference(held, slots)
  if difference:
    raise UserError(f"the weights in {folder} are of another network: it {difference}")
  for path, array in plain_trees.iterate(plain):
    if not np.isfinite(array).all():
      raise UserError(f"the weights in {folder} are not all finite: {'/'.join(path)} holds NaN or "
                      "infinity, import those of another checkpoint")
  return plain_trees.from_plain(slots, plain)


def refuse_used(folder: str | os.PathLike[str]) -> None:
  """Raises UserError if there is anything where weights are to be written."""
  path = pathlib.Path(folder)
  try:
    used = path.exists() and (not path.is_dir() or any(path.iterdir()))
  except OSError as error:
    raise UserError(f"{path} cannot be looked into ({error.strerror}): name a new folder"
                   ) from error
  if used:
    raise UserError(f"{path} is there already and is not overwritten: name a new folder")


def _check_there(folder: str | os.PathLike[str]) -> None:
  if checkpoints.latest_step(folder) is None:
    raise UserError(f"there are no weights in {folder}: name a folder that tools.import_torch has made")


def _check_origin(folder: str | os.PathLike[str], info: Mapping[str, Any]) -> None:
  if info["experiment"] != _MADE_BY:
    raise UserError(f"{folder} is the folder of a run ({info['experiment']}), not of weights")
