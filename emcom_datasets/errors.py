"""What this package raises when data cannot be had."""


class DataSetError(Exception):
  """Data that are missing, damaged or unknown: one line, what was looked for, where, how to get it.

  The message is written for the user and shown as it is, without a traceback.
  """


def one_line(error: Exception) -> str:
  """Returns what another package's error says, short enough for a message of one line."""
  return " ".join(f"{type(error).__name__}: {error}".split())[:160]
