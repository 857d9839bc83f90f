"""A line about compiling, only where it takes long."""

import time

import jax
import pytest

from socialized_learning.platform import compiling

_LINE = "compiling (a large network can take a minute or more) ...\n"


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
  monkeypatch.setattr(compiling, "_SILENCE", 0.1)


def test_what_takes_long_is_told_once(capfd):
  told = []

  def traced(x):
    jax.jit(lambda y: y + 1)(2)  # Something else that is compiled in between.
    deadline = time.monotonic() + 30
    while not told and time.monotonic() < deadline:
      told.extend(capfd.readouterr().out.splitlines(keepends=True))
    time.sleep(0.2)
    told.append(capfd.readouterr().out)
    return x

  with compiling.announced():
    jax.jit(traced)(1)
    jax.monitoring.record_scalar(compiling._EVENTS + "backend_compile_duration", 0., fun_name="jit(traced)")
    time.sleep(0.3)
  told.append(capfd.readouterr().out)
  assert told == [_LINE, "", ""]


def test_what_is_done_is_not_told(capfd):
  with compiling.announced():
    event = compiling._EVENTS + "jaxpr_trace_duration"
    jax.monitoring.record_scalar(event, 0., fun_name="f")
    jax.monitoring.record_event_duration_secs(event, 0., fun_name="f")
    jax.monitoring.record_scalar("/another/event", 0.)
    time.sleep(0.3)
  jax.monitoring.record_scalar(event, 0.)  # Nobody listens any more.
  assert capfd.readouterr() == ("", "")
