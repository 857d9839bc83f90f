"""Stopping on request: the first Ctrl-C or SIGTERM lets the step end and the state be saved."""

import contextlib
import signal

import jax
from jax.experimental import multihost_utils
import numpy as np

from socialized_learning.platform import signals

_noted = False  # By this process.
_agreed = False  # By all of several processes.


def requested() -> bool:
  """Whether the user has asked the run to stop; of several processes all say the same."""
  return _noted if jax.process_count() == 1 else _agreed


def request() -> None:
  """Asks the run to stop, as Ctrl-C does."""
  global _noted
  _noted = True


def agree() -> None:
  """Makes the request to one process one to all; they call it after the same step.

  A process that stopped alone would leave the others waiting for its gradients.
  """
  global _agreed
  if jax.process_count() > 1:
    _agreed = bool(multihost_utils.process_allgather(np.array(_noted)).any())


@contextlib.contextmanager
def graceful():
  """Within it the first SIGINT or SIGTERM is only noted; the second stops the program at once."""
  global _noted, _agreed
  _noted = _agreed = False

  def note(number, frame):
    del frame
    if _noted:
      signal.signal(number, signal.SIG_DFL)
      signal.raise_signal(number)
    request()

  with signals.handled(note):
    yield
