"""Options that have no effect given the others: refused, because whoever sets one expects an effect.

A rule names options and says when they are read. An option that is not read must keep the value that
the recipe has for it, or that the resumed run was started with.
"""

from collections.abc import Callable, Mapping, Sequence
import functools
from typing import Any, NamedTuple

import emcom_datasets
from ml_collections import config_dict

from socialized_learning.experiments.checks import require

_IN_FILES = tuple(name for name in emcom_datasets.NAMES if name.startswith("byol_"))
_EMBEDDED_IMAGES = ("mnist5k", "emoji")


class Rule(NamedTuple):
  """Options, whether a configuration reads them, and what they are for."""
  options: tuple[str, ...]
  is_read: Callable[[config_dict.ConfigDict], bool]
  purpose: str  # Completes "it is for …".
  neutral: tuple[Any, ...] = ()  # Values that ask for nothing.


def check(rules: Sequence[Rule], config: config_dict.ConfigDict, *, given: config_dict.ConfigDict,
          recipe: Callable[..., config_dict.ConfigDict], stored: Mapping[str, Any] | None) -> None:
  """Raises UserError for an option that is set and not read.

  Args:
    rules: of the recipe.
    config: the resolved configuration, which decides what is read.
    given: the configuration before it was resolved, as the user set it.
    recipe: (sweep) -> configuration in which nothing was changed.
    stored: the configuration of the run that is resumed, None for a new one.
  """
  try:
    unchanged = recipe(given.sweep)
  except KeyError:  # A sweep of a recipe of the user's own.
    unchanged = recipe()
  for rule in rules:
    if not rule.is_read(config):
      for option in rule.options:
        value, usual = _at(given, option), _at(unchanged, option)
        advice = "leave it out" if usual is None else f"leave it at {usual!r}"
        require(value in (None, usual, _at(stored or {}, option), *rule.neutral),
                f"{option}={value!r} has no effect here: it is for {rule.purpose}, {advice}")


def _at(config: Mapping[str, Any] | config_dict.ConfigDict, path: str) -> Any:
  """The value at a dotted path, a list as a tuple; None if there is none."""
  value = functools.reduce(lambda node, name: node.get(name) if hasattr(node, "get") else None,
                           path.split("."), config)
  return tuple(value) if isinstance(value, list) else value


def _common(is_in_files: Callable[[config_dict.ConfigDict], bool], files: str) -> tuple[Rule, ...]:
  """Rules of all recipes; `files` names what lies in `data.dir`, if anything does."""
  return (
      Rule(("data.dir",), is_in_files, files),
      Rule(("distributed.process_id",), lambda config: config.distributed.num_processes > 1,
           "distributed.num_processes above 1"),
      Rule(("best_model_eval_metric_higher_is_better",),
           lambda config: bool(config.best_model_eval_metric), "a best_model_eval_metric"))


def _optimiser(path: str) -> tuple[Rule, ...]:
  """Rules of one optimiser, see `population.optimisers`."""
  name = lambda config: _at(config, f"{path}.name")
  options = lambda *names: tuple(f"{path}.{each}" for each in names)
  return (
      Rule(options("b1", "b2", "eps"), lambda config: name(config) != "sgd", f"{path}.name=adam or adamw"),
      Rule(options("weight_decay"), lambda config: name(config) == "adamw", f"{path}.name=adamw", (0.0,)),
      Rule(options("momentum"), lambda config: name(config) == "sgd", f"{path}.name=sgd", (0.0,)))


def _has_target(config: config_dict.ConfigDict) -> bool:
  """Whether the speaker's loss has a divergence to its target."""
  return config.channel.kind != "sampled" or config.speaker_loss.kind == "reinforce"


def _is_ranked(config: config_dict.ConfigDict) -> bool:
  """Whether a teacher is chosen by its score."""
  return (config.imitation.interval > 0 and config.imitation.teacher != "random"
          and config.population.num_speakers > 1)


