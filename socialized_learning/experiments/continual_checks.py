"""What can be wrong with a continual-learning configuration, said before anything is built."""

import math

import jax
from ml_collections import config_dict

from socialized_learning import learners
from socialized_learning import memory
from socialized_learning import streams
from socialized_learning.agents import classifiers
from socialized_learning.data import sources
from socialized_learning.experiments import checks
from socialized_learning.experiments.checks import require
from socialized_learning.population import members

FIDELITIES = ("clean", "reference", "paper")
_NEEDS_BORDERS = ("agem", "ewc_on", "lwf", "si")  # Methods that act at the end of a task.
# Values of learners that are probabilities, or shares of what was.
_FROM_0_TO_1 = ("ema_rate", "ema_decay", "plastic_ema_rate", "plastic_ema_decay", "stable_ema_rate",
                "stable_ema_decay", "importance_rate", "importance_decay", "ewc_decay")
_SHOWS_ONE_BY_ONE = ("ewc_on", "synergy")  # Methods that estimate an importance.
# Where the published implementation has a defect that a number may depend on ("reference"), or does not
# compute what the paper says ("paper"). All others have "clean" alone.
_FIDELITIES_OF = {"ewc_on": ("clean", "reference"), "synergy": ("clean", "reference"),
                  "multi_scale": ("clean", "reference"), "dynamos": ("clean", "reference"),
                  "si": ("clean", "paper")}
_POSITIVE = ("temperature", "si_damping")


def check_config(config: config_dict.ConfigDict) -> None:
  """Raises UserError for values that no run can have, whatever the data."""
  checks.check_choices(config, {
      "method": learners.LEARNERS,
      "stream.name": streams.STREAMS,
      "data.name": sources.NAMES,
      "network.kind": classifiers.CLASSIFIERS,
      "inference.mode": classifiers.INFERENCE_MODES,
      "population.mapping": members.MAPPINGS,
      "learner.fidelity": FIDELITIES,
      "evaluation.checkpoint": ("latest",),
      "best_model_eval_metric": ("",),
  })
  checks.check_at_least_1(config, ("batch_size", "num_epochs", "population.size", "network.width",
                                  "network.bottleneck_ratio"))
  checks.check_not_negative(config, ("training_steps", "stream.seed", "learner.learning_rate",
                                     "learner.buffer_size", "evaluation.interval"))
  checks.check_layers(config, ("network.hidden_sizes",))
  require(not config.evaluation.interval, f"evaluation.interval={config.evaluation.interval}: a "
          "stream is examined at the borders of its tasks, use 0")
  of_sweep = config.sweep.partition(",")[0]
  require(config.method == of_sweep, f"method={config.method!r} in the recipe of {of_sweep!r}: name it "
          f"there, :{config.method},{config.sweep.partition(',')[2]}, with values of its own")
  _, stream, *_ = config.sweep.split(",")
  # One stream has its weights in the name of the sweep.
  require(f"{stream}-".startswith(f"{config.stream.name}-"), f"stream.name={config.stream.name!r} in the recipe of {stream!r}: "
          f"name it there, :{config.method},{config.stream.name}, with values of its own")
  fidelities = _FIDELITIES_OF.get(config.method, ("clean",))
  require(config.learner.fidelity in fidelities, f"learner.fidelity={config.learner.fidelity!r} means "
          f"nothing for {config.method}: use {' or '.join(fidelities)}")
  is_general = streams.STREAMS[config.stream.name].setting == streams.GENERAL
  require(not is_general or config.method not in _NEEDS_BORDERS,
          f"method={config.method!r} acts at the end of a task, and {config.stream.name} has none: "
          "choose another method or stream")
  require(config.method != "joint" or config.stream.shuffle, "stream.shuffle=False: joint always shuffles "
          "the images of all tasks, leave it at True")
  has_memory = "replay_batch_size" in config.learner
  require(has_memory or not config.learner.buffer_size, f"learner.buffer_size={config.learner.buffer_size}: "
          f"{config.method} has no memory, leave it at 0")
  _check_agents(config)
  if "replay_batch_size" in config.learner:
    checks.check_at_least_1(config, ("learner.replay_batch_size",))
    require(config.learner.buffer_size >= 1, f"learner.buffer_size={config.learner.buffer_size}: "
            f"{config.method} replays, its memory needs at least 1 slot")
    require(config.learner.replay_batch_size % jax.device_count() == 0,
            f"learner.replay_batch_size={config.learner.replay_batch_size} is not divisible by "
            f"{jax.device_count()} devices: use a multiple of them")
  require(config.method not in _SHOWS_ONE_BY_ONE or config.learner.fidelity == "clean"
          or config.network.kind == "mlp" or jax.device_count() == 1,
          f"learner.fidelity='reference' of {config.method} shows images one by one, which several "
          "devices cannot share: use one device, or learner.fidelity=clean")
  _check_numbers(config)
  if "memory_policy" in config.learner:
    checks.check_choices(config, {"learner.memory_policy": memory.POLICIES})
  source = streams.STREAMS[config.stream.name].source
  require(config.data.name == source.name, f"data.name={config.data.name!r}: {config.stream.name} is "
          f"made of {source.name}")


