"""What it could be worth to cut channels out of a gated network.

  python -m benchmarks.skipped_channels [--width=32] [--batches=1,10,100] …

Measures inference of an untrained network with all channels, masked, against the same cut down to some
shares of its channels, beside the share of multiply-accumulates that is left: what time could be saved
at all. What a trained network saves its run says, with --config.inference.skip_channels=True. Prints one
JSON line.

Exit status: 0 done; 1 it could not be measured; 2 a wrong flag, said in one line.
"""

import argparse
from collections.abc import Sequence
import json
import sys
from typing import Any

from benchmarks import measure

BENCHMARK = "skipped_channels"
_SHARES = (1.0, 0.875, 0.75, 0.5, 0.25)
_NUM_IMAGES, _NUM_OUTPUTS = 100, 10


def parse(arguments: Sequence[str]) -> argparse.Namespace:
  """The flags; exits with status 2 and one line for wrong ones."""
  parser = measure.Parser(BENCHMARK, __doc__)
  parser.add_count("width", 32, "base width of the network")
  parser.add_count("size", 28, "side of its images")
  parser.add_argument("--batches", default="1,10,100", help="images of a pass (1,10,100)")
  parser.add_argument("--here", action="store_true", help="measure in this very process")
  flags = parser.parse_args(arguments)
  if not all(size.isdecimal() and 1 <= int(size) <= _NUM_IMAGES for size in flags.batches.split(",")):
    parser.error(f"--batches={flags.batches}: name whole numbers from 1 to {_NUM_IMAGES}, as 1,10,100")
  return flags


def main(arguments: Sequence[str]) -> int:
  """Measures in a process of its own; returns the exit status."""
  flags = parse(arguments)
  if flags.here:
    print(json.dumps(measure_here(flags)))
    return 0
  return measure.report(f"benchmarks.{BENCHMARK}", {BENCHMARK: [*arguments, "--here"]})


def measure_here(flags: argparse.Namespace) -> dict[str, Any]:
  """The JSON line, measured in this process."""
  from socialized_learning.platform import startup

  startup.prepare_environment()
  # JAX and all that stands on it is loaded here: not for --help.
  import jax
  from ml_collections import config_dict
  import numpy as np
  from socialized_learning.agents import compaction
  from socialized_learning.experiments import continual_skipping as skipping

  config = config_dict.create(network=dict(
      kind="gated_resnet", width=flags.width, has_agents=True, bottleneck_ratio=16,
      policy_temperature=0.15, grey_as_colour=False), inference=dict(mode="threshold", threshold=0.5))
  images = np.random.default_rng(0).random((_NUM_IMAGES, flags.size, flags.size, 1), np.float32)
  whole = skipping.make(config, _NUM_OUTPUTS)
  net = jax.jit(whole.init)(jax.random.PRNGKey(0), images[:1])
  masked, rows = skipping.logits_of(whole, net), []
  for share in _SHARES:
    channels = [np.arange(max(1, round(share * 2 * flags.width)))] * 4
    cut = skipping.logits_of(skipping.make(config, _NUM_OUTPUTS, channels),
                             compaction.compact(net, channels))
    macs = skipping.share_of_macs(config, _NUM_OUTPUTS, net, images.shape[1:], channels)
    for batch in map(int, flags.batches.split(",")):
      found = skipping.compare(masked, cut, images, batch)
      rows.append({"share": share, "batch": batch, "channels": len(channels[0])} | measure.rounded({
          "share_of_macs": macs, "share_of_time": found["time"],
          "milliseconds_masked": found["milliseconds"]}))
  return {"benchmark": BENCHMARK, "rows": rows} | measure.machine()


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
