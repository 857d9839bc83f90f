"""What can be wrong with a Lewis game's configuration, said before anything is built."""

from collections.abc import Iterable, Mapping

from emcom_datasets import Split
import jax
from ml_collections import config_dict
import numpy as np

from socialized_learning.agents import cores
from socialized_learning.agents import heads
from socialized_learning.agents import torsos
from socialized_learning.experiments import checks
from socialized_learning.experiments.checks import require
from socialized_learning.games import lewis
from socialized_learning.games import listener_losses
from socialized_learning.games import speaker_losses
from socialized_learning.population import imitation
from socialized_learning.population import mapping
from socialized_learning.population import pairing
from socialized_learning.population import reset
from socialized_learning.population import stack

# By what the best checkpoint may be chosen, and whether more of it is better; "" is for keeping none.
BEST_BY = {"valid/accuracy": True, "valid/accuracy_vote": True, "valid/loss": False,
           "valid/topographic_similarity": True, "": True}

_AT_LEAST_1 = (
    "message.length", "message.vocab_size", "speaker.torso.vocab_size", "speaker.torso.embed_dim",
    "speaker.core.hidden_size", "speaker.embed_dim", "speaker.unroll", "listener.core.hidden_size",
    "listener.embed_dim", "listener.unroll",
    "population.num_speakers", "population.num_listeners", "population.num_pairs",
    "imitation.num_students", "evaluation.num_epochs", "evaluation.max_num_agents")
_AT_LEAST_0 = (
    "data.noise", "speaker_loss.entropy", "speaker_loss.kl", "speaker_loss.length_cost",
    "imitation.interval", "reset.interval",
    "evaluation.interval", "evaluation.num_messages", "evaluation.robustness_noise")


def check_config(config: config_dict.ConfigDict) -> None:
  """Raises UserError for values that no Lewis game can have, whatever the data."""
  _check_choices(config)
  require(config.message.vocab_size >= 2,
          f"message.vocab_size={config.message.vocab_size}: a vocabulary needs at least 2 symbols")
  _check_numbers(config)
  checks.check_run(config)
  _check_population(config)
  _check_losses(config)


def _check_numbers(config: config_dict.ConfigDict) -> None:
  checks.check_at_least_1(config, _AT_LEAST_1)
  checks.check_not_negative(config, _AT_LEAST_0)
  checks.check_shares(config, ("target_decay", "population.score.decay"))
  score = config.population.score
  require(score.kind != "ema" or np.float32(score.decay) < 1,
          f"population.score.decay={score.decay}: such an average stays at 0, use less than 1")
  for agent in ("speaker", "listener"):
    checks.check_optimiser(config, f"{agent}_optimiser")
  checks.check_layers(config, ("speaker.torso.hidden_sizes", "listener.head.hidden_sizes"))


def _check_choices(config: config_dict.ConfigDict) -> None:
  choices: Mapping[str, Iterable[str]] = {
      "speaker.torso.kind": torsos.TORSOS,
      "speaker.core.kind": cores.CORES,
      "speaker.head": heads.SPEAKER_HEADS,
      "listener.core.kind": cores.CORES,
      "listener.head.kind": heads.LISTENER_HEADS,
      "speaker_loss.kind": speaker_losses.SPEAKER_LOSSES,
      "listener_loss.kind": listener_losses.LISTENER_LOSSES,
      "channel.kind": lewis.CHANNELS,
      "listener_loss.reward": listener_losses.REWARDS,
      "listener_loss.score": listener_losses.SCORES,
      "population.pairing": pairing.PAIRINGS,
      "population.mapping": mapping.MAPPINGS,
      "population.score.kind": stack.SCORES,
      "imitation.teacher": imitation.TEACHERS,
      "reset.kind": reset.KINDS,
      "reset.choice": reset.CHOICES,
      "evaluation.checkpoint": ("latest", "best"),
      "evaluation.similarity_over": ("inputs", "attributes"),
      "best_model_eval_metric": BEST_BY,
  }
  checks.check_choices(config, choices)
  require(not (config.evaluation.checkpoint == "best" and not config.best_model_eval_metric),
          "evaluation.checkpoint='best', but best_model_eval_metric names no metric: choose one of "
          f"{', '.join(filter(None, BEST_BY))}")


def _check_population(config: config_dict.ConfigDict) -> None:
  population, imitation_ = config.population, config.imitation
  most = max(population.num_speakers, population.num_listeners)
  require(population.num_pairs <= most,
          f"population.num_pairs={population.num_pairs} is too large for {population.num_speakers} "
          f"speakers and {population.num_listeners} listeners: use at most {most}")
  alone = imitation_.self_imitation and population.num_speakers == 1
  require(not imitation_.interval or alone or imitation_.num_students < population.num_speakers,
          f"imitation.num_students={imitation_.num_students} and a teacher are more than the "
          f"{population.num_speakers} speakers: use fewer students, more speakers, or for a single "
          "one imitation.self_imitation=True")


