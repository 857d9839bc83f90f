"""Steps of networks with convolutions, here and in PyTorch, alternating in one run.

  python -m benchmarks.convolution_step [--only=NAME] [--rounds=N]

| name | step |
|---|---|
| resnet64 | ResNet-18, width 64, 64 images: forwards, backwards, gradient descent |
| resnet20 | the same, width 20, 20 images |
| er | `er,seq-cifar10,500`: experience replay, 32 + 32 images, width 64 |
| dynamos | `dynamos,seq-mnist,500`, 10 + 10 images, width 32 |

Pixels are random. Every system lives in a process of its own; they make steps in turn, so that a machine
whose speed drifts does not favour one. One JSON line a comparison: median milliseconds of each system and,
where PyTorch is installed, `ratio`, ours over the faster of PyTorch's two layouts of memory (median over
the rounds of the ratios within a round); for the first two also the arithmetic beside the rate of a
matrix product. Exit status: 0 done; 1 it could not be measured; 2 a wrong flag, said in one line.
"""

import argparse
from collections.abc import Callable, Sequence
import functools
import importlib.util
import json
import statistics
import sys
from typing import Any

from benchmarks import measure

BENCHMARK = "convolution_step"
LAYOUTS = ("contiguous", "channels_last")
_RESNETS = {"resnet64": (64, 64), "resnet20": (20, 20)}  # Width, images.
_SWEEPS = {"er": ("er", "seq-cifar10", 500), "dynamos": ("dynamos", "seq-mnist", 500)}
NAMES = (*_RESNETS, *_SWEEPS)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
  """The flags; exits with status 2 and one line for wrong ones."""
  parser = measure.Parser(BENCHMARK, __doc__)
  parser.add_argument("--only", choices=(*NAMES, "tiny"),
                      help="one comparison; tiny is a perceptron, to try whether all is installed")
  parser.add_argument("--system", choices=("ours", *LAYOUTS),
                      help="serve the steps of one system (with --only)")
  parser.add_count("rounds", 20, "steps of each system, after the first")
  parser.add_count("matmul", 2048, "side of the matrices that show what the machine can do")
  flags = parser.parse_args(arguments)
  if flags.system and not flags.only:
    parser.error("--system serves one comparison: add --only=NAME")
  return flags


def main(arguments: Sequence[str]) -> int:
  """Measures what the flags ask for; returns the exit status."""
  flags = parse(arguments)
  if flags.system:
    measure.serve(functools.partial(build, flags), matmul_size=flags.matmul)
    return 0
  systems = ("ours", *(LAYOUTS if importlib.util.find_spec("torch") else ()))
  try:
    for name in [flags.only] if flags.only else NAMES:
      found = measure.alternate(f"benchmarks.{BENCHMARK}", {
          system: [*arguments, f"--only={name}", f"--system={system}"] for system in systems},
                                flags.rounds)
      print(json.dumps({"benchmark": BENCHMARK, "name": name} | compare(found) | measure.machine()),
            flush=True)
  except measure.MeasurementError as error:
    print(f"error: {error}", file=sys.stderr)
    return 1
  return 0


def compare(found: dict[str, measure.Served]) -> dict[str, Any]:
  """Medians, and the ratio to the faster layout of PyTorch, by what each system was measured to take."""
  medians = {system: statistics.median(served.seconds) for system, served in found.items()}
  result = {f"{system}_milliseconds": 1e3 * value for system, value in medians.items()}
  if peers := [layout for layout in LAYOUTS if layout in found]:
    best = min(peers, key=medians.get)
    result["ratio"] = statistics.median(
        mine / theirs for mine, theirs in zip(found["ours"].seconds, found[best].seconds, strict=True))
  ours = found["ours"]
  if ours.flops:
    gflops = ours.flops / medians["ours"] / 1e9
    result |= {"gflops": gflops, "matmul_gflops": ours.matmul_gflops,
               "fraction_of_matmul_rate": gflops / ours.matmul_gflops}
  return measure.rounded(result)


def build(flags: argparse.Namespace) -> measure.System:
  """The system that the flags name."""
  if flags.system != "ours":
    return measure.System(_of_torch(flags), lambda: 0.0)
  if flags.only == "tiny":
    return _training({"kind": "mlp", "hidden_sizes": (8,)}, 4)
  if flags.only in _RESNETS:
    width, batch = _RESNETS[flags.only]
    return _training({"kind": "resnet18", "width": width}, batch)
  return _walk(*_SWEEPS[flags.only])


def _of_torch(flags: argparse.Namespace) -> Callable[[], None]:
  from benchmarks import torch_dynamos
  from benchmarks import torch_resnet

  if flags.only == "tiny":
    return torch_resnet.training_step(torch_resnet.perceptron(8), 4, flags.system)
  if flags.only in _RESNETS:
    width, batch = _RESNETS[flags.only]
    return torch_resnet.training_step(torch_resnet.resnet18(width), batch, flags.system)
  if flags.only == "er":
    return torch_resnet.replay_step(64, 32, 500, flags.system)
  return torch_dynamos.dynamos_step(10, 500, flags.system)


def _training(network: dict[str, Any], batch: int) -> measure.System:
  import jax
  import jax.numpy as jnp
  from ml_collections import config_dict
  from socialized_learning.agents import classifiers
  from socialized_learning.learners import steps
  from socialized_learning.population import compilation

  classifier = classifiers.make_classifier(config_dict.create(**network), 10)
  images = jax.random.normal(jax.random.PRNGKey(0), (batch, 32, 32, 3))
  labels = jnp.arange(batch) % 10
  net = jax.jit(classifier.init)(jax.random.PRNGKey(1), images[:1])

  def update(net):
    def loss(params):
      output, stats = classifier.apply(net._replace(params=params), images, is_training=True)
      return steps.cross_entropy(output.logits, labels).mean(), stats

    grads, value, stats = steps.gradient(loss, net.params, None)
    return steps.descend(net, grads, stats, 0.01), value

  call = compilation.jit(update)

  def step():
    nonlocal net
    net, value = call(net)
    jax.block_until_ready((net, value))

  return measure.System(step, lambda: jax.jit(update).lower(net).cost_analysis()["flops"])


def _walk(method: str, stream: str, buffer: int) -> measure.System:
  from benchmarks import continual_step

  walk = continual_step.Walk(continual_step.resolved(method, stream, buffer))
  steps = iter(range(walk.per_call, walk.config.training_steps, walk.per_call))
  return measure.System(lambda: walk.make(next(steps)), lambda: 0.0)


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
