"""Speed of the stages of socialized learning, and what it gains to train agents together.

  python -m benchmarks.masc_step [--agents=4] [--classes=100] [--batch=128] [--width_divisor=1] …

Images are 32 x 32 x 3 of random pixels, so that accuracies mean nothing. One JSON line for each system,
measured in a process of its own:

  together    all specialists in one step      alone         one specialist
  student     the collaboration step           altruism      heads on stored features
  altruism_full  heads on features computed anew, from augmented images

and one that compares: what all specialists at once cost of as many alone, and altruism on stored
features of that with full forward passes. Images per second count every agent's. Exit status: 0 done;
1 it could not be measured; 2 a wrong flag, said in one line.
"""

import argparse
from collections.abc import Sequence
import functools
import json
import sys
from typing import Any

from benchmarks import measure

BENCHMARK = "masc_step"
# System: stage that it measures.
SYSTEMS = {"together": "specialists", "alone": "specialists", "student": "collaboration",
           "altruism": "altruism", "altruism_full": "altruism"}
SIZES = ("agents", "classes", "batch", "width_divisor", "hidden", "images")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
  """The flags; exits with status 2 and one line for wrong ones."""
  parser = measure.Parser(BENCHMARK, __doc__)
  parser.add_count("agents", 4, "specialists")
  parser.add_count("classes", 100, "of all agents together")
  parser.add_count("batch", 128, "images of one step and agent")
  parser.add_count("width_divisor", 1, "what the published widths are divided by, a power of 2 to 64")
  parser.add_count("hidden", 1024, "hidden units of the heads")
  parser.add_count("images", 5000, "training images")
  parser.add_count("steps", 5, "steps to take the median of, after the first")
  parser.add_count("matmul", 2048, "side of the matrices that show what the machine can do")
  parser.add_argument("--mapping", default="auto", choices=("auto", "vmap", "loop"),
                      help="how specialists are computed (auto)")
  parser.add_argument("--only", choices=tuple(SYSTEMS), help="measure one system")
  parser.add_argument("--here", action="store_true",
                      help="measure in this very process (with --only), as for a profile")
  flags = parser.parse_args(arguments)
  if flags.here and not flags.only:
    parser.error("--here measures one system: add --only=SYSTEM")
  if flags.width_divisor not in (1, 2, 4, 8, 16, 32, 64):
    parser.error(f"--width_divisor={flags.width_divisor}: use a power of 2 up to 64")
  if not flags.agents <= flags.classes <= flags.images:
    parser.error(f"--classes={flags.classes}: at least one for each of {flags.agents} agents, and an "
                 "image for each")
  return flags


def main(arguments: Sequence[str]) -> int:
  """Measures what the flags ask for; returns the exit status."""
  flags = parse(arguments)
  if flags.here:
    print(json.dumps(measure_here(flags)))
    return 0
  systems = [flags.only] if flags.only else SYSTEMS
  return measure.report(
      f"benchmarks.{BENCHMARK}",
      {system: [*arguments, f"--only={system}", "--here"] for system in systems},
      compare=None if flags.only else compare)


def compare(lines: dict[str, dict[str, Any]]) -> dict[str, Any]:
  """What is gained, as shares of the plain way's time."""
  share = lambda system, plain, times=1: (
      lines[plain]["steps_per_second"] / lines[system]["steps_per_second"] / times)
  first = lambda system: lines[system]["seconds_to_first_step"]
  return {"benchmark": BENCHMARK} | measure.rounded({
      "together_of_one_by_one": share("together", "alone", lines["together"]["agents"]),
      "first_step_together_of_alone": first("together") / first("alone"),
      "stored_of_full_altruism": share("altruism", "altruism_full")})