def _check_losses(config: config_dict.ConfigDict) -> None:
  loss, head = config.listener_loss, config.listener.head
  needed = listener_losses.LISTENER_LOSSES[loss.kind]
  require(head.kind == needed, f"listener_loss.kind={loss.kind!r} reads a listener.head.kind of "
          f"{needed!r}, not {head.kind!r}")
  require(loss.kind != "classification" or len(loss.questions) > 0,
          "listener_loss.questions is empty: name the labels the listener is asked for")
  require(len(set(loss.questions)) == len(loss.questions),
          f"listener_loss.questions={tuple(loss.questions)}: name each label once")
  require(loss.kind == "classification" or not loss.questions,
          f"listener_loss.questions={tuple(loss.questions)} is for listener_loss.kind=classification, "
          f"not {loss.kind!r}: leave it empty")
  require(head.kind != "cpc" or len(head.hidden_sizes) > 0,
          "listener.head.hidden_sizes is empty: the cpc head needs at least the projection's width")
  checks.check_positive(config, ("listener_loss.temperature",))
  check_distractors(config)
  _check_channel(config)
  require(config.speaker.head != "policy" or config.channel.kind != "sampled" or
          (config.speaker_loss.kind == "reinforce" and not config.speaker_loss.baseline),
          "speaker.head='policy' has no value: choose another head, or "
          "speaker_loss.kind=reinforce with speaker_loss.baseline=False")


def check_distractors(config: config_dict.ConfigDict) -> None:
  """Raises UserError unless a game of the batch has the candidates that it asks for."""
  loss = config.listener_loss
  num_devices = 1 if loss.cross_device else jax.device_count()
  others = config.batch_size // num_devices - 1
  require(loss.kind != "cpc" or others >= 1,
          f"batch_size={config.batch_size} leaves a game with one candidate: use at least "
          f"{2 * num_devices}")
  require(loss.num_distractors == -1 or 1 <= loss.num_distractors <= others,
          f"listener_loss.num_distractors={loss.num_distractors}: from 1 to {others}, the others of a "
          "batch, or -1 for all of them")


def _check_channel(config: config_dict.ConfigDict) -> None:
  channel, loss = config.channel, config.speaker_loss
  checks.check_positive(config, ("channel.temperature",))
  require(loss.kind == "reinforce" or loss.baseline, "speaker_loss.baseline=False is for "
          f"speaker_loss.kind=reinforce: {loss.kind!r} always has one")
  require(channel.kind == "sampled" or loss.kind == "reinforce",
          f"speaker_loss.kind={loss.kind!r} is for channel.kind='sampled': a relaxed speaker learns "
          "by the listener's gradient, leave speaker_loss.kind as it is")
  require(not loss.length_cost or config.message.variable_length,
          f"speaker_loss.length_cost={loss.length_cost}, but all messages have one length: use "
          "message.variable_length=True")


def check_data(config: config_dict.ConfigDict, splits: Mapping[str, Split]) -> None:
  """Raises UserError where the configuration asks the data for what it does not have."""
  train = splits["train"]
  require(config.batch_size <= len(train), f"batch_size={config.batch_size} is more than the "
          f"{len(train)} items of the train split of {train.name}: use at most {len(train)}")
  if config.speaker.torso.kind == "discrete":
    some = train.take(np.arange(min(len(train), 64))).inputs
    require(bool(np.isin(some, np.arange(config.speaker.torso.vocab_size)).all()),
            "speaker.torso.kind='discrete' reads whole numbers below speaker.torso.vocab_size="
            f"{config.speaker.torso.vocab_size}, the inputs of {train.name} are others: choose "
            "identity or mlp")
  for name in config.listener_loss.questions:
    require(name in train.num_classes, f"listener_loss.questions names {name!r}, which "
            f"{train.name} does not have: it has {', '.join(train.num_classes) or 'no labels'}")
  require(config.evaluation.similarity_over == "inputs" or len(train.attribute_names) > 0,
          f"evaluation.similarity_over='attributes', but {train.name} has none: use 'inputs'")
  for name, split in splits.items():
    if name != "train":
      require(2 <= config.evaluation.num_candidates <= len(split),
              f"evaluation.num_candidates={config.evaluation.num_candidates}: the {split.split} split "
              f"of {split.name} has {len(split)} items, use 2 to {len(split)}")
  if "transfer" in splits:
    require(config.listener_loss.kind == "cpc", "evaluation.transfer needs listeners that recognise "
            "inputs, not labels: use listener_loss.kind=cpc, or no transfer")
    require(config.evaluation.similarity_over == "inputs" or splits["transfer"].attribute_names,
            f"evaluation.similarity_over='attributes', but {splits['transfer'].name} has none: use "
            "'inputs'")
  require(config.evaluation.similarity_items >= 3, "evaluation.similarity_items="
          f"{config.evaluation.similarity_items}: topographic similarity needs at least 3 items")