_IMAGE_SETS = "data that is read from files, not for a set that is part of the package"
LEWIS = (
    *_common(lambda config: {config.data.name, config.evaluation.transfer} & set(_IN_FILES),
             f"data.name={' or '.join(_IN_FILES)}"),
    *_optimiser("speaker_optimiser"), *_optimiser("listener_optimiser"),
    Rule(("speaker.torso.hidden_sizes", "speaker.torso.activate_final"),
         lambda config: config.speaker.torso.kind == "mlp", "speaker.torso.kind=mlp", (False,)),
    Rule(("speaker.torso.vocab_size", "speaker.torso.embed_dim"),
         lambda config: config.speaker.torso.kind == "discrete", "speaker.torso.kind=discrete"),
    Rule(("channel.temperature",), lambda config: config.channel.kind != "sampled",
         "channel.kind=gumbel_softmax or straight_through"),
    Rule(("speaker_loss.baseline", "listener_loss.reward"),
         lambda config: config.channel.kind == "sampled", "channel.kind=sampled, which has a reward"),
    Rule(("speaker_loss.kl",), _has_target, "speaker_loss.kind=reinforce or a relaxed channel", (0.0,)),
    Rule(("target_decay",), lambda config: _has_target(config) and config.speaker_loss.kl > 0,
         "a divergence to the target speaker, speaker_loss.kl above 0 and no policy_gradient"),
    Rule(("listener_loss.score", "listener_loss.temperature", "listener_loss.num_distractors",
          "listener_loss.cross_device"), lambda config: config.listener_loss.kind == "cpc",
         "listener_loss.kind=cpc"),
    Rule(("population.mapping",), lambda config: config.population.pairing != "sequential",
         "pairs that are computed together, population.pairing=matching or independent"),
    Rule(("imitation.self_imitation",), lambda config: config.population.num_speakers == 1,
         "population.num_speakers=1", (False,)),
    Rule(("imitation.num_students", "imitation.teacher", "imitation.self_imitation"),
         lambda config: config.imitation.interval > 0, "imitation, imitation.interval above 0"),
    Rule(("imitation.num_students", "imitation.teacher"),
         lambda config: config.population.num_speakers > 1, "population.num_speakers above 1"),
    Rule(("population.score.kind", "population.score.decay"), _is_ranked,
         "imitation of the best or worst of several speakers, imitation.interval above 0"),
    Rule(("population.score.decay",), lambda config: config.population.score.kind == "ema",
         "population.score.kind=ema"),
    Rule(("reset.kind", "reset.choice"), lambda config: config.reset.interval > 0,
         "replaced agents, reset.interval above 0"),
)
EASE_OF_LEARNING = (
    *_common(lambda config: {config.data.name, config.data.speakers_name} & set(_IN_FILES),
             f"data.name={' or '.join(_IN_FILES)}"),
    *_optimiser("listener_optimiser"),
    Rule(("listener_loss.score", "listener_loss.temperature", "listener_loss.num_distractors",
          "listener_loss.cross_device"), lambda config: config.task == "discrimination",
         "the task discrimination"),
    Rule(("listener.head.hidden_sizes",), lambda config: config.task != "reconstruction",
         "the tasks discrimination, classes and attributes"),
)
_FILES_OF_IMAGES = (
    *_common(lambda config: config.data.name not in _EMBEDDED_IMAGES, _IMAGE_SETS),
    Rule(("data.download",), lambda config: config.data.name not in _EMBEDDED_IMAGES, _IMAGE_SETS))
CONTINUAL = (
    *_FILES_OF_IMAGES,
    Rule(("network.hidden_sizes",), lambda config: config.network.kind == "mlp", "network.kind=mlp"),
    Rule(("network.width",), lambda config: config.network.kind != "mlp",
         "network.kind=resnet18 or gated_resnet"),
    Rule(("network.bottleneck_ratio", "network.policy_temperature"),
         lambda config: config.network.has_agents, "networks with agents"),
    Rule(("learner.average_filters",), lambda config: config.network.kind != "mlp",
         "networks with convolutions", (False,)),
    Rule(("inference.threshold",), lambda config: config.inference.mode == "threshold",
         "inference.mode=threshold"),
)
MASC = (
    *_FILES_OF_IMAGES,
    Rule(("groups.seed",), lambda config: config.groups.split == "seeded", "groups.split=seeded"),
    Rule(("collaboration.block",), lambda config: config.collaboration.kd_mode == "mid_feature",
         "collaboration.kd_mode=mid_feature"),
    Rule(("cache.num_views", "cache.teachers"), lambda config: config.cache.enabled,
         "cache.enabled=True", (False,)),
    Rule(("selection_epochs",), lambda config: config.selection == "validation", "selection=validation"),
    Rule(("warmup_epochs",), lambda config: config.schedule == "warmup_cosine", "schedule=warmup_cosine",
         (0,)),
    Rule(("anchor",), lambda config: config.alignment_weight > 0, "alignment_weight above 0"),
    Rule(("federated_steps",), lambda config: config.baselines, "baselines=True"),
)
