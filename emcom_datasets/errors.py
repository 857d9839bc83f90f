"""What this package raises when data cannot be had."""

from pathlib import Path


class DataSetError(Exception):
  """Data that are missing, damaged or unknown: one line, what was looked for, where, how to get it.

  The message is written for the user and shown as it is, without a traceback.
  """


def one_line(error: Exception) -> str:
  """Returns what another package's error says, short enough for a message of one line."""
  return " ".join(f"{type(error).__name__}: {error}".split())[:160]


def damaged(path: Path | str, error: Exception) -> DataSetError:
  """Returns what to raise where a file's bytes are not what its name promises."""
  return DataSetError(f"{path}: cannot be read, it is damaged or of another kind "
                      f"({one_line(error)}); copy or download it again")