def _check_numbers(config: config_dict.ConfigDict) -> None:
  """Raises UserError for values that no learner can have."""
  there = lambda names: [f"learner.{name}" for name in names if name in config.learner]
  checks.check_shares(config, there(_FROM_0_TO_1))
  checks.check_positive(config, there(_POSITIVE))
  checks.check_not_negative(config, there(
      name for name, value in config.learner.items()
      if isinstance(value, (int, float)) and name != "policy_penalty"))


def _check_agents(config: config_dict.ConfigDict) -> None:
  """Raises UserError for agents where there can be none, or for what they cannot be."""
  network, inference, learner = config.network, config.inference, config.learner
  trains_agents = "keep_ratio" in learner
  require(not trains_agents or network.kind == "gated_resnet" and network.has_agents,
          f"method={config.method!r} trains agents: use network.kind=gated_resnet and "
          "network.has_agents=True")
  require(trains_agents or not network.has_agents,
          f"network.has_agents=True: {config.method} does not train agents, use False")
  require(network.kind == "gated_resnet" or not network.grey_as_colour,
          f"network.grey_as_colour=True is for network.kind=gated_resnet: use False for {network.kind}")
  checks.check_positive(config, ("network.policy_temperature",))
  require(0 <= inference.threshold <= 1,
          f"inference.threshold={inference.threshold}: a probability is from 0 to 1")
  require(trains_agents or (inference.mode, inference.threshold) == ("threshold", 0.5),
          f"inference.mode={inference.mode!r} and inference.threshold={inference.threshold} mean nothing "
          f"for {config.method}, which has no agents: leave them at 'threshold' and 0.5")
  require(not inference.skip_channels or trains_agents and inference.mode == "threshold",
          "inference.skip_channels=True is for agents that decide by a threshold: "
          + (f"inference.mode={inference.mode!r} draws anew in each pass" if trains_agents else
             f"{config.method} has none") + ", use False")
  thresholds = tuple(config.evaluation.thresholds)
  require(trains_agents or not thresholds, f"evaluation.thresholds={thresholds}: {config.method} has no "
          "agents whose decisions have one, use ()")
  require(all(isinstance(each, (int, float)) and 0 <= each <= 1 for each in thresholds),
          f"evaluation.thresholds={thresholds}: probabilities are numbers from 0 to 1")
  if not trains_agents:
    return
  require(0 <= learner.keep_ratio <= 1,
          f"learner.keep_ratio={learner.keep_ratio}: a share of the channels is from 0 to 1")
  penalty = learner.policy_penalty
  require(math.isfinite(penalty), f"learner.policy_penalty={penalty}: must be finite")
  require(penalty <= 0, f"learner.policy_penalty={penalty}: multiplies the reward of wrong answers and "
          f"must not be above 0, use {-abs(penalty)}")
  checks.check_not_negative(config, ("learner.warmup_steps", "learner.warmup_epochs"))
  require(not (learner.warmup_steps and learner.warmup_epochs),
          f"learner.warmup_steps={learner.warmup_steps} and learner.warmup_epochs="
          f"{learner.warmup_epochs}: give one of them, and 0 for the other")


def _check_warmup(config: config_dict.ConfigDict, stream: streams.Stream) -> None:
  """Raises UserError for a warm-up that leaves the first task nothing, or the run."""
  if "keep_ratio" not in config.learner:
    return
  steps = warmup_steps(config, stream)
  for what, most in (("run", config.training_steps), ("first task", int(stream.plan.task_ends[0]))):
    require(steps < most, f"a warm-up of {steps} steps (learner.warmup_steps, or warmup_epochs) "
            f"covers the whole {what} of {most}: use less")


def warmup_steps(config: config_dict.ConfigDict, stream: streams.Stream) -> int:
  """How many steps all channels are kept: as given, or as many as the epochs given have."""
  steps_of_epoch = int(stream.plan.task_ends[0]) // config.num_epochs
  return config.learner.warmup_steps or config.learner.warmup_epochs * steps_of_epoch


def check(config: config_dict.ConfigDict, stream: streams.Stream) -> None:
  """Raises UserError for a resolved configuration that cannot be run."""
  checks.check_run(config)
  steps = len(stream.plan.index)
  require(config.training_steps <= steps,
          f"training_steps={config.training_steps}: {config.stream.name} has {steps}, use 0 for all")
  _check_warmup(config, stream)
  num_tasks = len(stream.plan.task_ends)
  require(config.method != "agem" or config.learner.buffer_size >= num_tasks,
          f"learner.buffer_size={config.learner.buffer_size}: agem shares its memory out to "
          f"{num_tasks} tasks, use at least {num_tasks}")


def settings(config: config_dict.ConfigDict, stream: streams.Stream) -> config_dict.ConfigDict:
  """What a learner is made from: its own values and what it has to know of the run."""
  values = config.learner.to_dict() | {
      "num_tasks": len(stream.plan.task_ends), "batch_size": config.batch_size,
      "num_epochs": config.num_epochs, "has_short_batches": not stream.plan.valid.all()}
  if "keep_ratio" in config.learner:
    values["warmup_steps"] = warmup_steps(config, stream)
    values["thresholds"] = tuple(config.evaluation.thresholds)
  return config_dict.ConfigDict(values)
