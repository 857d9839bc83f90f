"""Time, memory and arithmetic of continual learning: a whole stream, and one step of a network.

  python -m benchmarks.continual_step [--method=er] [--stream=rot-mnist] [--buffer=500] [--seeds=1] …

Sizes are those of the stream's images; the pixels and labels are random, so that no data is needed and
accuracies mean nothing. Prints one JSON line: seconds a step early and late in the stream, seconds of
examining one test set, what the whole stream takes at that pace, first step with compilation, peak
memory, and the arithmetic beside the rate of a matrix product. With `--seeds=N` the members are
trained at once.

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
  try:
    line = measure.in_fresh_process(f"benchmarks.{BENCHMARK}", [*arguments, "--here"], device_count=1)
  except measure.MeasurementError as error:
    print(f"error: {error}", file=sys.stderr)
    return 1
  print(json.dumps(line))
  return 0


def measure_here(flags: argparse.Namespace) -> dict[str, Any]:
  """The JSON line, measured in this process."""
  from socialized_learning.platform import startup

  startup.prepare_environment()
  # JAX and all that stands on it is loaded here: before the clock starts, and not for --help.
  import jax
  from socialized_learning.configs import continual_config
  from socialized_learning.experiments import continual

  sweep = ",".join([flags.method, flags.stream, *([str(flags.buffer)] if flags.buffer else [])])
  config = continual_config.get_config(sweep)
  config.population.update(size=flags.seeds, mapping=flags.mapping)
  with tempfile.TemporaryDirectory() as folder:
    _write_random_images(folder, config.data.name)
    config.data.dir = folder
    config = continual.ContinualExperiment.resolve(config, None)  # Reads them.
  experiment = rng = None

  def begin():
    nonlocal experiment, rng
    key = jax.random.PRNGKey(0)
    experiment = continual.ContinualExperiment("train", key, config)
    experiment.results.note_start({})  # Examined below, by itself.
    rng = experiment.initialize_train_step_rng(key)
    make(0)

  def make(step):
    metrics = experiment._advance(step, step + per_call, per_call, rng, step)
    jax.block_until_ready(metrics)

  per_call = config.updates_per_call
  first = measure.seconds_of(begin)
  calls = max(1, flags.steps // per_call)
  late = config.training_steps - (calls + 1) * per_call
  pace = {name: measure.seconds_of(lambda start=start: [
      make(start + i * per_call) for i in range(calls)]) / (calls * per_call)
          for name, start in (("early", per_call), ("late", late))}
  experiment._examined([0])  # Compiles.
  examining = measure.seconds_of(lambda: experiment._examined([0]))
  num_tasks = experiment.results.num_tasks
  examinations = num_tasks + sum(min(task + 2, num_tasks) for task in range(num_tasks))
  peak = measure.peak_memory_gib()
  matmul = measure.matmul_gflops(flags.matmul)
  return {"benchmark": BENCHMARK, "sweep": sweep} | measure.rounded({
      "seconds_to_first_step": first,
      "milliseconds_per_step_early": 1e3 * pace["early"],
      "milliseconds_per_step_late": 1e3 * pace["late"],
      "steps_per_second": 1 / pace["late"],
      "seconds_per_test_set": examining,
      "seconds_of_the_stream": pace["late"] * config.training_steps + examinations * examining,
      "peak_memory_gib": peak,
      "gflops": _flops(experiment, config) / pace["late"] / 1e9,
      "matmul_gflops": matmul,
      "fraction_of_matmul_rate": _flops(experiment, config) / pace["late"] / 1e9 / matmul,
  }) | {"seeds": flags.seeds, "steps": config.training_steps} | measure.machine()


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


def _flops(experiment: Any, config: Any) -> float:
  """Floating-point operations of one step of all members, by XLA's count."""
  import jax
  import jax.numpy as jnp
  from socialized_learning.experiments import continual

  stream = experiment._streams[0]
  update = continual.make_update(experiment._learner, stream, experiment._over, config.axis_name,
                                 pads=False)
  batch = {name: jnp.asarray(x[0]) for name, x in experiment._feed(0, 1).items()}
  batch["active"] = jnp.ones(1, bool)
  constants = experiment._world | {"run_key": jax.random.PRNGKey(0)}
  state = jax.tree.map(lambda x: x[0], experiment._state)
  on_axis = jax.vmap(update, axis_name=config.axis_name)
  lowered = jax.jit(on_axis).lower(*jax.tree.map(lambda x: x[None], (state, batch, constants)))
  return lowered.cost_analysis()["flops"]


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
