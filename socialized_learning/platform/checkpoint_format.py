"""How one checkpoint lies on disk: written by Orbax, readable without any class of this project.

    DIR/checkpoints/latest/<step>/arrays/          nested dictionaries of arrays (Orbax PyTree item)
    DIR/checkpoints/latest/<step>/info/            JSON item: format, experiment, step, state, meta,
                                                   and the path, shape and dtype of every array
    DIR/checkpoints/latest/<step>/checksums.json   CRC-32 of every file above
    DIR/checkpoints/best/<step>/...

Everything is written beside its place and then renamed, so a folder whose name is a bare number is
complete. The checksums, which must name every file, are compared before Orbax reads: it does not notice
every flipped bit, and when it notices one its threads print tracebacks by the dozen.
"""

from collections.abc import Iterable, Iterator, Mapping
import contextlib
import json
import logging
import os
import pathlib
import shutil
import time
from typing import Any
import zlib

import jax
import numpy as np
import orbax.checkpoint as ocp

from socialized_learning.platform import json_files
from socialized_learning.platform import plain_trees
from socialized_learning.platform.errors import FolderError
from socialized_learning.platform.errors import shown
from socialized_learning.platform.errors import UserError

Plain = plain_trees.Plain

FORMAT = 1
# What Orbax, TensorStore and the JSON decoder raise on missing, truncated or altered files.
_READ_ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)
_CHECKSUMS = "checksums.json"
_INFO = "metadata"  # The file of the JSON item.
_PARTIAL = ".partial"  # Being written.
_TRASH = ".trash"  # Being deleted.


def series_dir(run_dir: str | os.PathLike[str], series: str) -> pathlib.Path:
  """The absolute folder of a series, DIR/checkpoints/<series>."""
  return pathlib.Path(run_dir).absolute() / "checkpoints" / series


def list_steps(run_dir: str | os.PathLike[str], series: str) -> list[int]:
  """Steps of the complete checkpoints now on disk, ascending; UserError if one may not look."""
  folder = series_dir(run_dir, series)
  try:
    if not folder.is_dir():
      return []
    return sorted(int(p.name) for p in folder.iterdir() if _is_step(p.name) and p.is_dir())
  except OSError as error:
    raise UserError(f"cannot look into {folder}: {error.strerror}") from error


def latest_step(run_dir: str | os.PathLike[str], series: str = "latest") -> int | None:
  """Step of the newest checkpoint of a series, or None if there is none."""
  return max(list_steps(run_dir, series), default=None)


def write_step(folder: pathlib.Path, plain: Plain, info: Plain) -> None:
  """Writes the checkpoint `folder`, atomically; it must not exist.

  Raises:
    UserError: the disk is full or not writable.
  """
  table = [{"path": path, "shape": array.shape, "dtype": array.dtype.name}
           for path, array in plain_trees.iterate(plain)]
  args = {"info": ocp.args.JsonSave(dict(info, format=FORMAT, arrays=table))}
  if any(array.size for _, array in plain_trees.iterate(plain)):
    args["arrays"] = ocp.args.PyTreeSave(_without_zero_size(plain))
  partial = folder.with_name(folder.name + _PARTIAL)
  try:
    with _removed_if_it_fails(folder.parent):
      folder.parent.mkdir(parents=True, exist_ok=True)
      with _orbax() as checkpointer:
        checkpointer.save(partial, args=ocp.args.Composite(**args))
      (partial / _CHECKSUMS).write_text(json.dumps(_checksums(partial, _files(partial))))
      os.replace(partial, folder)
  except OSError as error:
    raise UserError(f"cannot write checkpoint {folder}: {one_line(error)}") from error
  except ValueError as error:  # TensorStore's way to say it.
    if "No space left" in str(error) or "RESOURCE_EXHAUSTED" in str(error):
      raise UserError(f"cannot write checkpoint {folder}: the disk is full") from error
    if "os_error_code" not in str(error):
      raise
    raise UserError(f"cannot write checkpoint {folder}: {one_line(error)}") from error


@contextlib.contextmanager
def _removed_if_it_fails(series: pathlib.Path) -> Iterator[None]:
  """Leaves nothing of a save that fails: on a full disk it would be in the way of the next one."""
  try:
    yield
  except (OSError, ValueError):
    for _ in range(20):
      remove_leftovers(series)
      if not any(_PARTIAL in path.name for path in series.glob("*")):
        break
      time.sleep(0.05)  # TensorStore's threads are still writing there.
    raise


def read_info(folder: pathlib.Path) -> Plain:
  """Verifies the files of a checkpoint and reads its JSON item.

  Raises:
    UserError: it is damaged, of another format, or of another step than its folder's name says.
  """
  try:
    _verify(folder)
    info = json_files.read(folder / "info" / _INFO)
    version = info["format"]
    if version == FORMAT:
      _check_kinds(info)
  except _READ_ERRORS as error:
    raise damaged(folder, error) from error
  if version != FORMAT:
    raise UserError(f"checkpoint {folder} has format {shown(version)}, this program reads {FORMAT}: "
                    "use the version of the program that wrote it")
  if info["step"] != int(folder.name):
    raise UserError(f"checkpoint {folder} holds step {info['step']}, not {folder.name}: give the folder "
                    "the name of its step, or move it away")
  return info


