"""Tries in a run's folder, before the first step, what the run will do there.

What a folder cannot do depends on its name, its file system and the space left, and on what Orbax and
TensorBoard make of them: after hours of training it is too late to learn that nothing can be saved.
"""

import os
import shutil

import numpy as np

from socialized_learning.platform import checkpoint_format
from socialized_learning.platform import events
from socialized_learning.platform import run_folder
from socialized_learning.platform import signals
from socialized_learning.platform.errors import UserError

_STEP = 10**12  # Its name is as long as that of any real step.


def check(folder: run_folder.RunFolder) -> None:
  """Writes a small checkpoint, events and a JSON file twice, and deletes them.

  Raises:
    UserError: one of them cannot be written.
  """
  place = folder.path / f".probe-{os.getpid()}"
  with signals.shielded():
    try:
      _write(run_folder.RunFolder(place))
    except UserError as error:
      reason = str(error).rpartition(": ")[2]  # The rest names a file of the probe.
      raise UserError(f"cannot write in run folder {folder.path}: {reason}") from error
    except Exception as error:  # Other packages raise whatever they like for a name they cannot use.
      raise UserError(f"no checkpoint can be written in run folder {folder.path} "
                      f"({type(error).__name__}: {checkpoint_format.one_line(error)}): use a --workdir "
                      "with another name") from error
    finally:
      shutil.rmtree(place, ignore_errors=True)


def _write(trial: run_folder.RunFolder) -> None:
  checkpoint_format.write_step(
      trial.path / str(_STEP), {"probe": np.zeros(1)},
      {"experiment": "probe", "step": _STEP, "state": {}, "meta": {}})
  file = events.EventFile(trial.tensorboard, purge_step=None)
  try:
    file.add_scalars(0, {"probe": 0.0})
  finally:
    file.close()
  for _ in range(2):  # The second replaces the first.
    trial.write_json(trial.summary.name, {})
