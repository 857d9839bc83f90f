"""What can be wrong with the lessons of newcomers, said before anything is built."""

from collections.abc import Callable, Mapping

from emcom_datasets import Split
from ml_collections import config_dict

from socialized_learning.agents import cores
from socialized_learning.configs import ease_of_learning_config
from socialized_learning.data import pictures
from socialized_learning.experiments import checks
from socialized_learning.experiments import lewis_checks
from socialized_learning.experiments.checks import require
from socialized_learning.games import listener_losses
from socialized_learning.population import mapping

_AT_LEAST_1 = ("num_listeners", "listener.core.hidden_size", "listener.embed_dim", "listener.unroll",
               "evaluation.num_epochs")
_NOT_NEGATIVE = ("data.noise", "evaluation.interval")


def with_task(config: config_dict.ConfigDict,
              load_splits: Callable[[config_dict.ConfigDict], Mapping[str, Split]]
             ) -> config_dict.ConfigDict:
  """The configuration with the head, the loss and the questions that its task needs.

  Raises:
    UserError: there is no such task, or the data set has nothing for it.
  """
  checks.check_choices(config, {"task": ease_of_learning_config.TASKS})
  require(config.task == config.sweep, f"task={config.task!r} in the recipe of {config.sweep!r}: name "
          f"it behind the recipe, :{config.task}, which has further values for it")
  split = load_splits(config)["train"]
  head, loss = ease_of_learning_config.TASKS[config.task]
  known = {"classes": split.label_names, "attributes": split.attribute_names,
           "reconstruction": (pictures.LABEL,), "discrimination": ()}[config.task]
  with config.unlocked():
    config.listener.head.kind = head
    config.listener_loss.kind = loss
    config.listener_loss.questions = tuple(config.listener_loss.questions) or tuple(known)
  for name in config.listener_loss.questions:
    require(name in known, f"listener_loss.questions names {name!r}: for the task {config.task!r} "
            f"{split.name} has {', '.join(known) or 'nothing to ask for'}")
  require(loss != "classification" or len(known) > 0,
          f"task={config.task!r}: {split.name} has no {config.task}, choose another task or data.name")
  return config


def check(config: config_dict.ConfigDict, splits: Mapping[str, Split]) -> None:
  """Raises UserError for a resolved configuration that cannot be run."""
  checks.check_choices(config, {
      "messages": ("greedy", "sampled"),
      "mapping": mapping.MAPPINGS,
      "listener.core.kind": cores.CORES,
      "listener_loss.score": listener_losses.SCORES,
      "evaluation.checkpoint": ("latest",),
      "best_model_eval_metric": ("",),
  })
  checks.check_at_least_1(config, _AT_LEAST_1)
  checks.check_not_negative(config, _NOT_NEGATIVE)
  checks.check_positive(config, ("listener_loss.temperature",))
  checks.check_optimiser(config, "listener_optimiser")
  checks.check_layers(config, ("listener.head.hidden_sizes",))
  checks.check_run(config)
  loss, train = config.listener_loss, splits["train"]
  require(loss.kind != "cpc" or len(config.listener.head.hidden_sizes) > 0,
          "listener.head.hidden_sizes is empty: the cpc head needs at least the projection's width")
  lewis_checks.check_distractors(config)
  require(config.batch_size <= len(train), f"batch_size={config.batch_size} is more than the "
          f"{len(train)} items of the train split of {train.name}: use at most {len(train)}")
  for name in ("valid", "test"):
    require(2 <= config.evaluation.num_candidates <= len(splits[name]),
            f"evaluation.num_candidates={config.evaluation.num_candidates}: the {name} split of "
            f"{train.name} has {len(splits[name])} items, use 2 to {len(splits[name])}")


def check_inputs(train: Split, speakers_train: Split) -> None:
  """Raises UserError unless the speakers can see the items of the split `train`."""
  require(train.input_shape == speakers_train.input_shape,
          f"data.name={train.name!r}: its inputs are {train.input_shape}, the speakers know those of "
          f"{speakers_train.name}, {speakers_train.input_shape}: name a set of the same input size")
