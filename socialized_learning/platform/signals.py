"""Requests to stop: Ctrl-C, SIGTERM, and SIGHUP, which says that the terminal or connection is gone.

A thread takes them as soon as they arrive. A handler in the main thread raises wherever the program
happens to be: inside an import or inside JAX, where the exception turns into another one, is dropped, or
crashes an extension module. While XLA compiles or other processes are awaited it is not called at all.
"""

from collections.abc import Callable, Iterator
import contextlib
import os
import signal
import threading
from typing import Any

Handler = Callable[[int], None]

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STOPPED = b"stopped; what was saved is kept, and the same command with its --workdir continues\n"
_SHOW_CURSOR = b"\x1b[?25h"  # A progress bar hides it.
_PATIENCE = 10  # Seconds that a shielded block may still take.

_shield = threading.RLock()
_handlers: list[Handler] = []  # The last one takes the requests.
_watch: "_Watch | None" = None
_before_exit: list[Callable[[], None]] = []


def start(handler: Handler) -> None:
  """Lets `handler(number)` take the requests from now on, in a thread of its own.

  Does nothing if they are taken already.
  """
  global _watch
  if _watch is None:
    _handlers.append(handler)
    _watch = _Watch()


def rearm() -> None:
  """Takes the signals back from a library that has set a handler of its own."""
  if _watch is not None:
    _watch.arm()


def finish() -> None:
  """Ends the watch at the end of the program, which a request no longer changes."""
  _stop()
  for number in _NUMBERS:
    signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def handled(handler: Handler) -> Iterator[None]:
  """Within it `handler(number)` takes the requests; afterwards whoever did before."""
  is_first = _watch is None
  if is_first:
    start(handler)
  else:
    _handlers.append(handler)
  try:
    yield
  finally:
    if is_first:
      _stop()
    else:
      _handlers.pop()


@contextlib.contextmanager
def shielded() -> Iterator[None]:
  """Within it `exit_at_once` waits: what would be left half done is finished first."""
  with _shield:
    yield


def before_exit(function: Callable[[], None]) -> None:
  """Lets `exit_at_once` call `function` between its words and the exit."""
  _before_exit.append(function)


def exit_at_once(number: int) -> None:
  """Says so and ends the program with status 130, whatever its other threads are doing."""
  del number
  _shield.acquire(timeout=_PATIENCE)
  # Not through `sys.stderr`: the main thread may hold its lock and never return.
  for descriptor, text in ((1, _SHOW_CURSOR if os.isatty(1) else b""), (2, _STOPPED)):
    with contextlib.suppress(OSError):
      os.write(descriptor, text)
  for function in _before_exit:
    function()
  os._exit(130)


class _Watch:
  """The thread, the pipe through which the interpreter wakes it, and who had the signals before."""

  def __init__(self):
    self._reader, self._writer = os.pipe()
    os.set_blocking(self._writer, False)  # The interpreter demands it.
    self._before: dict[int, Any] = {
        number: signal.getsignal(number) for number in _NUMBERS
        # `nohup` ignores this one on purpose.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN}
    self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
    self._thread = threading.Thread(target=self._serve, daemon=True, name="signals")
    self._thread.start()
    self.arm()

  def arm(self) -> None:
    """Makes the interpreter note the signals; the thread does the rest."""
    for number in self._before:
      signal.signal(number, _do_nothing)

  def close(self) -> None:
    """Ends the thread and gives the signals back."""
    for number, handler in self._before.items():
      if handler is not None:  # None: not set by Python, which then cannot set it again.
        signal.signal(number, handler)
    signal.set_wakeup_fd(self._wakeup_before)
    os.write(self._writer, b"\0")
    self._thread.join()
    os.close(self._reader)
    os.close(self._writer)

  def _serve(self) -> None:
    while True:
      for number in os.read(self._reader, 64):
        if not number:
          return
        if number in self._before:
          _handlers[-1](number)


def _stop() -> None:
  global _watch
  if _watch is not None:
    _watch.close()
    _watch = None
    _handlers.clear()


def _do_nothing(number: int, frame: Any) -> None:
  del number, frame
