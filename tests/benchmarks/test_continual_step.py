"""The benchmark of continual learning: pace early and late, memory, arithmetic."""

import json
import subprocess
import sys

import pytest


def _measure(*flags):
  done = subprocess.run(
      [sys.executable, "-m", "benchmarks.continual_step", "--stream=seq-mnist", "--buffer=200",
       "--steps=50", "--matmul=256", *flags], capture_output=True, text=True, check=True)
  line, = map(json.loads, done.stdout.splitlines())
  return line


def test_the_command_line():
  line = _measure()
  assert (line["benchmark"], line["sweep"], line["seeds"]) == ("continual_step", "er,seq-mnist,200", 1)
  assert line["steps_per_second"] == pytest.approx(1e3 / line["milliseconds_per_step_late"], rel=2e-3)
  examined = line["seconds_of_the_stream"] - line["steps"] / line["steps_per_second"]
  # Five tests before training; after each task those of the past and the next one.
  assert examined == pytest.approx((5 + 2 + 3 + 4 + 5 + 5) * line["seconds_per_test_set"], rel=0.1)
  assert line["fraction_of_matmul_rate"] == pytest.approx(
      line["gflops"] / line["matmul_gflops"], rel=2e-3)
  # Two matrix products a weight and image for the gradient, one forwards; the first has no inputs' part.
  weights, batch = [784 * 100, 100 * 100, 100 * 10], 20
  products = 2 * batch * (3 * sum(weights) - weights[0])
  flops = 1e9 * line["gflops"] / line["steps_per_second"]
  assert products < flops < 1.3 * products


def test_estimates_of_importance_are_told_apart():
  line = _measure("--method=synergy")
  assert line["importances_of_the_stream"] == pytest.approx(0.9 * line["steps"], rel=1e-3)
  without = line["milliseconds_per_step_without_importance"]
  assert line["milliseconds_per_step_late"] == pytest.approx(
      without + 0.9 * line["milliseconds_per_importance"], rel=1e-2)
  assert line["share_of_importance"] == pytest.approx(
      1 - without / line["milliseconds_per_step_late"], abs=2e-3)
