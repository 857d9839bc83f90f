"""Ease of learning of all speakers at once, against one run for each speaker and listener.

  python -m benchmarks.ease_of_learning [--speakers=10] [--listeners=3] [--steps=1000] …

At the sizes of the emoji sweep, on its data. First a population of untrained speakers is made; then
its `speakers` times `listeners` newcomers learn in one run, and each in a run of its own. Every run is
measured in a fresh process, from the moment its imports are done. Prints a JSON line for each way and
one that compares them: `seconds` is the whole time of `steps` steps with compilation,
`seconds_compiled` without the first call.

Exit status: 0 done; 1 a run could not be measured; 2 a wrong flag, said in one line.
"""

import argparse
from collections.abc import Sequence
import json
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

from benchmarks import measure

BENCHMARK = "ease_of_learning"
_CONFIGS = pathlib.Path(__file__).parents[1] / "socialized_learning/configs"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
  """The flags; exits with status 2 and one line for wrong ones."""
  parser = measure.Parser(BENCHMARK, __doc__)
  parser.add_count("speakers", 10, "speakers of the population")
  parser.add_count("listeners", 3, "newcomers for each speaker")
  parser.add_count("steps", 1000, "steps of a run")
  parser.add_count("measured_steps", 200,
                   "steps that are really made beside the first call, the rest is scaled")
  parser.add_count("separate_runs", 3, "separate runs that are really made; the rest is scaled")
  parser.add_argument("--mapping", default="auto", choices=("auto", "vmap", "map"),
                      help="how the listeners of the one run are computed (auto)")
  parser.add_argument("--here", metavar="RUN", help="measure one run on the speakers of RUN, here")
  parser.add_argument("--which", type=int, default=-1, metavar="S",
                      help="with --here: only this speaker, and one listener (-1 for all)")
  flags = parser.parse_args(arguments)
  if flags.separate_runs > flags.speakers * flags.listeners:
    parser.error(f"--separate_runs={flags.separate_runs}: there are only "
                 f"{flags.speakers * flags.listeners}")
  return flags


def main(arguments: Sequence[str]) -> int:
  """Measures both ways and compares them; returns the exit status."""
  flags = parse(arguments)
  if flags.here:
    print(json.dumps(measure_here(flags)))
    return 0
  with tempfile.TemporaryDirectory() as folder:
    try:
      _make_speakers(folder, flags.speakers)
      one_run = lambda which: measure.in_fresh_process(
          f"benchmarks.{BENCHMARK}", [*arguments, f"--here={folder}", f"--which={which}"],
          device_count=1)
      together = one_run(-1)
      separate = _sum([one_run(i % flags.speakers) for i in range(flags.separate_runs)],
                      flags.speakers * flags.listeners)
    except measure.MeasurementError as error:
      print(f"error: {error}", file=sys.stderr)
      return 1
  sizes = {name: getattr(flags, name) for name in ("speakers", "listeners", "steps")}
  for name, numbers in (("together", together), ("separate", separate)):
    print(json.dumps({"benchmark": BENCHMARK, "system": name} | measure.rounded(numbers) | sizes
                     | measure.machine()))
  print(json.dumps({"benchmark": BENCHMARK} | measure.rounded(
      {f"share_of_{name}": together[name] / separate[name] for name in together})))
  return 0


def _make_speakers(folder: str, num_speakers: int) -> None:
  """A run of one step of the emoji sweep: a checkpoint with so many speakers."""
  count = [f"--config.population.{name}={num_speakers}"
           for name in ("num_speakers", "num_listeners", "num_pairs")]
  done = subprocess.run(
      [sys.executable, "-m", "socialized_learning.main", f"--config={_CONFIGS}/lewis_config.py:emoji",
       "--config.training_steps=1", "--config.evaluation.interval=0", f"--workdir={folder}", *count],
      stdout=subprocess.DEVNULL, check=False)
  if done.returncode:
    raise measure.MeasurementError(f"the speakers could not be made: status {done.returncode}")


def _sum(runs: Sequence[dict[str, float]], num_runs: int) -> dict[str, float]:
  """The time of all separate runs, by the mean of those that were made."""
  return {name: num_runs * float(np.mean([run[name] for run in runs])) for name in runs[0]}


def measure_here(flags: argparse.Namespace) -> dict[str, Any]:
  """Seconds of one run in this process: of the whole, and of its steps once they are compiled."""
  from socialized_learning.platform import startup

  startup.prepare_environment()
  # JAX and all that stands on it is loaded here: before the clock starts, and not for --help.
  import jax
  from socialized_learning.configs import ease_of_learning_config
  from socialized_learning.experiments import ease_of_learning

  config = ease_of_learning_config.get_config()
  config.speaker_checkpoint = flags.here
  config.num_listeners = flags.listeners
  config.mapping = flags.mapping
  if flags.which >= 0:
    config.speakers, config.num_listeners = (flags.which,), 1
  config = ease_of_learning.EaseOfLearningExperiment.resolve(config, None)
  per_call, step = config.updates_per_call, 0

  def call():
    nonlocal step
    jax.block_until_ready(experiment.step(global_step=step, rng=rng, writer=None,
                                          num_updates=per_call))
    step += per_call

  def first_call():
    nonlocal experiment, rng
    key = jax.random.PRNGKey(0)
    experiment = ease_of_learning.EaseOfLearningExperiment("train", key, config)
    rng = experiment.initialize_train_step_rng(key)
    call()

  experiment = rng = None
  first = measure.seconds_of(first_call)
  made = max(1, flags.measured_steps // per_call)
  seconds = measure.seconds_of(lambda: [call() for _ in range(made)]) / (made * per_call)
  return {"seconds": first + (flags.steps - per_call) * seconds,
          "seconds_compiled": flags.steps * seconds}


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