def measure_here(flags: argparse.Namespace) -> dict[str, Any]:
  """The JSON line of the system `flags.only`, measured in this process."""
  from socialized_learning.platform import startup

  startup.prepare_environment()
  # JAX and all that stands on it is loaded here: before the clock starts, and not for --help.
  config, world = _world(flags)
  numbers = measure.measure(functools.partial(_build, flags, config, world), num_steps=flags.steps,
                            matmul_size=flags.matmul)
  is_of_all = flags.only in ("together", "altruism", "altruism_full")
  images = flags.batch * (flags.agents if is_of_all else 1)
  return ({"benchmark": BENCHMARK, "system": flags.only} | numbers
          | measure.rounded({"images_per_second": images * numbers["steps_per_second"]})
          | {name: getattr(flags, name) for name in SIZES} | {"steps": flags.steps}
          | measure.machine())


def _world(flags: argparse.Namespace) -> tuple[Any, Any]:
  """The resolved configuration, and random images of all classes."""
  import numpy as np
  from socialized_learning.configs import masc_config
  from socialized_learning.data import sources
  from socialized_learning.experiments import masc_checks
  from socialized_learning.experiments import masc_world
  from socialized_learning.society import groups

  config = masc_config.get_config("cifar100")
  num_agents = 1 if flags.only == "alone" else flags.agents
  config.groups.num_agents = num_agents
  config.network.update(width_divisor=flags.width_divisor, hidden_size=flags.hidden,
                        mapping=flags.mapping)
  config.batch_size = flags.batch
  config.cache.enabled = flags.only != "altruism_full"
  config.baselines = False
  config = masc_checks.resolved(config)
  random = np.random.default_rng(0)
  images = sources.Images(random.integers(256, size=(flags.images, 32, 32, 3), dtype=np.uint8),
                          np.arange(flags.images, dtype=np.int32) % flags.classes)
  masks = groups.split("ordered", num_agents, flags.classes)
  owners = groups.owners(masks)[images.labels]
  owned = tuple(np.flatnonzero(owners == agent).astype(np.int32) for agent in range(num_agents))
  return config, masc_world.World("random pixels", images, images, masks, owned, owned[0][:0])


def _build(flags: argparse.Namespace, config: Any, world: Any) -> measure.System:
  """One fused, donated update of the system's stage, on all devices of this process."""
  import jax
  import jax.numpy as jnp
  import numpy as np
  from socialized_learning.experiments import masc_design
  from socialized_learning.experiments import masc_world
  from socialized_learning.population import devices
  from socialized_learning.society import stages as stages_lib
  from socialized_learning.society import training
  from socialized_learning.society import views

  plan = masc_world.plan(config, world)
  stage = next(stage for stage in plan if stage.name == SYSTEMS[flags.only])
  design = masc_design.make(config, world, plan)
  init = jax.jit(functools.partial(
      training.init, design, plan, images=jnp.zeros((1, 32, 32, 3)), keeps_best=False,
      has_elders=False), compiler_options={"xla_backend_optimization_level": 0})
  key = jax.random.PRNGKey(0)
  state = init(key)._replace(step=jnp.int32(stage.first))
  constants = {"images": jnp.asarray(world.train.images), "labels": jnp.asarray(world.train.labels),
               "run_key": key, "cache": {}}
  if config.cache.enabled and stage.kind == stages_lib.GROWN:
    make = views.make_cache(design, stage, config.cache.num_views)
    constants["cache"] = make(state, constants["images"], constants["labels"], key)
  order = stages_lib.Order(world.owned, batch_size=flags.batch, seed=0, same_every_epoch=False)
  batches = {"index": order.indices(stage, 0, 1)}  # One update a call.
  update = training.make_update(design, stage)
  lower = lambda: jax.jit(jax.vmap(update, axis_name=config.axis_name)).lower(*jax.tree.map(
      lambda x: jax.ShapeDtypeStruct((1, *jnp.shape(x)), jnp.result_type(x)),
      (shapes, {"index": batches["index"][0]}, constants)))
  shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)
  call = devices.fuse(update, axis_name=config.axis_name, loops=masc_design.loops(config, stage))
  held, state = devices.replicate(constants, axis_name=config.axis_name), devices.replicate(
      state, axis_name=config.axis_name)

  def step():
    nonlocal state
    state, metrics = call(state, devices.split(batches), held, np.int32(1))
    jax.block_until_ready((state, metrics))

  return measure.System(step, lambda: lower().cost_analysis()["flops"])


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
