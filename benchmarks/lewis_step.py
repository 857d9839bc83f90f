"""Time, memory and arithmetic of one population step of the Lewis game.

  python -m benchmarks.lewis_step [--pairs=10] [--steps=5] [--only=engine|baseline] …

Without flags the published sizes, with 10 pairs. A step is one update of all pairs on one batch.
Prints one JSON line for this project's engine, one for the same with a single pair, one for a plain
implementation of the same game (`lewis_baseline`), each measured in a process of its own, and one
that compares them.

Exit status: 0 done; 1 a system could not be measured; 2 a wrong flag, said in one line.
"""

import argparse
from collections.abc import Sequence
import json
import sys
from typing import Any

from benchmarks import measure

BENCHMARK = "lewis_step"
SIZES = ("batch", "input", "vocab", "length", "speaker_hidden", "listener_hidden", "projection",
         "pairs")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
  """The flags; exits with status 2 and one line for wrong ones."""
  parser = measure.Parser(BENCHMARK, __doc__)
  parser.add_count("batch", 1024, "games of a batch")
  parser.add_count("input", 2048, "features of an input")
  parser.add_count("vocab", 20, "symbols")
  parser.add_count("length", 10, "symbols of a message")
  parser.add_count("speaker_hidden", 256, "units of the speakers' LSTM")
  parser.add_count("listener_hidden", 512, "units of the listeners' LSTM")
  parser.add_count("projection", 256, "features in which messages and inputs are compared")
  parser.add_count("pairs", 10, "pairs of a step; also the number of speakers and of listeners")
  parser.add_count("steps", 5, "steps to take the median of, after the first")
  parser.add_count("baseline_pairs", 2, "pairs of a step the baseline really makes; the rest is scaled")
  parser.add_count("device_count", 1, "simulated devices over which the engine splits the batch, on a CPU")
  parser.add_count("matmul", 4096, "side of the matrices that show what the machine can do")
  parser.add_argument("--only", choices=("engine", "baseline"), help="measure one system")
  parser.add_argument("--here", action="store_true",
                      help="measure in this very process (with --only), as for a profile")
  flags = parser.parse_args(arguments)
  if flags.here and not flags.only:
    parser.error("--here measures one system: add --only=engine or --only=baseline")
  if flags.batch % flags.device_count:
    parser.error(f"--batch={flags.batch} cannot be split evenly: --device_count="
                 f"{flags.device_count} does not divide it")
  return flags


def main(arguments: Sequence[str]) -> int:
  """Measures what the flags ask for; returns the exit status."""
  flags = parse(arguments)
  if flags.here:
    print(json.dumps(measure_here(flags)))
    return 0
  own = {"engine": ["--only=engine"], "one_pair": ["--only=engine", "--pairs=1"],
         "baseline": ["--only=baseline"]}
  return measure.report(
      f"benchmarks.{BENCHMARK}",
      {system: [*arguments, *own[system], "--here"]
       for system in ([flags.only] if flags.only else own)},
      device_counts={system: flags.device_count for system in own if system != "baseline"},
      compare=None if flags.only else lambda lines: compare(**lines))


def compare(engine: dict[str, Any], one_pair: dict[str, Any], baseline: dict[str, Any]
           ) -> dict[str, Any]:
  """How many times better the engine is, and what all pairs cost more than one."""
  ratios = {
      "speedup_throughput": engine["steps_per_second"] / baseline["steps_per_second"],
      "speedup_first_step": baseline["seconds_to_first_step"] / engine["seconds_to_first_step"],
      "cost_over_one_pair": one_pair["steps_per_second"] / engine["steps_per_second"],
  }
  return {"benchmark": BENCHMARK} | measure.rounded(ratios)


def measure_here(flags: argparse.Namespace) -> dict[str, Any]:
  """The JSON line of the system `flags.only`, measured in this process."""
  from socialized_learning.platform import startup

  startup.prepare_environment()
  # JAX and all that stands on it is loaded here: before the clock starts, and not for --help.
  from benchmarks import lewis_baseline
  from benchmarks import lewis_engine
  import numpy as np

  config = configure(flags)
  inputs = np.random.default_rng(0).standard_normal((flags.batch, flags.input), np.float32)
  if flags.only == "engine":
    pairs, build = flags.pairs, lambda: lewis_engine.build(config, inputs)
  else:
    pairs = min(flags.baseline_pairs, flags.pairs)
    build = lambda: lewis_baseline.build(config, inputs, pairs)
  numbers = measure.measure(build, num_steps=flags.steps, matmul_size=flags.matmul)
  return ({"benchmark": BENCHMARK, "system": flags.only} | numbers
          | {name: getattr(flags, name) for name in SIZES}
          | {"pairs_measured": pairs, "steps": flags.steps} | measure.machine())


def configure(flags: argparse.Namespace) -> Any:
  """The published configuration with the sizes of the flags."""
  from socialized_learning.configs import lewis_config

  config = lewis_config.get_config("imagenet")
  config.batch_size = flags.batch
  config.message.update(vocab_size=flags.vocab, length=flags.length)
  config.speaker.core.hidden_size = flags.speaker_hidden
  config.listener.core.hidden_size = flags.listener_hidden
  config.listener.head.hidden_sizes = (flags.projection,)
  config.population.update(num_speakers=flags.pairs, num_listeners=flags.pairs,
                           num_pairs=flags.pairs)
  return config


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
