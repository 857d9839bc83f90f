"""The benchmark of channels that are cut out: what it compares, and what it refuses."""

import pytest

from benchmarks import skipped_channels


def test_shares_of_an_untrained_network(monkeypatch):
  monkeypatch.setattr(skipped_channels, "_SHARES", (0.5,))
  flags = skipped_channels.parse(["--width=2", "--size=8", "--batches=2"])
  config, net, cases = skipped_channels._untrained(flags)
  (case,) = cases
  half = skipped_channels._compare(config, net, *case, 2)
  assert half["channels"] == [2] * 4 and half["share_of_time"] > 0
  # Half is left of the first convolution and of the shortcut, a quarter of the other three.
  gated = 16 * (9 * 8 + 3 * 9 * 16 + 8)
  rest = 64 * 9 * 2 + 64 * 4 * 9 * 4 + (8 + 3 * 16 + 4 * 2 * 4) + 4 * 10
  left = 16 * (9 * 8 / 2 + 3 * 9 * 16 / 4 + 8 / 2)
  assert half["share_of_macs"] == pytest.approx((rest + left) / (rest + gated), rel=1e-3)
