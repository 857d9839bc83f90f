"""The benchmark of the importance: both ways agree."""

import pytest

from benchmarks import importance


def test_both_ways_agree():
  lines = [importance.measure_here(importance.parse(
      ["--width=2", "--side=8", "--images=3", f"--way={way}"]))
           for way in ("products", "plain")]
  assert [line["way"] for line in lines] == ["products", "plain"]
  assert lines[0]["sum"] == pytest.approx(lines[1]["sum"], rel=2e-3) and lines[0]["sum"] > 0


def test_a_wrong_flag_is_told_in_one_line(capsys):
  with pytest.raises(SystemExit) as stop:
    importance.main(["--width=wide"])
  assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1
