"""The console: lines when piped, a bar on a terminal, tables that are never cut."""

import io

import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.platform import progress


class _Terminal(io.StringIO):

  def isatty(self):
    return True


def test_piped_lines():
  out = io.StringIO()
  bar = progress.Progress(1000, file=out)
  bar.update(200, {"accuracy": jnp.float32(0.42), "loss": np.float32(3.1234), "note": "text",
                   "agents": np.ones(3), "steps_per_sec": 35.21})
  bar.update(1000, {"zeta": 1e-5, "b": 123456.7, "c": 7, "d": float("nan"), "e": 5.,
                    "steps_per_sec": 1234.5})
  bar.update(1000, {"accuracy": 0.5}, split="valid")
  bar.close()
  assert out.getvalue().splitlines() == [
      "step 200/1000 · 35.2 steps/s · loss 3.123 · accuracy 0.42",
      "step 1000/1000 · 1234 steps/s · zeta 1e-05 · b 123457 · c 7 · d nan",
      "step 1000/1000 · valid · accuracy 0.5"]


def test_speed_is_measured_if_not_given(monkeypatch):
  out, times = io.StringIO(), iter([10., 12.])
  monkeypatch.setattr("time.monotonic", lambda: next(times))
  bar = progress.Progress(100, file=out)
  bar.update(10, {})
  bar.update(30, {})
  assert out.getvalue() == "step 10/100\nstep 30/100 · 10 steps/s\n"


def test_long_lines_are_not_broken():
  out = io.StringIO()
  progress.Progress(9, file=out).update(1, {f"{'long' * 20}{i}": i for i in range(4)})
  assert out.getvalue().count("\n") == 1


def test_plain_ascii():
  out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
  progress.Progress(9, file=out).update(1, {"é": 1})
  progress.print_table("Tïtle", ["a"], [["é"]], file=out)
  out.flush()
  text = out.buffer.getvalue().decode("ascii")
  assert text.startswith("step 1/9 | ? 1\n") and "T?tle" in text


def test_bar_on_a_terminal(monkeypatch):
  monkeypatch.setenv("COLUMNS", "120")
  monkeypatch.setenv("TERM", "xterm")
  out = _Terminal()
  bar = progress.Progress(1000, file=out)
  bar.update(250, {"loss": 0.5, "steps_per_sec": 10.})
  bar.update(250, {"accuracy": 0.25}, split="valid")
  bar.close()
  text = out.getvalue()
  for part in ("step 250/1000", "10 steps/s", "1:15 left", "loss 0.5", "━",
               "step 250/1000 · valid · accuracy 0.25"):
    assert part in text


@pytest.mark.parametrize("seconds, text", [(0.4, "0:00"), (75, "1:15"), (3723, "1:02:03")])
def test_duration(seconds, text):
  assert progress._duration(seconds) == text  # pylint: disable=protected-access


@pytest.mark.parametrize("value, text", [
    (0.123456, "0.1235"), (3, "3"), (np.int64(12345), "12345"), (12345.6, "12346"), (True, "True"),
    (2e10, "2.000e+10"), (float("-inf"), "-inf"), (jnp.float32(0.5), "0.5"), (0., "0")])
def test_format_number(value, text):
  assert progress.format_number(value) == text


def test_table_when_piped():
  out = io.StringIO()
  columns = ["experiment"] + [f"a long column {i}" for i in range(12)]
  rows = [["lewis [10 agents]"] + [i / 3 for i in range(12)],
          ["lewis", None] + 11 * [np.float32(2)]]
  progress.print_table("Results [x]", columns, rows, file=out)
  text = out.getvalue()
  assert "\x1b" not in text and "…" not in text
  assert all(column in text for column in columns)
  lines = [line for line in text.splitlines() if "lewis" in line]
  assert lines[0].split()[:5] == ["lewis", "[10", "agents]", "0", "0.3333"]
  assert lines[1].split()[:3] == ["lewis", "-", "2"]
  assert "Results [x]" in text


def test_table_on_a_narrow_terminal(monkeypatch):
  monkeypatch.setenv("COLUMNS", "40")
  out = _Terminal()
  progress.print_table("T", ["name", "value"], [["x" * 60, 1.5]], file=out)
  assert out.getvalue().count("x") == 60 and "…" not in out.getvalue()


def test_empty_table():
  out = io.StringIO()
  progress.print_table("T", ["name"], [], file=out)
  assert "name" in out.getvalue()
