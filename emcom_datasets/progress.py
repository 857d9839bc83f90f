"""Lines that say how far a long command has come."""

import time

_EVERY_SECONDS = 10.0


class Progress:
  """Counts what is done and prints a line now and then, and one at the end."""

  def __init__(self, done: str, total: int, things: str):
    """`done` and `things` are words: "encoded 6,400 of 202,599 images, 214 a second"."""
    self._done = done
    self._total = total
    self._things = things
    self._count = 0
    self._started = self._shown = time.monotonic()

  def add(self, count: int) -> None:
    """Counts `count` things more."""
    self._count += count
    now = time.monotonic()
    if self._count == self._total or now - self._shown >= _EVERY_SECONDS:
      self._shown = now
      rate = self._count / max(now - self._started, 1e-3)
      print(f"{self._done} {self._count:,} of {self._total:,} {self._things}, {rate:,.0f} a second",
            flush=True)
