"""The benchmark of the importance: both ways agree."""

import pytest

from benchmarks import importance


def test_both_ways_agree():
  lines = [importance.measure_here(importance.parse(
      ["--width=2", "--side=8", "--images=3", f"--way={way}"]))
           for way in ("products", "plain")]
  assert [line["way"] for line in lines] == ["products", "plain"]
  assert lines[0]["sum"] == pytest.approx(lines[1]["sum"], rel=2e-3) and lines[0]["sum"] > 0
