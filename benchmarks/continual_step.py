"""Time, memory and arithmetic of continual learning: a whole stream, and one step of a network.

  python -m benchmarks.continual_step [--method=er] [--stream=rot-mnist] [--buffer=500] [--seeds=1] …

Sizes are those of the stream's images; the pixels and labels are random, so that no data is needed and
accuracies mean nothing. Prints one JSON line: seconds a step early and late in the stream, seconds of
examining one test set, what the whole stream takes at that pace, first step with compilation, peak
memory, and the arithmetic beside the rate of a matrix product. With `--seeds=N` the members are
trained at once. Of a method that estimates an importance now and then also a step without, whose
arithmetic it then is, the estimate itself, and its share of the time.

Exit status: 0 done; 1 it could not be measured; 2 a wrong flag, said in one line.
"""

import argparse
from collections.abc import Sequence
import json
import pathlib
import pickle
import sys
import tempfile
from typing import Any

from benchmarks import measure
from socialized_learning.configs import presets

BENCHMARK = "continual_step"
# Whose images can be made up here.
_STREAMS = ("rot-mnist", "perm-mnist", "seq-mnist", "mnist-360", "seq-cifar10")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
  """The flags; exits with status 2 and one line for wrong ones."""
  parser = measure.Parser(BENCHMARK, __doc__)
  parser.add_argument("--method", default="er", help="learner (er)")
  parser.add_argument("--stream", default="rot-mnist", choices=_STREAMS, help="stream (rot-mnist)")
  parser.add_argument("--buffer", type=int, default=500, metavar="K",
                      help="slots of the memory, 0 for a method without one (500)")
  parser.add_count("seeds", 1, "members trained at once")
  parser.add_count("steps", 200, "steps to measure, early and late")
  parser.add_count("matmul", 2048, "side of the matrices that show what the machine can do")
  parser.add_argument("--mapping", default="auto", choices=("auto", "vmap", "loop"),
                      help="how the members are computed (auto)")
  parser.add_argument("--here", action="store_true", help="measure in this very process")
  flags = parser.parse_args(arguments)
  try:
    presets.preset(flags.method, flags.stream, flags.buffer)
  except KeyError as error:
    parser.error(error.args[0])
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
  config = resolved(flags.method, flags.stream, flags.buffer, size=flags.seeds, mapping=flags.mapping)
  walks: list[Walk] = []
  first = measure.seconds_of(lambda: walks.append(Walk(config)))
  walk, = walks
  calls = max(1, flags.steps // walk.per_call)
  pace = {name: walk.pace(start, calls) for name, start in (
      ("early", walk.per_call), ("late", walk.late(calls)))}
  experiment = walk.experiment
  experiment._examined([0])  # Compiles.
  examining = measure.seconds_of(lambda: experiment._examined([0]))
  num_tasks = experiment.results.num_tasks
  examinations = num_tasks + sum(min(task + 2, num_tasks) for task in range(num_tasks))
  peak = measure.peak_memory_gib()
  matmul = measure.matmul_gflops(flags.matmul)
  estimates, flops, seconds = _apart(walk, pace["late"], calls)
  gflops = flops / seconds / 1e9
  return {"benchmark": BENCHMARK, "sweep": config.sweep} | measure.rounded({
      "seconds_to_first_step": first,
      "milliseconds_per_step_early": 1e3 * pace["early"],
      "milliseconds_per_step_late": 1e3 * pace["late"],
      "steps_per_second": 1 / pace["late"],
      "seconds_per_test_set": examining,
      "seconds_of_the_stream": pace["late"] * config.training_steps + examinations * examining,
      "peak_memory_gib": peak,
      "gflops": gflops,
      "matmul_gflops": matmul,
      "fraction_of_matmul_rate": gflops / matmul,
  } | estimates) | {"seeds": flags.seeds, "steps": config.training_steps} | measure.machine()


def resolved(method: str, stream: str, buffer: int, **population: Any) -> Any:
  """The configuration of a sweep whose images, of the real ones' number and size, are random."""
  from socialized_learning.platform import startup

  startup.prepare_environment()
  # JAX and all that stands on it is loaded here: before the clock starts, and not for --help.
  from socialized_learning.configs import continual_config
  from socialized_learning.experiments import continual

  config = continual_config.get_config(
      ",".join([method, stream, *([str(buffer)] if buffer else [])]))
  config.population.update(population)
  with tempfile.TemporaryDirectory() as folder:
    _write_random_images(folder, config.data.name)
    config.data.dir = folder
    return continual.ContinualExperiment.resolve(config, None)  # Reads them.


class Walk:
  """A run that makes updates when it is told to."""

  def __init__(self, config: Any):
    """Makes the first call, which compiles."""
    import jax
    from socialized_learning.experiments import continual

    key = jax.random.PRNGKey(0)
    self.config = config
    self.experiment = continual.ContinualExperiment("train", key, config)
    self.experiment.results.note_start({})  # Examined apart.
    self._rng = self.experiment.initialize_train_step_rng(key)
    self.per_call = self.experiment.room(0)
    self.make(0)

  def make(self, step: int) -> None:
    """Makes one call of updates, from a step on."""
    import jax

    jax.block_until_ready(self.experiment.advance(step, self.per_call, self._rng))

  def late(self, calls: int) -> int:
    """The step from which so many calls end short of the end."""
    return self.config.training_steps - (calls + 1) * self.per_call

  def pace(self, start: int, calls: int) -> float:
    """Seconds a step from step `start` on."""
    return measure.seconds_of(lambda: [
        self.make(start + i * self.per_call) for i in range(calls)]) / (calls * self.per_call)


def _apart(walk: Walk, pace: float, calls: int) -> tuple[dict[str, float], float, float]:
  """What estimates of an importance cost, if there are any.

  Returns:
    That, and the operations and seconds of a step without them: XLA counts neither how often a branch is
    taken nor how often a loop is run.
  """
  rate = walk.config.learner.get("importance_rate")
  if rate is None:
    return {}, _flops(walk), pace
  config = walk.config.copy_and_resolve_references()
  config.learner.penalty_weight = 0.0  # Then nothing is estimated.
  walk = Walk(config)
  without = walk.pace(walk.late(calls), calls)
  return {
      "milliseconds_per_step_without_importance": 1e3 * without,
      "milliseconds_per_importance": 1e3 * (pace - without) / rate / config.population.size,
      "share_of_importance": 1 - without / pace,
      "importances_of_the_stream": rate * config.training_steps,
  }, _flops(walk), without


def _write_random_images(folder: str, name: str) -> None:
  """Files of the real ones' format and size, with random pixels."""
  import numpy as np

  random = np.random.default_rng(0)
  pixels = lambda *shape: random.integers(256, size=shape, dtype=np.uint8)
  labels = lambda count, num_classes: (np.arange(count) % num_classes).astype(np.uint8)
  path = pathlib.Path(folder)
  if name == "mnist":
    np.savez(path / "mnist.npz", x_train=pixels(60_000, 28, 28), y_train=labels(60_000, 10),
             x_test=pixels(10_000, 28, 28), y_test=labels(10_000, 10))
    return
  batches = path / "cifar-10-batches-py"
  batches.mkdir()
  for file in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
    content = {b"data": pixels(10_000, 3072), b"labels": labels(10_000, 10).tolist()}
    (batches / file).write_bytes(pickle.dumps(content, protocol=3))


def _flops(walk: Walk) -> float:
  """Floating-point operations of one step of all members, by XLA's count."""
  import jax
  import jax.numpy as jnp
  from socialized_learning.experiments import continual
  from socialized_learning.population import devices

  experiment, axis_name = walk.experiment, walk.config.axis_name
  update = continual.make_update(experiment._learner, experiment._streams[0], experiment._over,
                                 axis_name)
  batch = {name: jnp.asarray(x[:1]) for name, x in experiment._feed(0, 1).items()}
  constants = experiment._constants | {
      "run_key": experiment.initialize_train_step_rng(jax.random.PRNGKey(0))}
  lowered = devices.on_each_device(update, axis_name=axis_name).lower(
      experiment._state, batch, constants)
  return lowered.cost_analysis()["flops"]


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
