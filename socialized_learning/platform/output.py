"""Standard streams that a run outlives: `main | head -1`, `main >&-` and a full disk lose words, no steps."""

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


def one_line(text: Any) -> str:
  """The text on one line: what a terminal would not show as a character stands there escaped.

  Names of files may hold line feeds, control characters, and bytes that are not UTF-8.
  """
  return "".join(character if character.isprintable() else
                 character.encode("unicode_escape", "surrogatepass").decode() for character in str(text))


def outlive_readers() -> None:
  """Makes both output streams of this program lenient; call it before any file is opened.

  Who reads them may be gone before it, as `tee` is when Ctrl-C goes to both.
  """
  _open_closed()
  sys.stdout, sys.stderr = Lenient(sys.stdout), Lenient(sys.stderr)


def _open_closed() -> None:
  """Connects standard streams that are closed to nowhere.

  Otherwise the next file that is opened takes their place, and what is said goes into it.
  """
  for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
    try:
      os.fstat(descriptor)
    except OSError:
      # It gets the lowest number that is free: this one.
      os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if getattr(sys, name) is None:
      setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
