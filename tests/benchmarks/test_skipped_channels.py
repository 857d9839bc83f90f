"""The benchmark of channels that are cut out."""

import pytest

from benchmarks import skipped_channels
from socialized_learning.platform import startup


def test_shares_of_an_untrained_network(monkeypatch):
  monkeypatch.setattr(skipped_channels, "_SHARES", (0.5,))
  monkeypatch.setattr(startup, "prepare_environment", lambda: None)
  line = skipped_channels.measure_here(skipped_channels.parse(["--width=2", "--size=8", "--batches=2"]))
  half, = line["rows"]
  assert (half["channels"], half["batch"]) == (2, 2) and half["share_of_time"] > 0
  # Half is left of the first convolution and of the shortcut, a quarter of the other three.
  gated = 16 * (9 * 8 + 3 * 9 * 16 + 8)
  rest = 64 * 9 * 2 + 64 * 4 * 9 * 4 + (8 + 3 * 16 + 4 * 2 * 4) + 4 * 10
  left = 16 * (9 * 8 / 2 + 3 * 9 * 16 / 4 + 8 / 2)
  assert half["share_of_macs"] == pytest.approx((rest + left) / (rest + gated), rel=1e-3)
