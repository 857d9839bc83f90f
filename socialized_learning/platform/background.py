"""A function in a second thread whose failure cannot go unnoticed."""

from collections.abc import Callable
import threading

from socialized_learning.platform import interrupts


class Background:
  """Runs a function beside training; if it fails, training is asked to save and stop.

  Jaxline's own second thread swallows an exception and lets the other wait for ever.
  """

  def __init__(self, function: Callable[[], None]):
    self._function = function
    self._error: BaseException | None = None
    # A daemon: it must not keep a program alive whose training has failed.
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._thread.start()

  def _run(self) -> None:
    try:
      self._function()
    except BaseException as error:  # Whatever it is, it is raised again where it is seen.
      self._error = error
      interrupts.request()

  def finish(self, *, wait: bool) -> None:
    """Waits for the end unless told not to, and raises what the function raised."""
    if wait:
      self._thread.join()
    if self._error is not None:
      raise self._error
