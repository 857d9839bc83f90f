"""The benchmark of lessons: one run for all against one for each, measured and compared."""

import json
import subprocess
import sys

import pytest

from benchmarks import ease_of_learning


def test_the_command_line():
  done = subprocess.run(
      [sys.executable, "-m", "benchmarks.ease_of_learning", "--speakers=2", "--listeners=2",
       "--steps=40", "--measured_steps=10", "--separate_runs=1"],
      capture_output=True, text=True, check=True)
  together, separate, shares = map(json.loads, done.stdout.splitlines())
  for line, system in ((together, "together"), (separate, "separate")):
    assert (line["benchmark"], line["system"]) == ("ease_of_learning", system)
    assert line["seconds"] > line["seconds_compiled"] > 0
    assert (line["speakers"], line["listeners"], line["steps"]) == (2, 2, 40)
  for name in ("seconds", "seconds_compiled"):
    assert shares[f"share_of_{name}"] == pytest.approx(together[name] / separate[name], rel=2e-3)


def test_separate_runs_are_scaled_by_their_mean():
  runs = [{"seconds": 2.0, "seconds_compiled": 1.0}, {"seconds": 4.0, "seconds_compiled": 1.0}]
  assert ease_of_learning._sum(runs, 30) == {"seconds": 90.0, "seconds_compiled": 30.0}
