"""Ctrl-C and SIGTERM."""

from collections.abc import Callable, Iterator
import contextlib
import signal
from typing import Any

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def handled(handler: Callable[[int, Any], None] | signal.Handlers) -> Iterator[None]:
  """Within it `handler` takes both; afterwards whoever did before."""
  previous = {number: signal.signal(number, handler) for number in _NUMBERS}
  try:
    yield
  finally:
    for number, earlier in previous.items():
      if earlier is not None:  # None: not set by Python, which then cannot set it again.
        signal.signal(number, earlier)
