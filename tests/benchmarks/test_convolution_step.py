"""The benchmark of convolutions beside PyTorch: systems in turn, ratios within rounds."""

import importlib.util
import json
import subprocess
import sys

import pytest

from benchmarks import convolution_step
from benchmarks import measure


def test_systems_make_their_steps_in_turn():
  found = measure.alternate("tests.benchmarks.served", {"one": ["9"], "other": ["9"]}, rounds=3)
  assert list(found) == ["one", "other"]
  assert all(len(served.seconds) == 3 and served.flops == 0 for served in found.values())


def test_a_system_that_ends_early_is_reported():
  with pytest.raises(measure.MeasurementError, match="other ended with status 3"):
    measure.alternate("tests.benchmarks.served", {"one": ["9"], "other": ["1"]}, rounds=3)


def test_comparison_by_hand():
  served = lambda *seconds: measure.Served(seconds, 0.0, 0.0)
  assert convolution_step.compare({
      "ours": measure.Served([1.0, 6.0, 3.0], 3e9, 4.0), "contiguous": served(9.0, 9.0, 9.0),
      "channels_last": served(2.0, 4.0, 5.0)}) == {
          "ours_milliseconds": 3000.0, "contiguous_milliseconds": 9000.0,
          "channels_last_milliseconds": 4000.0,
          "ratio": 0.6,  # Of 1/2, 6/4, 3/5; of the medians it would be 3/4.
          "gflops": 1.0, "matmul_gflops": 4.0, "fraction_of_matmul_rate": 0.25}
  assert "ratio" not in convolution_step.compare({"ours": served(1.0)})


def test_the_command_line():
  done = subprocess.run([sys.executable, "-m", "benchmarks.convolution_step", "--only=tiny",
                         "--rounds=2", "--matmul=64"], capture_output=True, text=True, check=True)
  line, = map(json.loads, done.stdout.splitlines())
  assert (line["benchmark"], line["name"]) == ("convolution_step", "tiny")
  assert line["ours_milliseconds"] > 0 and line["fraction_of_matmul_rate"] > 0
  assert ("ratio" in line) == (importlib.util.find_spec("torch") is not None)


def test_arithmetic_of_the_resnet_by_hand():
  flags = convolution_step.parse(["--only=resnet20", "--system=ours"])
  # Multiplications forwards of one image. A 3 x 3 kernel reads 3 n - 2 of 3 n rows inside of an image
  # of n; with stride 2 only the first of its rows is outside.
  width, side = 20, 32
  stem = (3 * side - 2)**2 * 3 * width
  macs = stem + 4 * (3 * side - 2)**2 * width**2 + 8 * width * 10
  for _ in range(3):
    width, side = 2 * width, side // 2
    macs += width**2 * ((3 * side - 1)**2 / 2 + 3 * (3 * side - 2)**2 + side**2 / 2)
  # Backwards twice as many, but for the stem's input; normalisation and the update come on top.
  by_hand = 2 * 20 * (3 * macs - stem)
  assert by_hand < convolution_step.build(flags).count_flops() < 1.1 * by_hand
