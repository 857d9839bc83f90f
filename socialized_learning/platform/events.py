"""TensorBoard's event files, written at once.

tensorboardX's own `SummaryWriter` hands its events to a thread: on a full disk that thread dies, and
the program waits for ever until it has taken the next one.
"""

from collections.abc import Mapping
import pathlib
import time

from socialized_learning.platform.errors import UserError


class EventFile:
  """The scalars of one split."""

  def __init__(self, folder: pathlib.Path, *, purge_step: int | None):
    """Begins a new file in `folder`.

    Args:
      folder: of all files of the split.
      purge_step: TensorBoard forgets what earlier files say of this step and later ones.

    Raises:
      UserError: it cannot be written.
    """
    # Late: loading them takes a while, and events may be off.
    from tensorboardX import event_file_writer
    from tensorboardX.proto import event_pb2

    self._folder = folder
    self._event = event_pb2.Event
    try:
      folder.mkdir(parents=True, exist_ok=True)
      # TensorBoard reads files in the order of their names, which have whole seconds in front.
      self._file = event_file_writer.EventsWriter(str(folder / "events"), f".{time.time_ns()}")
      if purge_step is not None:
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._file.write_event(event_pb2.Event(
            wall_time=time.time(), step=purge_step, session_log=start))
        self._file.flush()
    except OSError as error:
      raise self._failed(error) from error

  def add_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
    """Puts the scalars of a step on disk; raises UserError if that is not possible."""
    from tensorboardX import summary

    try:
      for name, value in scalars.items():
        self._file.write_event(self._event(
            wall_time=time.time(), step=step, summary=summary.scalar(name, value)))
      self._file.flush()
    except OSError as error:
      raise self._failed(error) from error

  def close(self) -> None:
    """Closes the file as well as it can: what it says stands in metrics.jsonl too."""
    try:
      self._file.close()
    except OSError:
      pass

  def _failed(self, error: OSError) -> UserError:
    return UserError(f"cannot write {self._folder}: {error.strerror}")
