"""The folder one run lives in, and how its JSON files are written.

    DIR/config.json  metrics.jsonl  summary.json  messages.jsonl  checkpoints/  tensorboard/

Files are strict JSON (NaN and infinities become null) and are replaced atomically: a reader, or the
next start after a kill, sees the old content or the new one, never half of either.
"""

from collections.abc import Iterable, Mapping, Sequence
import contextlib
import fcntl
import itertools
import json
import math
import os
import pathlib
import re
import time
from typing import Any

import jax
import numpy as np

from socialized_learning.platform import json_files
from socialized_learning.platform import signals
from socialized_learning.platform import stored_config
from socialized_learning.platform.errors import FolderError
from socialized_learning.platform.errors import UserError

_NOTHING: Mapping[str, Any] = {}


class RunFolder:
  """Paths and JSON files of one run."""

  def __init__(self, path: str | os.PathLike[str]):
    """Takes `path` as it is; `fresh` and `open` make sure that it can be used."""
    self.path = pathlib.Path(path).absolute()
    self.config = self.path / "config.json"
    self.metrics = self.path / "metrics.jsonl"
    self.summary = self.path / "summary.json"
    self.messages = self.path / "messages.jsonl"
    self.checkpoints = self.path / "checkpoints"
    self.tensorboard = self.path / "tensorboard"
    self._lock: Any = None

  @classmethod
  def fresh(cls, name: str, root: str | os.PathLike[str] = "runs") -> "RunFolder":
    """Creates `root/<name>-<YYYYmmdd-HHMMSS>`, with -2, -3, ... if that is taken.

    Raises:
      UserError: it cannot be created or written.
    """
    stem = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}-{time.strftime('%Y%m%d-%H%M%S')}"
    for number in itertools.count(1):
      path = pathlib.Path(root) / (stem if number == 1 else f"{stem}-{number}")
      try:
        with signals.shielded():
          path.mkdir(parents=True)
          return cls.open(path)
      except OSError as error:
        if isinstance(error, FileExistsError) and path.exists():
          continue  # Another run started in the same second.
        raise UserError(f"cannot create {path}: {error.strerror}") from error

  @classmethod
  def open(cls, path: str | os.PathLike[str], *, create: bool = True) -> "RunFolder":
    """Opens a run folder for writing, making it if need be.

    Args:
      path: the folder.
      create: False to read a run that must be there; whether it can be written is not tried.

    Raises:
      UserError: it is a file, cannot be created, cannot be written, or is not there.
    """
    folder = cls(path)
    try:
      str(folder.path).encode()
    except UnicodeEncodeError as error:
      raise UserError(f"the name of run folder {folder.path} is not UTF-8, which checkpoints need: use "
                      "another --workdir") from error
    try:
      is_there, is_folder = folder.path.exists(), folder.path.is_dir()
      folder.config.exists()
    except OSError as error:  # A folder that may not be entered, a name that is too long.
      raise UserError(f"cannot look into run folder {path}: {error.strerror}") from error
    if is_there and not is_folder:
      raise UserError(f"{path} is a file, not a run folder")
    if not create:
      if not is_there:
        raise UserError(f"there is no run folder {path}")
      return folder
    probe = folder.path / f".probe-{os.getpid()}"
    try:
      with signals.shielded():
        folder.path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
      raise UserError(f"cannot write in run folder {path}: {error.strerror}") from error
    return folder

  def check_kinds(self) -> None:
    """Raises UserError if something lies where a file or folder of the run belongs, and is none."""
    wrong = [(path, "file") for path in (self.config, self.metrics, self.summary, self.messages)
             if path.exists() and not path.is_file()]
    folders = (self.checkpoints, *(self.checkpoints / series for series in ("latest", "best")),
               self.tensorboard)
    wrong += [(path, "folder") for path in folders if path.exists() and not path.is_dir()]
    for path, kind in wrong:
      raise UserError(f"{path} is not a {kind}: move it away, or use a new --workdir")

  def lock(self) -> None:
    """Keeps other programs from training in this folder, until this one ends, however it does.

    Raises:
      UserError: another one is training here, or there can be no lock.
    """
    try:
      # Not waiting: the opening of a pipe would.
      flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
      self._lock = open(os.open(self.path / ".lock", flags, 0o666), "ab")
    except OSError as error:
      raise UserError(f"cannot write {self.path / '.lock'}: {error.strerror}") from error
    try:
      fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise UserError(f"another program is training in {self.path}: let it end, or use another "
                      "--workdir") from error
    except OSError:
      pass  # A file system without locks.

  def write_text(self, name: str, text: str) -> None:
    """Writes DIR/name, see `write_bytes`."""
    self.write_bytes(name, text.encode())

  def write_bytes(self, name: str, content: bytes) -> None:
    """Writes DIR/name, atomically.

    Raises:
      UserError: the disk is full or not writable.
    """
    path = self.path / name
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
      with signals.shielded():
        with open(temporary, "wb") as file:
          file.write(content)
          file.flush()
          os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
      with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)
      raise UserError(f"cannot write {path}: {error.strerror}") from error

  def write_json(self, name: str, obj: Any) -> None:
    """Writes DIR/name, indented; see `to_json` for what `obj` may hold."""
    self.write_text(name, json.dumps(to_json(obj), indent=2, allow_nan=False) + "\n")

  def write_jsonl(self, name: str, rows: Iterable[Any]) -> None:
    """Writes DIR/name with one line per row."""
    self.write_text(name, "".join(json_line(row) for row in rows))

  def read_json(self, name: str) -> Any:
    """Reads DIR/name.

    Raises:
      UserError: it is missing, not a file, or not JSON.
    """
    path = self.path / name
    try:
      return json_files.read(path)
    except OSError as error:
      raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
      raise FolderError(f"{path} is not JSON ({error})", "restore it, or use a new --workdir") from error

  def read_config(self) -> stored_config.StoredConfig:
    """Reads config.json.

    Raises:
      UserError: it is missing, damaged, or of a newer format.
    """
    content = self.read_json(self.config.name)
    if not isinstance(content, dict):
      raise FolderError(f"{self.config} does not hold a configuration",
                        "restore it, or use a new --workdir")
    return stored_config.unpack(content, str(self.config))

  def check_config(self, config: Mapping[str, Any], free_keys: Sequence[str] = (),
                   earlier: Mapping[str, Any] = _NOTHING) -> None:
    """Makes sure that config.json, if there is one, describes a run of this configuration.

    Args:
      config: nested configuration (a dictionary or a ConfigDict).
      free_keys: dotted keys, or prefixes of them up to a dot, that a resumed run may change.
      earlier: dotted key -> what it stands for where an earlier version did not write it.

    Raises:
      UserError: another key changed, or config.json is damaged.
    """
    if self.config.exists():
      stored_config.check_same(self.read_config(), to_json(config), free_keys, earlier)

  def write_config(self, config: Mapping[str, Any]) -> None:
    """Writes config.json, unless it holds just this configuration already; `check_config` first."""
    new = to_json(config)
    if not self.config.exists() or self.read_config().values != new:
      self.write_json(self.config.name, stored_config.pack(new))


def to_json(obj: Any) -> Any:
  """Converts to what strict JSON can hold.

  Arrays and scalars of NumPy and JAX become lists and numbers, NaN and infinities None, tuples
  lists, paths strings, keys strings.

  Raises:
    TypeError: something else is in it.
  """
  if obj is None or isinstance(obj, (bool, str, int)) and not isinstance(obj, np.generic):
    return obj
  if isinstance(obj, (jax.Array, np.ndarray, np.generic)):
    return to_json(np.asarray(obj).tolist())
  if isinstance(obj, float):
    return obj if math.isfinite(obj) else None
  if hasattr(obj, "to_dict"):  # A ConfigDict, with its references resolved.
    return to_json(obj.to_dict())
  if isinstance(obj, Mapping):
    return {str(key): to_json(value) for key, value in obj.items()}
  if isinstance(obj, (list, tuple)):
    return [to_json(value) for value in obj]
  if isinstance(obj, os.PathLike):
    return os.fspath(obj)
  raise TypeError(f"{obj!r} of type {type(obj).__name__} cannot be written as JSON")


def json_line(row: Any) -> str:
  """One line of strict JSON with its line feed."""
  return json.dumps(to_json(row), allow_nan=False) + "\n"
