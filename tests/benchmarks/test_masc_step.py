"""The benchmark of socialized learning: stages, and what it gains to train agents together."""

import pytest

from benchmarks import masc_step
from socialized_learning.platform import startup


def test_one_system(monkeypatch):
  monkeypatch.setattr(startup, "prepare_environment", lambda: None)
  line = masc_step.measure_here(masc_step.parse([
      "--only=altruism", "--here", "--agents=2", "--classes=4", "--batch=8", "--width_divisor=64",
      "--hidden=16", "--images=40", "--steps=2", "--matmul=64"]))
  assert (line["benchmark"], line["system"], line["agents"]) == ("masc_step", "altruism", 2)
  assert line["images_per_second"] == pytest.approx(2 * 8 * line["steps_per_second"], rel=2e-3)
  # Three layers forwards, and twice backwards but for the first one's inputs.
  weights, images = [8 * 16, 16 * 16, 16 * 4], 2 * 8
  products = 2 * images * (3 * sum(weights) - weights[0])
  assert products < line["flops_per_step"] < 3 * products


def test_comparison_by_hand():
  line = lambda rate, first, **more: {"steps_per_second": rate, "seconds_to_first_step": first} | more
  found = masc_step.compare({
      "together": line(1., 10., agents=4), "alone": line(2., 5.), "student": line(1., 1.),
      "altruism": line(50., 1.), "altruism_full": line(5., 1.)})
  # Four of them alone take half a second each; all at once one second.
  assert found["together_of_one_by_one"] == 0.5
  assert found["first_step_together_of_alone"] == 2 and found["stored_of_full_altruism"] == 0.1