def read_arrays(folder: pathlib.Path, info: Plain) -> Plain:
  """Reads all arrays that `info` lists; call `read_info` first.

  Raises:
    UserError: the checkpoint is damaged.
  """
  table = array_table(info)
  try:
    plain = {}
    if any(0 not in shape for _, shape in table.values()):
      with _orbax() as checkpointer:
        plain = checkpointer.restore(
            folder, args=ocp.args.Composite(arrays=ocp.args.PyTreeRestore())).arrays
    for path, (dtype, shape) in table.items():
      if 0 in shape:
        plain_trees.put(plain, path, np.zeros(shape, dtype))
    found = {path: (a.dtype.name, list(a.shape)) for path, a in plain_trees.iterate(plain)}
    if found != table:
      raise ValueError("its arrays are not those of its list")
  except _READ_ERRORS as error:
    raise damaged(folder, error) from error
  return plain


def array_table(info: Plain) -> dict[plain_trees.Path, tuple[str, list[int]]]:
  """What a checkpoint holds: path -> (dtype, shape)."""
  return {tuple(e["path"]): (e["dtype"], e["shape"]) for e in info["arrays"]}


def damaged(folder: pathlib.Path, reason: Any) -> FolderError:
  """The error for a checkpoint that cannot be read; names the older one that is left."""
  older = [s for s in list_steps(folder.parents[2], folder.parent.name) if s < int(folder.name)]
  advice = (f"delete that folder to go on from step {max(older)}" if older else
            "delete that folder, the run itself goes on without it" if folder.parent.name == "best" else
            "no older one is left, use a new --workdir")
  return FolderError(f"checkpoint {folder} is damaged ({one_line(reason)})", advice)


def remove(folder: pathlib.Path) -> None:
  """Deletes a checkpoint so that a kill half-way leaves nothing that looks complete."""
  trash = folder.with_name(folder.name + _TRASH)
  os.replace(folder, trash)
  shutil.rmtree(trash, ignore_errors=True)


def remove_leftovers(folder: pathlib.Path) -> None:
  """Deletes what killed saves and deletions left in a series folder."""
  for path in folder.glob("*"):
    if _PARTIAL in path.name or _TRASH in path.name:
      shutil.rmtree(path, ignore_errors=True)


def one_line(reason: Any) -> str:
  """The first line of an error's text, at most 120 characters."""
  if isinstance(reason, OSError) and reason.strerror and reason.filename:
    reason = f"{os.path.basename(reason.filename)}: {reason.strerror}"
  lines = str(reason).strip().splitlines() or [type(reason).__name__]
  return lines[0] if len(lines[0]) <= 120 else lines[0][:117] + "..."


def _orbax() -> ocp.Checkpointer:
  """A checkpointer of this process alone: no barrier waits for processes that do not save."""
  index = jax.process_index()
  alone = ocp.options.MultiprocessingOptions(primary_host=index, active_processes={index})
  handler = ocp.CompositeCheckpointHandler(
      composite_options=ocp.CompositeOptions(multiprocessing_options=alone),
      arrays=ocp.PyTreeCheckpointHandler(multiprocessing_options=alone),
      info=ocp.JsonCheckpointHandler(_INFO, multiprocessing_options=alone))
  return ocp.Checkpointer(handler, multiprocessing_options=alone)


def _without_zero_size(plain: Plain) -> Plain:
  """Orbax refuses arrays without elements; the table in the JSON item is enough for them."""
  return {name: _without_zero_size(value) if isinstance(value, Mapping) else value
          for name, value in plain.items() if getattr(value, "size", None) != 0}


def _is_step(name: str) -> bool:
  """Whether a folder may be called that: '60', but neither '060' nor other alphabets' digits."""
  return name.isdecimal() and name == str(int(name))


def _files(folder: pathlib.Path) -> list[str]:
  """All that lies below `folder` and is no folder, but for the checksums, as relative paths."""
  return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")
                if not path.is_dir() and path.name != _CHECKSUMS)


def _checksums(folder: pathlib.Path, names: Iterable[str]) -> dict[str, int]:
  """CRC-32 of files, by their path relative to `folder`."""
  found = {}
  for name in names:
    crc32 = 0
    with (folder / name).open("rb") as file:
      while block := file.read(1 << 20):
        crc32 = zlib.crc32(block, crc32)
    found[name] = crc32
  return found


def _verify(folder: pathlib.Path) -> None:
  """Raises ValueError or OSError unless the files of a checkpoint are those that were written."""
  listed = json_files.read(folder / _CHECKSUMS)
  if not isinstance(listed, dict):
    raise ValueError(f"{_CHECKSUMS} is no table of files")
  found = _files(folder)
  for name in sorted(listed.keys() | found):
    # What file managers and network file systems leave behind begins with a dot.
    if name not in listed and not any(part.startswith(".") for part in name.split("/")):
      raise ValueError(f"{name} is not in {_CHECKSUMS}")
    if name in listed and (name not in found or not (folder / name).is_file()):
      raise ValueError(f"{name} is missing")
  for name, crc32 in _checksums(folder, sorted(listed)).items():
    if crc32 != listed[name]:
      raise ValueError(f"{name} is altered")


def _check_kinds(info: Plain) -> None:
  """Raises ValueError unless the entries of a JSON item are of the kinds that `write_step` writes."""
  kinds = {"experiment": str, "step": int, "state": dict, "meta": dict, "arrays": list}
  wrong = [name for name, kind in kinds.items() if not isinstance(info.get(name), kind)]
  if wrong or info["state"].get("global_step", info["step"]) != info["step"]:
    raise ValueError(f"its {wrong[0] if wrong else 'step'} is not what a checkpoint holds")
  if not all(isinstance(name, str) for path in array_table(info) for name in path):
    raise ValueError("its arrays are not what a checkpoint holds")


def _is_not_orbax_chatter(record: logging.LogRecord) -> bool:
  return record.levelno >= logging.ERROR or f"{os.sep}orbax{os.sep}" not in record.pathname


# Orbax logs every save and some harmless warnings; what matters is raised as an exception.
logging.getLogger("absl").addFilter(_is_not_orbax_chatter)
