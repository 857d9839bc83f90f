"""Standard output and error that a run outlives: `main | head -1` and a full disk lose words, no steps."""

import os
import sys
from typing import Any, TextIO


class Lenient:
  """A text stream that never fails: once it cannot be written to, what is said is lost."""

  def __init__(self, stream: TextIO):
    """Writes to `stream` as long as that goes."""
    self._stream = stream

  def __getattr__(self, name: str) -> Any:
    return getattr(self._stream, name)

  def write(self, text: str) -> int:
    """Writes, or pretends to; returns the number of characters."""
    try:
      return self._stream.write(text)
    except OSError:
      self._give_up()
      return len(text)

  def flush(self) -> None:
    """Flushes, or pretends to."""
    try:
      self._stream.flush()
    except OSError:
      self._give_up()

  def _give_up(self) -> None:
    """Sends what is still in the buffer, and all that comes, to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, self._stream.fileno())
    os.close(nowhere)


def outlive_readers() -> None:
  """Makes both streams of this program lenient.

  Who reads them may be gone before it, as `tee` is when Ctrl-C goes to both.
  """
  sys.stdout, sys.stderr = Lenient(sys.stdout), Lenient(sys.stderr)
