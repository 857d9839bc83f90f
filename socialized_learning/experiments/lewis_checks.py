"""What can be wrong with a Lewis game's configuration, said before anything is built."""

from collections.abc import Iterable, Mapping

from emcom_datasets import Split
import jax
from ml_collections import config_dict

from socialized_learning.agents import cores
from socialized_learning.agents import heads
from socialized_learning.agents import torsos
from socialized_learning.games import listener_losses
from socialized_learning.games import speaker_losses
from socialized_learning.platform.errors import UserError
from socialized_learning.population import collaboration
from socialized_learning.population import imitation
from socialized_learning.population import optimisers
from socialized_learning.population import pairing
from socialized_learning.population import stack


def require(condition: bool, message: str) -> None:
  """Raises UserError with `message` unless `condition`."""
  if not condition:
    raise UserError(message)


def check_config(config: config_dict.ConfigDict) -> None:
  """Raises UserError for values that no Lewis game can have, whatever the data."""
  _check_choices(config)
  require(config.message.vocab_size >= 2,
          f"message.vocab_size={config.message.vocab_size}: a vocabulary needs at least 2 symbols")
  require(config.message.length >= 1,
          f"message.length={config.message.length}: a message needs at least 1 symbol")
  for key in ("training_steps", "batch_size", "updates_per_call", "log_train_data_interval",
              "save_checkpoint_interval", "max_checkpoints_to_keep"):
    require(config[key] >= 1, f"{key}={config[key]}: must be at least 1")
  require(config.interval_type == "steps",
          f"interval_type={config.interval_type!r}: intervals are counted in 'steps'")
  _check_population(config.population)
  _check_losses(config)
  num_devices = jax.device_count()
  require(config.batch_size % num_devices == 0,
          f"batch_size={config.batch_size} is not divisible by {num_devices} devices: use "
          f"{-(-config.batch_size // num_devices) * num_devices}, or fewer devices")
  require(config.imitation.interval == 0 or config.imitation.self_imitation
          or config.imitation.num_students < config.population.num_speakers,
          f"imitation.num_students={config.imitation.num_students} and a teacher are more than the "
          f"{config.population.num_speakers} speakers: use fewer students, or more speakers")


def _check_choices(config: config_dict.ConfigDict) -> None:
  choices: Mapping[str, Iterable[str]] = {
      "speaker.torso.kind": torsos.TORSOS,
      "speaker.core.kind": cores.CORES,
      "speaker.head": heads.SPEAKER_HEADS,
      "listener.core.kind": cores.CORES,
      "listener.head.kind": heads.LISTENER_HEADS,
      "speaker_loss.kind": speaker_losses.SPEAKER_LOSSES,
      "listener_loss.kind": listener_losses.LISTENER_LOSSES,
      "listener_loss.reward": listener_losses.REWARDS,
      "listener_loss.score": listener_losses.SCORES,
      "speaker_optimiser.name": optimisers.OPTIMISERS,
      "listener_optimiser.name": optimisers.OPTIMISERS,
      "population.pairing": pairing.PAIRINGS,
      "population.mapping": collaboration.MAPPINGS,
      "population.score.kind": stack.SCORES,
      "imitation.teacher": imitation.TEACHERS,
      "evaluation.checkpoint": ("latest", "best"),
      "evaluation.similarity_over": ("inputs", "attributes"),
  }
  for path, known in choices.items():
    value = config
    for part in path.split("."):
      value = value[part]
    require(value in known, f"{path}={value!r}: choose one of {', '.join(known)}")


def _check_population(population: config_dict.ConfigDict) -> None:
  for key in ("num_speakers", "num_listeners", "num_pairs"):
    require(population[key] >= 1, f"population.{key}={population[key]}: must be at least 1")
  most = max(population.num_speakers, population.num_listeners)
  require(population.num_pairs <= most,
          f"population.num_pairs={population.num_pairs} is too large for {population.num_speakers} "
          f"speakers and {population.num_listeners} listeners: use at most {most}")


def _check_losses(config: config_dict.ConfigDict) -> None:
  loss, head = config.listener_loss, config.listener.head
  needed = listener_losses.LISTENER_LOSSES[loss.kind]
  require(head.kind == needed, f"listener_loss.kind={loss.kind!r} reads a listener.head.kind of "
          f"{needed!r}, not {head.kind!r}")
  require(loss.kind != "classification" or len(loss.questions) > 0,
          "listener_loss.questions is empty: name the labels the listener is asked for")
  require(head.kind != "cpc" or len(head.hidden_sizes) > 0,
          "listener.head.hidden_sizes is empty: the cpc head needs at least the projection's width")
  require(loss.temperature > 0, f"listener_loss.temperature={loss.temperature}: must be positive")
  require(loss.num_distractors >= 1 or loss.num_distractors == -1,
          f"listener_loss.num_distractors={loss.num_distractors}: at least 1, or -1 for the batch")
  require(config.speaker.head != "policy" or
          (config.speaker_loss.kind == "reinforce" and not config.speaker_loss.baseline),
          "speaker.head='policy' has no value: choose another head, or "
          "speaker_loss.kind=reinforce with speaker_loss.baseline=False")


def check_data(config: config_dict.ConfigDict, splits: Mapping[str, Split]) -> None:
  """Raises UserError where the configuration asks the data for what it does not have."""
  train = splits["train"]
  for name in config.listener_loss.questions:
    require(name in train.num_classes, f"listener_loss.questions names {name!r}, which "
            f"{train.name} does not have: it has {', '.join(train.num_classes) or 'no labels'}")
  require(config.evaluation.similarity_over == "inputs" or len(train.attribute_names) > 0,
          f"evaluation.similarity_over='attributes', but {train.name} has none: use 'inputs'")
  for name, split in splits.items():
    if name != "train":
      require(2 <= config.evaluation.num_candidates <= len(split),
              f"evaluation.num_candidates={config.evaluation.num_candidates}: the {name} split of "
              f"{split.name} has {len(split)} items, use 2 to {len(split)}")
  require(config.evaluation.similarity_items >= 3, "evaluation.similarity_items="
          f"{config.evaluation.similarity_items}: topographic similarity needs at least 3 items")
