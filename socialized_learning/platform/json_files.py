"""Reads JSON that lies in a run folder, whatever may have been put in its place.

A pipe is not waited for, a huge file is not loaded, and deep nesting is an error like any other.
"""

import errno
import json
import os
import stat
from typing import Any

MAX_JSON_BYTES = 64 << 20  # Descriptions of runs and checkpoints are a thousand times smaller.
MAX_BYTES = 4 << 30
_MAX_DEPTH = 100


def read_bytes(path: str | os.PathLike[str], *, limit: int = MAX_BYTES) -> bytes:
  """Reads a regular file of at most `limit` bytes.

  Raises:
    OSError: it is missing, unreadable, or something other than a file.
    ValueError: it is larger.
  """
  # Opening a pipe without this flag waits until somebody writes into it.
  descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
  try:
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
      raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(status.st_mode):
      raise OSError(errno.EINVAL, "Not a regular file", os.fspath(path))
    if status.st_size > limit:
      raise ValueError(f"its {status.st_size} bytes are more than the {limit} that it may have")
    with open(descriptor, "rb", closefd=False) as file:
      return file.read(limit)
  finally:
    os.close(descriptor)


def read(path: str | os.PathLike[str]) -> Any:
  """The content of a JSON file.

  Raises:
    OSError: it is missing, unreadable, or something other than a file.
    ValueError: it is not JSON, too large, or nested too deeply.
  """
  return parse(read_bytes(path, limit=MAX_JSON_BYTES))


def parse(text: str | bytes) -> Any:
  """The value of a JSON text; raises ValueError if it is not JSON or nested too deeply."""
  try:
    value = json.loads(text)
  except RecursionError as error:
    raise ValueError("it is nested too deeply") from error
  level = [value]
  for _ in range(_MAX_DEPTH):
    level = [child for node in level if isinstance(node, (dict, list))
             for child in (node.values() if isinstance(node, dict) else node)]
    if not level:
      return value
  raise ValueError("it is nested too deeply")

