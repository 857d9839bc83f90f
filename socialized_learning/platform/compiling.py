"""Tells the user that the program is compiling, if that takes more than a few seconds.

JAX reports the start and the end of each stage (tracing, lowering, XLA) to listeners, so that it does
not matter who compiles what: training, evaluation or a later stage of a run.
"""

from collections.abc import Iterator
import contextlib
import re
import threading
import time
from typing import Any

import jax.monitoring

_SILENCE = 3  # Seconds.
_TEXT = "compiling (a large network can take a minute or more) ..."
_EVENTS = "/jax/core/compile/"


@contextlib.contextmanager
def announced() -> Iterator[None]:
  """Within it one line on the standard output tells of each function that is not compiled quickly."""
  stages = _Stages()
  done = threading.Event()
  watcher = threading.Thread(target=_watch, args=(stages, done), daemon=True, name="compiling")
  jax.monitoring.register_scalar_listener(stages.start)
  jax.monitoring.register_event_duration_secs_listener(stages.end)
  watcher.start()
  try:
    yield
  finally:
    done.set()
    watcher.join()
    jax.monitoring.unregister_event_duration_listener(stages.end)
    jax.monitoring.unregister_scalar_listener(stages.start)


class _Stages:
  """The stages under way in each thread; tracing may compile something else in between."""

  def __init__(self):
    # Thread -> event, function and start (s), the outermost first.
    self._running: dict[int, list[tuple[str, str, float]]] = {}

  def start(self, event: str, value: float, fun_name: str = "", **kwargs: Any) -> None:
    """Listens to scalars: JAX gives one at the start of a stage."""
    del value, kwargs
    if event.startswith(_EVENTS):
      name = re.sub(r"^\w+\((.*)\)$", r"\1", fun_name)  # f is traced, jit(f) is lowered.
      self._running.setdefault(threading.get_ident(), []).append((event, name, time.monotonic()))

  def end(self, event: str, duration: float, **kwargs: Any) -> None:
    """Listens to durations: JAX gives one at the end of a stage."""
    del duration, kwargs
    running = self._running.get(threading.get_ident())
    if running and running[-1][0] == event:
      running.pop()

  def late(self) -> set[str]:
    """The functions whose stage takes long."""
    outermost = [running[0] for running in map(tuple, list(self._running.values())) if running]
    return {name for _, name, start in outermost if time.monotonic() - start > _SILENCE}


def _watch(stages: _Stages, done: threading.Event) -> None:
  told = set()
  while not done.wait(_SILENCE / 10):
    late = stages.late() - told
    if late:
      told |= late
      print(_TEXT, flush=True)
