"""Reads TensorBoard's event files as TensorBoard does."""

import pathlib


def points(folder: pathlib.Path) -> list[tuple[int, str, float]]:
  """(step, tag, value) of a folder's files that are shown: a start event purges its step and later ones."""
  from tensorboardX.proto import event_pb2  # pylint: disable=g-import-not-at-top
  shown = []
  for path in sorted(folder.iterdir()):
    data = path.read_bytes()
    while data:
      length = int.from_bytes(data[:8], "little")
      event = event_pb2.Event.FromString(data[12:12 + length])
      data = data[16 + length:]
      if event.session_log.status == event_pb2.SessionLog.START:
        shown = [point for point in shown if point[0] < event.step]
      shown += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
  return shown
