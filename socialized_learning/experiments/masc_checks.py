"""What can be wrong with the configuration of a society, said before anything is built."""

from collections.abc import Mapping
import math
from typing import Any

from ml_collections import config_dict

from socialized_learning.agents import vgg
from socialized_learning.data import sources
from socialized_learning.experiments import checks
from socialized_learning.experiments import masc_design
from socialized_learning.experiments import masc_weights
from socialized_learning.experiments import masc_world
from socialized_learning.experiments.checks import require
from socialized_learning.population import members
from socialized_learning.society import distillation
from socialized_learning.society import fidelity
from socialized_learning.society import gates
from socialized_learning.society import groups
from socialized_learning.streams import augmentation

RA_INITS = ("fresh", "owner_head", "student")
SELECTIONS = ("validation", "last")
# Values that the fidelity decides unless they are given: path -> field of its settings.
_DECIDED = {name: name for name in (
    "learning_rate", "schedule", "warmup_epochs", "momentum", "weight_decay", "batch_size",
    "selection", "kd_weight", "alignment_weight", "anchor", "temperature")} | {
        "collaboration.kd_mode": "kd_mode", "data.augmentation": "augmentation",
        "data.normalise": "normalisation",
        "num_epochs.specialists": "num_epochs", "num_epochs.student": "num_epochs",
        "num_epochs.experts": "num_epochs"}


def resolved(config: config_dict.ConfigDict, stored: Mapping[str, Any] | None = None
            ) -> config_dict.ConfigDict:
  """The configuration with what its fidelity and the given weights decide.

  Args:
    config: as the user gave it.
    stored: config.json of the run that is resumed or evaluated, None for a new run.

  Raises:
    UserError: a value that no run can have, whatever the data.
  """
  checks.check_choices(config, {"fidelity": fidelity.FIDELITIES, "data.name": sources.NAMES})
  config = config.copy_and_resolve_references()
  settings = fidelity.settings(config.fidelity)
  for path, field in _DECIDED.items():
    if checks.at(config, path) is None:
      config.update_from_flattened_dict({path: getattr(settings, field)})
  if config.evaluation.gate is None:
    has_others = config.groups.num_agents > 1  # Else there is nothing to calibrate by.
    config.evaluation.gate = "margin" if config.fidelity == "clean" and has_others else "lse"
  _check_values(config)
  return masc_weights.resolved(config, stored)


def _check_values(config: config_dict.ConfigDict) -> None:
  checks.check_choices(config, {
      "schedule": fidelity.SCHEDULES,
      "selection": SELECTIONS,
      "evaluation.gate": gates.PAIR_GATES,
      "collaboration.kd_mode": distillation.KD_MODES,
      "altruism.init": RA_INITS,
      "groups.split": masc_world.SPLITS,
      "data.augmentation": augmentation.AUGMENTATIONS,
      "data.normalise": masc_design.NORMALISATIONS,
      "network.mapping": members.MAPPINGS,
      "evaluation.program": tuple(masc_weights.EXAMINED),
      "evaluation.checkpoint": ("latest",),
      "best_model_eval_metric": ("",),
  })
  if config.evaluation.agent != -1:
    groups.check_agent(config.evaluation.agent, config.groups.num_agents)
  checks.check_positive(config, ("temperature",))
  # Refuses what its losses do not know.
  fidelity.make_losses(config.fidelity, anchor=config.anchor, temperature=config.temperature)
  checks.check_at_least_1(config, (
      "batch_size", "rounds", "num_epochs.specialists", "num_epochs.student", "num_epochs.experts",
      "selection_epochs", "federated_steps", "cache.num_views", "network.width_divisor",
      "network.hidden_size", "groups.num_agents", "collaboration.block"))
  checks.check_not_negative(config, (
      "training_steps", "learning_rate", "warmup_epochs", "weight_decay", "kd_weight",
      "alignment_weight", "groups.seed", "data.classes", "data.images_per_class",
      "evaluation.interval"))
  checks.check_seed(config)
  require(math.isfinite(config.anchor), f"anchor={config.anchor}: must be finite")
  for path in ("momentum", "data.validation", "network.dropout_rate"):
    require(0 <= checks.at(config, path) < 1,
            f"{path}={checks.at(config, path)}: must be 0 or more and below 1")
  widths = [width for layout in vgg.LAYOUTS.values() for width in layout]
  divisor = config.network.width_divisor
  require(all(width % divisor == 0 for width in widths),
          f"network.width_divisor={divisor}: must divide 64, use a power of 2 up to 64")
  require(config.collaboration.block < len(vgg.LAYOUTS["wide"]),
          f"collaboration.block={config.collaboration.block}: blocks are 0 to "
          f"{len(vgg.LAYOUTS['wide']) - 1}, and the first reads the image, use 1 to 12")
  require(config.evaluation.gate != "margin" or config.groups.num_agents > 1,
          "evaluation.gate='margin' is calibrated on the images of other agents, and there are none: "
          "use lse")
  require(config.groups.split == "given" or str(config.groups.given) in ("()", ""),
          f"groups.given with groups.split={config.groups.split!r}, which divides the classes by "
          "itself: add --config.groups.split=given")
  require(not config.evaluation.interval, f"evaluation.interval={config.evaluation.interval}: a "
          "society is examined as selection_epochs says, use 0")


def check(config: config_dict.ConfigDict, world: masc_world.World) -> None:
  """Raises UserError for a resolved configuration that cannot be run."""
  stages = masc_world.plan(config, world)
  last = stages[-1].last if stages else 0
  if stages:  # Else there is nothing to train.
    checks.check_run(config)
  masc_weights.check_complete(config, stages)
  require(config.training_steps <= last,
          f"training_steps={config.training_steps}: the stages have {last}, use 0 for all")
  constants = masc_design.NORMALISATIONS[config.data.normalise]
  channels = world.train.images.shape[-1]
  require(constants is None or len(constants[0]) == channels,
          f"data.normalise={config.data.normalise!r} is of three colours, and images of "
          f"{config.data.name} have {channels}: use none")
  needs_held_out = {"selection='validation'": bool(stages) and config.selection == "validation",
                    "evaluation.gate='margin'": config.evaluation.gate == "margin"}
  held_out = world.owner(world.train.labels[world.held_out])
  for what, needs in needs_held_out.items():
    require(not needs or set(held_out) == set(range(config.groups.num_agents)),
            f"{what} needs held-out images of every agent, and data.validation="
            f"{config.data.validation} leaves none: hold out more")
  kd_mode = config.collaboration.kd_mode
  require(config.altruism.init != "owner_head" or kd_mode == "owner_head",
          f"altruism.init='owner_head' takes the heads of collaboration.kd_mode='owner_head', not "
          f"{kd_mode!r}: use fresh or student")
  require(kd_mode != "mid_feature" or config.rounds == 1,
          f"collaboration.kd_mode='mid_feature' with rounds={config.rounds}: only the specialists of "
          "the first round have a tail to run on, use rounds=1")
  require(not config.cache.teachers or kd_mode in ("owner_head", "owner_slice"),
          f"cache.teachers=True keeps what the owner says of an image, and "
          f"collaboration.kd_mode={kd_mode!r} asks others too: use cache.teachers=False")
