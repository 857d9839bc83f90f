"""What the benchmarks say to wrong flags."""

import importlib

import pytest

from benchmarks import skipped_channels

_WRONG = {
    "continual_step": ("--method=telepathy", "--buffer=many", "--stream=seq-svhn --here", "--seeds=0"),
    "ease_of_learning": ("--speakers=0", "--colour=red", "--mapping=treasure",
                         "--speakers=1 --listeners=1 --separate_runs=2"),
    "importance": ("--width=wide",),
    "lewis_step": ("--batch=0", "--steps=many", "--colour=red", "--only=both", "--here",
                   "--batch=9 --device_count=2"),
    "masc_step": ("--agents=0", "--width_divisor=3", "--agents=5 --classes=4", "--here",
                  "--only=telepathy"),
    "skipped_channels": ("--batches=ten", "--batches=0", "--width=0", "--colour=red"),
}


@pytest.mark.parametrize("name, flags", [(name, each) for name in _WRONG for each in _WRONG[name]])
def test_a_wrong_flag_is_told_in_one_line(name, flags, capsys):
  with pytest.raises(SystemExit) as stop:
    importlib.import_module(f"benchmarks.{name}").main(flags.split())
  assert stop.value.code == 2
  complaint = capsys.readouterr().err
  assert complaint.startswith("error: ") and complaint.count("\n") == 1


def test_a_run_whose_agents_draw_is_not_compared(tmp_path, capsys):
  (tmp_path / "config.json").write_text(
      '{"learner": {"keep_ratio": 0.7}, "inference": {"mode": "sample"}}')
  with pytest.raises(SystemExit) as stop:
    skipped_channels.main([f"--run={tmp_path}"])
  assert stop.value.code == 2 and "inference.mode=sample" in capsys.readouterr().err
