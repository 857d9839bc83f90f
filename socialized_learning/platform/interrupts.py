"""Stopping on request: the first signal lets the step end and the state be saved."""

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
  """Within it a signal is only noted; a second Ctrl-C stops the program at once.

  A second SIGTERM or SIGHUP does not: a shell, `timeout` or a batch system sends it to the process and
  to its group, so that one request arrives twice.
  """
  global _noted, _agreed
  _noted = _agreed = False

  def note(number):
    if _noted and number == signal.SIGINT:
      signals.exit_at_once(number)
    request()

  with signals.handled(note):
    yield
