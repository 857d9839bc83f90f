"""What the benchmarks say to wrong flags."""

import importlib

import pytest

_WRONG = {
    "continual_step": ("--method=telepathy", "--buffer=many", "--stream=seq-svhn --here", "--seeds=0"),
    "convolution_step": ("--rounds=0", "--only=resnet50", "--system=ours", "--system=theirs"),
    "ease_of_learning": ("--speakers=0", "--colour=red", "--mapping=treasure",
                         "--speakers=1 --listeners=1 --separate_runs=2"),
    "importance": ("--width=wide",),
    "lewis_step": ("--batch=0", "--steps=many", "--colour=red", "--only=both", "--here",
                   "--batch=9 --device_count=2"),
    "masc_step": ("--agents=0", "--width_divisor=3", "--agents=5 --classes=4", "--here",
                  "--only=telepathy"),
    "skipped_channels": ("--batches=ten", "--batches=0", "--batches=101", "--width=0"),
}


@pytest.mark.parametrize("name, flags", [(name, each) for name in _WRONG for each in _WRONG[name]])
def test_a_wrong_flag_is_told_in_one_line(name, flags, capsys):
  with pytest.raises(SystemExit) as stop:
    importlib.import_module(f"benchmarks.{name}").main(flags.split())
  assert stop.value.code == 2
  complaint = capsys.readouterr().err
  assert complaint.startswith("error: ") and complaint.count("\n") == 1
