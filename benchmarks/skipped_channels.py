"""What it is worth to cut channels out of a gated network that are dropped anyway.

  python -m benchmarks.skipped_channels [--run=DIR] [--data=DIR] [--width=32] [--batches=1,10,100] …

Measures inference with all channels, masked, against the network without those that no image needs
(`agents.compaction`), beside the share of multiply-accumulates that is left. With --run it is the
trained network of that run and the channels that all its test images, each class and some single
images need; the logits' `largest_difference` is then one of rounding. Without it an untrained one, cut
down to some shares of its channels: what time could be saved at all. Prints one JSON line.

Exit status: 0 done; 1 it could not be measured; 2 a wrong flag, said in one line.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
import json
import pathlib
import sys
from typing import Any

from benchmarks import measure
from socialized_learning.platform.errors import UserError

BENCHMARK = "skipped_channels"
_SHARES = (1.0, 0.875, 0.75, 0.5, 0.25)
_REPEATS = 7
_CHUNK = 500  # Images at a time that are asked what they need.
_SINGLE_IMAGES = 3


def parse(arguments: Sequence[str]) -> argparse.Namespace:
  """The flags; exits with status 2 and one line for wrong ones."""
  parser = measure.Parser(BENCHMARK, __doc__)
  parser.add_argument("--run", default="", help="folder of a run of dynamos or dynamos_sgd")
  parser.add_argument("--data", default="", help="where its images lie (as in the run)")
  parser.add_count("width", 32, "base width of the untrained network")
  parser.add_count("size", 28, "side of its images")
  parser.add_count("multiple", 16, "of which numbers of channels are multiples")
  parser.add_argument("--batches", default="1,10,100", help="images of a pass (1,10,100)")
  parser.add_argument("--here", action="store_true", help="measure in this very process")
  flags = parser.parse_args(arguments)
  if not all(size.isdecimal() and int(size) for size in flags.batches.split(",")):
    parser.error(f"--batches={flags.batches}: name whole numbers from 1 on, as 1,10,100")
  if flags.run:
    _check_run(parser, pathlib.Path(flags.run))
  return flags


def _check_run(parser: measure.Parser, run: pathlib.Path) -> None:
  """Ends with status 2 and one line for what is not the folder of a run with agents."""
  try:
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    learner, mode = config.get("learner", {}), config.get("inference", {}).get("mode")
  except (OSError, ValueError, AttributeError):
    parser.error(f"--run={run}: there is no config.json of a run")
  if "keep_ratio" not in learner:
    parser.error(f"--run={run}: a run without agents, name one of dynamos or dynamos_sgd")
  if mode != "threshold":
    parser.error(f"--run={run}: its agents decide anew in every pass, inference.mode={mode}; name one with "
                 "threshold")
  if not (run / "checkpoints/latest").is_dir():
    parser.error(f"--run={run}: holds no checkpoint")


def main(arguments: Sequence[str]) -> int:
  """Measures in a process of its own; returns the exit status."""
  flags = parse(arguments)
  if flags.here:
    try:
      print(json.dumps(measure_here(flags)))
    except UserError as error:  # Of the images.
      print(f"error: {error}", file=sys.stderr)
      return 2
    return 0
  return measure.report(f"benchmarks.{BENCHMARK}", {BENCHMARK: [*arguments, "--here"]})


def measure_here(flags: argparse.Namespace) -> dict[str, Any]:
  """The JSON line, measured in this process."""
  from socialized_learning.platform import startup

  startup.prepare_environment()
  config, net, cases = _trained(flags) if flags.run else _untrained(flags)
  batches = [int(batch) for batch in flags.batches.split(",")]
  rows = [_compare(config, net, what, images, channels, batch)
          for what, images, channels in cases for batch in batches
          if batch <= len(images)]
  return {"benchmark": BENCHMARK, "run": flags.run, "rows": rows} | measure.machine()


def _make(config: Any, channels: Any = None) -> Any:
  from socialized_learning.agents import classifiers

  return classifiers.make_classifier(config.network, config.num_outputs, inference=config.inference,
                                     channels=channels)


def _untrained(flags: argparse.Namespace) -> tuple[Any, Any, Iterator[tuple]]:
  """An untrained network, and shares of its channels."""
  import jax
  from ml_collections import config_dict
  import numpy as np

  config = config_dict.create(num_outputs=10, network=dict(
      kind="gated_resnet", width=flags.width, has_agents=True, bottleneck_ratio=16,
      policy_temperature=0.15, grey_as_colour=False), inference=dict(mode="threshold", threshold=0.5))
  random = np.random.default_rng(0)
  images = random.random((100, flags.size, flags.size, 1), np.float32)
  net = jax.jit(_make(config).init)(jax.random.PRNGKey(0), images[:1])
  num_channels = 2 * flags.width
  pick = lambda share: [np.arange(max(1, round(share * num_channels)))] * 4
  return config, net, ((f"share {share}", images, pick(share)) for share in _SHARES)


def _trained(flags: argparse.Namespace) -> tuple[Any, Any, Iterator[tuple]]:
  """The network of a run's first member, and what each class of its test images needs."""
  import jax
  from ml_collections import config_dict
  import numpy as np
  from socialized_learning.agents import classifiers
  from socialized_learning.agents import compaction
  from socialized_learning.experiments import continual_world
  from socialized_learning.platform import checkpoints
  from socialized_learning.platform import run_folder

  config = config_dict.ConfigDict(run_folder.RunFolder(flags.run).read_json("config.json"))
  config.data.dir = flags.data or config.data.dir
  planned = continual_world.plan(config)
  config.num_outputs = planned[0].num_outputs
  world = continual_world.make_world(continual_world.load_images(config), planned)
  held = checkpoints.read_checkpoint(flags.run)[0]["state"]["members"]["net"]
  net = classifiers.Net(*(jax.tree.map(lambda x: x[0], held[name]) for name in ("params", "stats")))
  tests = planned[0].tests
  index, view = (x[tests.valid] for x in (tests.index, tests.view))
  images = np.asarray(continual_world.show(
      planned[0], world["test"], world["table"][0], index, view, None))
  labels = world["test_labels"][index]
  ask = jax.jit(lambda images: _make(config).gated(net, images, is_training=False)[1].kept)

  kept = np.concatenate([ask(part) for part in np.array_split(images, -(-len(images) // _CHUNK))])

  def cases():
    named = {"all": np.ones(len(images), bool)}
    named |= {f"class {label}": labels == label for label in np.unique(labels)}
    named |= {f"image {i}": np.arange(len(images)) == i for i in range(_SINGLE_IMAGES)}
    for name, which in named.items():
      yield name, images[which], compaction.needed(kept[which], flags.multiple)

  return config, net, cases()


def _compare(config: Any, net: Any, what: str, images: Any, channels: Any, batch: int
            ) -> dict[str, Any]:
  """Time of both networks on batches of some images, the best of several."""
  import jax
  import numpy as np
  from socialized_learning.agents import compaction
  from socialized_learning.metrics import sparsity

  small = compaction.compact(net, channels)
  calls = [jax.jit(lambda images, net=net, made=made: made.apply(
      net, images, is_training=False)[0].logits)
           for net, made in ((net, _make(config)), (small, _make(config, channels)))]
  num_parts = max(1, min(len(images), 100) // batch)
  parts = np.split(images[:num_parts * batch], num_parts)

  def pace(call: Callable) -> float:
    return measure.seconds_of(lambda: jax.block_until_ready([call(part) for part in parts]))

  logits = [np.asarray(call(parts[0])) for call in calls]  # Compiles.
  paces = np.array([[pace(call) for call in calls] for _ in range(_REPEATS)])
  masked, compacted = paces.min(axis=0)
  stem, squeeze = (net.params[f"resnet/~/{name}"]["w"].shape for name in ("stem", "agent_0/~/squeeze"))
  geometry = sparsity.Geometry(*images.shape[1:3], *stem[2:], squeeze[1], config.num_outputs)
  dense = sparsity.dense_macs(geometry)
  shares = np.array([len(each) for each in channels]) / (2 * config.network.width)
  left = dense.always_at_inference + sparsity.gated_macs(dense, shares, shares[:-1] * shares[1:])
  return {"what": what, "batch": batch, "channels": [len(x) for x in channels]} | measure.rounded({
      "share_of_macs": left / dense.total_at_inference, "share_of_time": compacted / masked,
      "milliseconds_masked": 1e3 * masked / len(parts),
      "largest_difference": np.abs(logits[0] - logits[1]).max()})


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
