"""Options that have no effect given the others are refused, for every recipe."""

import re

import pytest

from socialized_learning.configs import continual_config
from socialized_learning.configs import ease_of_learning_config
from socialized_learning.configs import lewis_config
from socialized_learning.configs import masc_config
from socialized_learning.experiments import masc_checks
from socialized_learning.experiments import unread
from socialized_learning.platform import option_hints
from socialized_learning.platform import run_folder
from socialized_learning.platform.errors import UserError


def _ease_of_learning(task):
  """A recipe with what a Lewis run decides about its data."""
  config = ease_of_learning_config.get_config(task)
  with config.unlocked():
    config.data.update(name="emoji", speakers_name="emoji")
  return config


_RECIPES = {
    "lewis": (unread.LEWIS, lewis_config.get_config, lambda config: config),
    "ease": (unread.EASE_OF_LEARNING, _ease_of_learning, lambda config: config),
    "continual": (unread.CONTINUAL, continual_config.get_config, lambda config: config),
    "masc": (unread.MASC, masc_config.get_config, masc_checks.resolved),
}


def _check(recipe, sweep, options=None, stored=None):
  rules, make, resolve = _RECIPES[recipe]
  config = make(sweep)
  config.update_from_flattened_dict(options or {})
  unread.check(rules, resolve(config), given=config, recipe=make, stored=stored)


_SWEEPS = [
    *(("lewis", sweep) for sweep in lewis_config.SWEEPS),
    *(("ease", task) for task in ease_of_learning_config.TASKS),
    *(("masc", sweep) for sweep in masc_config.SWEEPS),
    *(("continual", sweep) for sweep in (
        "er,rot-mnist5k,200", "dynamos,seq-mnist,500", "synergy,seq-cifar10,200", "ewc_on,rot-mnist5k"))]


@pytest.mark.parametrize("recipe, sweep", _SWEEPS)
def test_recipes_as_they_are(recipe, sweep):
  _check(recipe, sweep)


# Recipe, sweep, options that are set -> the one that is refused, and what it is for.
_REFUSED = [
    ("lewis", "emoji", {"imitation.self_imitation": True, "imitation.interval": 5},
     "imitation.self_imitation=True", "num_speakers=1"),
    ("lewis", "emoji", {"speaker_loss.kind": "policy_gradient", "speaker_loss.kl": 0.5},
     "speaker_loss.kl=0.5", "reinforce"),
    ("lewis", "emoji", {"speaker_loss.kl": 0.0, "target_decay": 0.9}, "target_decay=0.9", "speaker_loss.kl"),
    ("lewis", "emoji", {"imitation.teacher": "worst"}, "imitation.teacher='worst'", "imitation.interval"),
    ("lewis", "emoji", {"population.score.kind": "mean"}, "population.score.kind='mean'", "imitation"),
    ("lewis", "emoji", {"imitation.interval": 5, "imitation.teacher": "random",
                        "population.score.decay": 0.5}, "population.score.decay=0.5", "best or worst"),
    ("lewis", "emoji", {"reset.choice": "oldest"}, "reset.choice='oldest'", "reset.interval above 0"),
    ("lewis", "emoji", {"speaker.torso.hidden_sizes": (8,)}, "speaker.torso.hidden_sizes=(8,)", "kind=mlp"),
    ("lewis", "mnist", {"speaker.torso.embed_dim": 3}, "speaker.torso.embed_dim=3", "kind=discrete"),
    ("lewis", "emoji", {"channel.temperature": 0.5}, "channel.temperature=0.5", "gumbel_softmax"),
    ("lewis", "emoji", {"channel.kind": "gumbel_softmax", "listener_loss.reward": "log_prob"},
     "listener_loss.reward='log_prob'", "channel.kind=sampled"),
    ("lewis", "emoji_attributes", {"listener_loss.temperature": 0.5}, "listener_loss.temperature=0.5", "cpc"),
    ("lewis", "emoji", {"population.pairing": "sequential", "population.mapping": "vmap"},
     "population.mapping='vmap'", "matching or independent"),
    ("lewis", "emoji", {"speaker_optimiser.weight_decay": 0.1}, "speaker_optimiser.weight_decay=0.1", "adamw"),
    ("lewis", "emoji", {"listener_optimiser.name": "sgd", "listener_optimiser.b1": 0.5},
     "listener_optimiser.b1=0.5", "adam or adamw"),
    ("lewis", "emoji", {"data.dir": "/nope"}, "data.dir='/nope'", "byol_imagenet2012 or byol_celeb_a2"),
    ("lewis", "emoji", {"distributed.process_id": 1}, "distributed.process_id=1", "num_processes above 1"),
    ("ease", "classes", {"listener_loss.num_distractors": 3}, "listener_loss.num_distractors=3",
     "task discrimination"),
    ("ease", "reconstruction", {"listener.head.hidden_sizes": (3,)}, "listener.head.hidden_sizes=(3,)",
     "classes"),
    ("ease", "discrimination", {"data.dir": "/nope"}, "data.dir='/nope'", "byol_"),
    ("continual", "er,rot-mnist5k,200", {"data.dir": "/nope"}, "data.dir='/nope'", "part of the package"),
    ("continual", "er,rot-mnist5k,200", {"data.download": True}, "data.download=True", "part of the package"),
    ("continual", "er,rot-mnist5k,200", {"network.width": 3}, "network.width=3", "resnet18"),
    ("continual", "er,seq-cifar10,200", {"network.hidden_sizes": (3,)}, "network.hidden_sizes=(3,)", "mlp"),
    ("continual", "dynamos,seq-mnist,500", {"inference.mode": "sample", "inference.threshold": 0.3},
     "inference.threshold=0.3", "mode=threshold"),
    ("masc", "mnist5k", {"groups.seed": 3}, "groups.seed=3", "split=seeded"),
    ("masc", "mnist5k", {"collaboration.block": 2}, "collaboration.block=2", "mid_feature"),
    ("masc", "mnist5k", {"cache.enabled": False, "cache.num_views": 2}, "cache.num_views=2", "cache.enabled"),
    ("masc", "mnist5k", {"fidelity": "paper", "selection_epochs": 9}, "selection_epochs=9", "validation"),
    ("masc", "mnist5k", {"baselines": False, "federated_steps": 3}, "federated_steps=3", "baselines=True"),
    ("masc", "mnist5k", {"alignment_weight": 0.0, "anchor": -5.0}, "anchor=-5.0", "alignment_weight"),
]


