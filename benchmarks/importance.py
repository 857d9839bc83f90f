"""Time and memory of the importance of a ResNet's parameters, beside the plain way.

  python -m benchmarks.importance [--width=64] [--images=100] [--chunk=0] [--fidelity=clean] …

The plain way is a gradient for each image, one after another in a loop. Both are inside of a branch, as
in a step of SYNERGy, and each is measured in a process of its own. Prints a JSON line for each: seconds
of 100 images and those of processor time, peak memory in GiB, and the sum that both must agree on.

Exit status: 0 done; 1 it could not be measured; 2 a wrong flag, said in one line.
"""

import argparse
from collections.abc import Sequence
import json
import sys
import time
from typing import Any

from benchmarks import measure

BENCHMARK = "importance"
_WAYS = ("products", "plain")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
  """The flags; exits with status 2 and one line for wrong ones."""
  parser = measure.Parser(BENCHMARK, __doc__)
  parser.add_count("width", 64, "channels of the first stage")
  parser.add_count("side", 32, "pixels of an image's side")
  parser.add_count("images", 100, "images, with a label each")
  parser.add_argument("--chunk", type=int, default=0, metavar="N",
                      help="images at once, 0 for what the engine takes (0)")
  parser.add_argument("--fidelity", default="clean", choices=("clean", "reference"),
                      help="batch normalisation as in a test, or of each image (clean)")
  parser.add_argument("--way", choices=_WAYS, help="measure this one, in this very process")
  flags = parser.parse_args(arguments)
  if flags.chunk < 0:
    parser.error(f"--chunk={flags.chunk}: a number of images, or 0 for what the engine takes")
  return flags


def main(arguments: Sequence[str]) -> int:
  """Measures both ways; returns the exit status."""
  flags = parse(arguments)
  if flags.way:
    print(json.dumps(measure_here(flags)))
    return 0
  return measure.report(
      f"benchmarks.{BENCHMARK}", {way: [*arguments, f"--way={way}"] for way in _WAYS})


def measure_here(flags: argparse.Namespace) -> dict[str, Any]:
  """The JSON line of one way, measured in this process."""
  import jax
  import jax.numpy as jnp

  estimate, net, images, labels = _build(flags)
  branch = jax.jit(lambda due, net, images: jax.lax.cond(
      due, lambda net: estimate(net, images, labels), lambda net: net.params, net))
  found = []
  call = lambda: found.append(jax.block_until_ready(branch(True, net, images)))
  first = measure.seconds_of(call)
  peak = measure.peak_memory_gib()
  started = time.process_time()
  seconds = measure.seconds_of(call)
  processor = time.process_time() - started
  total = sum(float(jnp.sum(x)) for x in jax.tree.leaves(found[-1]))
  return {"benchmark": BENCHMARK, "way": flags.way} | measure.rounded({
      "seconds_to_first": first,
      "seconds_per_100": 100 * seconds / flags.images,
      "processor_seconds_per_100": 100 * processor / flags.images,
      "peak_memory_gib": peak,
      "matmul_gflops": measure.matmul_gflops(1024),
      "sum": total,
  }) | {name: getattr(flags, name) for name in ("width", "side", "images", "fidelity")
       } | measure.machine()


def _build(flags: argparse.Namespace) -> tuple[Any, ...]:
  """The way as (net, images, labels) -> importance; a network that has met images; these."""
  import jax
  import jax.numpy as jnp
  from ml_collections import config_dict
  from socialized_learning.agents import classifiers
  from socialized_learning.learners import importance
  from socialized_learning.learners import steps

  made = classifiers.make_classifier(
      config_dict.create(kind="resnet18", width=flags.width, hidden_sizes=()), 10)
  images = jax.random.normal(jax.random.PRNGKey(1), (flags.images, flags.side, flags.side, 3))
  net = jax.jit(made.init)(jax.random.PRNGKey(0), images[:1])
  met = jax.jit(lambda net: made.apply(net, images[:32], is_training=True)[1])
  for _ in range(30):
    net = net._replace(stats=met(net))
  is_training = flags.fidelity == "reference"

  def plain(net, images, labels):
    def add(total, example):
      image, label = example
      likelihood = lambda params: -steps.cross_entropy(made.apply(
          net._replace(params=params), image[None], is_training=is_training)[0].logits, label[None])[0]
      value, grads = jax.value_and_grad(likelihood)(net.params)
      return jax.tree.map(lambda t, g: t + jnp.exp(value) * jnp.square(g), total, grads), None

    return jax.lax.scan(add, jax.tree.map(jnp.zeros_like, net.params), (images, labels))[0]

  def products(net, images, labels):
    estimate = importance.make_importance(made, flags.fidelity, chunk_size=flags.chunk or None)
    return estimate(net, lambda at: (images[at], labels[at]), jnp.ones(len(images)))[0]

  return (products if flags.way == "products" else plain, net, images,
          jnp.arange(flags.images, dtype=jnp.int32) % 10)


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