@pytest.mark.parametrize("recipe, sweep, options, refused, purpose", _REFUSED)
def test_what_nothing_reads(recipe, sweep, options, refused, purpose):
  with pytest.raises(UserError, match=f"^{re.escape(refused)} has no effect here: .*{re.escape(purpose)}"):
    _check(recipe, sweep, options)


@pytest.mark.parametrize("recipe, sweep, options", [
    ("lewis", "emoji", {"imitation.self_imitation": True, "imitation.interval": 5,
                        "population.num_speakers": 1}),
    ("lewis", "emoji", {"speaker_loss.kind": "policy_gradient"}),
    ("lewis", "emoji", {"speaker_loss.kind": "policy_gradient", "speaker_loss.kl": 0.0}),
    ("lewis", "emoji", {"channel.kind": "gumbel_softmax", "channel.temperature": 0.5}),
    ("lewis", "emoji", {"evaluation.transfer": "byol_celeb_a2", "data.dir": "/data"}),
    ("continual", "er,rot-mnist,200", {"data.dir": "/data"}),
    ("masc", "cifar10", {"groups.split": "seeded", "groups.seed": 3}),
])
def test_what_is_read_or_asks_for_nothing(recipe, sweep, options):
  _check(recipe, sweep, options)


def test_a_run_that_was_started_with_it_is_resumed():
  stored = run_folder.to_json(lewis_config.get_config("emoji"))
  stored["speaker"]["torso"]["hidden_sizes"] = [8]
  _check("lewis", "emoji", {"speaker.torso.hidden_sizes": (8,)}, stored)
  with pytest.raises(UserError, match="hidden_sizes"):
    _check("lewis", "emoji", {"speaker.torso.hidden_sizes": (9,)}, stored)


def test_sweeps_of_a_users_own_recipe_are_compared_with_the_default():
  config = lewis_config.get_config("emoji")
  config.update_from_flattened_dict({"sweep": "mine"})
  check = lambda: unread.check(unread.LEWIS, config, given=config, recipe=lewis_config.get_config, stored=None)
  check()
  config.reset.kind = "speaker"
  with pytest.raises(UserError, match="reset.kind"):
    check()


@pytest.mark.parametrize("recipe", _RECIPES)
def test_rules_name_options_that_there_are(recipe):
  rules, make, _ = _RECIPES[recipe]
  sweep = next(sweep for name, sweep in reversed(_SWEEPS) if name == recipe)
  named = {option for rule in rules for option in rule.options}
  assert named <= set(option_hints.options_of(make(sweep)))
