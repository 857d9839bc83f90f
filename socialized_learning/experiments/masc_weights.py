"""Networks that a society is given instead of training them, see `tools.import_torch`.

What is given must be enough for what is asked: for the test programs and the agents of
`config.evaluation`, and for every stage that is trained. Where it is, nothing else is trained.

Shapes: `N` agents, `M` of them whose network is given.
"""

from collections.abc import Mapping, Sequence
import os
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning.agents import vgg as vgg_lib
from socialized_learning.platform import weights
from socialized_learning.platform.errors import UserError
from socialized_learning.society import stages as stages_lib
from socialized_learning.society import training

PARTS = ("specialists", "student", "experts")
# The parts that each value of `evaluation.program` examines.
EXAMINED = {"all": PARTS, "teacher": ("specialists",), "masc": ("student", "experts")}


def folders(config: config_dict.ConfigDict, part: str) -> dict[int, str]:
  """The folders given for a part of a resolved configuration by agent; that of the student is 0's."""
  named = [folder.strip() for folder in config.weights[part].split(",")]
  wanted = _number(config, part)
  if len(named) > wanted:  # A comma too many at the end.
    named = [folder for folder in named if folder]
  return {agent: os.path.expanduser(folder) for agent, folder in enumerate(named) if folder}


def given(config: config_dict.ConfigDict) -> frozenset[str]:
  """The parts that need no training."""
  return frozenset(part for part in PARTS if folders(config, part))


def agents(config: config_dict.ConfigDict, part: str) -> np.ndarray:
  """The agents whose networks a part holds: those given, or all N if it is trained; [M], ascending."""
  found = sorted(folders(config, part)) if part in PARTS else []
  return np.array(found or range(config.groups.num_agents))


def resolved(config: config_dict.ConfigDict, stored: Mapping[str, Any] | None
            ) -> config_dict.ConfigDict:
  """The configuration with each folder at its agent's place, and whether anything is to be trained.

  Args:
    config: with everything else resolved.
    stored: config.json of the run that is resumed or evaluated, None for a new run. What it has
      decided stays: another test of the same run must not change what is trained.

  Raises:
    UserError: numbers of folders that fit no society, or parts that do not go together.
  """
  for part in PARTS:
    config.weights[part] = _placed(config, part)
  _check_combination(config)
  if config.train is None:
    is_same = stored is not None and stored.get("weights") == config.weights.to_dict()
    config.train = stored.get("train", True) if is_same else bool(_not_given(config))
  if config.baselines is None:
    config.baselines = config.train
  return config


def _number(config: config_dict.ConfigDict, part: str) -> int:
  return 1 if part == "student" else config.groups.num_agents


def _placed(config: config_dict.ConfigDict, part: str) -> str:
  """The folders of a part with commas between the agents: `,B` is that of agent 1 alone."""
  places = [folder.strip() for folder in config.weights[part].split(",")]
  named = [folder for folder in places if folder]
  wanted, agent = _number(config, part), config.evaluation.agent
  if len(named) in (0, wanted) or len(places) == wanted:
    return config.weights[part] if named else ""
  if len(named) == 1 and agent != -1:
    return "," * agent + named[0] + "," * (wanted - 1 - agent)
  hint = ", or name the agent whose it is with evaluation.agent" if len(named) == 1 else ""
  raise UserError(f"weights.{part} names {len(named)} folders, and {wanted} are needed: separate them "
                  f"by commas{hint}")


def _check_combination(config: config_dict.ConfigDict) -> None:
  if "experts" in given(config) and "student" not in given(config):
    raise UserError("weights.experts without weights.student: a grown agent answers through a gate "
                    "between the two, give weights.student too")
  if config.rounds > 1 and given(config) - {"specialists"}:
    raise UserError(f"rounds={config.rounds} with a given student: use rounds=1")
  if config.altruism.init == "owner_head" and "student" in given(config):
    raise UserError("altruism.init='owner_head' with a given student, which has no such heads: use "
                    "fresh or student")


def _not_given(config: config_dict.ConfigDict) -> list[tuple[str, int]]:
  """What the programs asked for examine and nobody has given, as (part, agent)."""
  asked = config.evaluation.agent
  everyone = range(config.groups.num_agents) if asked == -1 else [asked]
  return [(part, agent) for part in EXAMINED[config.evaluation.program]
          for agent in ([0] if part == "student" else everyone)
          if agent not in folders(config, part)]


def check_complete(config: config_dict.ConfigDict, stages: Sequence[stages_lib.Stage]) -> None:
  """Raises UserError if a network is asked for that is neither given nor trained.

  Args:
    config: resolved.
    stages: what is trained.
  """
  trained = {stage.part for stage in stages}
  program = config.evaluation.program
  for part, agent in _not_given(config):
    if part not in trained:
      whose = "the student" if part == "student" else f"one of the {part}, that of agent {agent}"
      raise UserError(f"evaluation.program={program!r} examines {whose}, which is neither given nor "
                      f"trained: give it with weights.{part}, or ask for another program or agent")
  for stage in stages:
    if stage.kind == stages_lib.ALONE or "specialists" in trained:
      continue
    if absent := sorted(set(range(config.groups.num_agents)) - set(folders(config, "specialists"))):
      raise UserError(
          f"{stage.name} is to be trained and learns from all specialists, and weights.specialists has "
          f"none of agent {absent[0]}: give all {config.groups.num_agents}, or give what "
          "evaluation.program examines and train nothing")


def load(config: config_dict.ConfigDict, design: training.Design, images: jax.ShapeDtypeStruct
        ) -> dict[str, tuple[Any, Any]]:
  """The given networks by part, as `training.init` takes them: (parameters, statistics).

  Raises:
    UserError: weights that are missing, damaged, not finite or of another network.
  """
  found = {}
  for part in sorted(given(config)):
    shapes = vgg_lib.shapes(_vgg(design, part), images)
    found[part] = _joined(part, [weights.load_weights(folder, shapes) for _, folder in sorted(
        folders(config, part).items())])
  return found


def shapes(config: config_dict.ConfigDict, design: training.Design, images: jax.ShapeDtypeStruct
          ) -> dict[str, tuple[Any, Any]]:
  """The shapes of what `load` gives; no folder is read."""

  def empty(part):
    one = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype),
                       vgg_lib.shapes(_vgg(design, part), images))
    return _joined(part, [one] * len(folders(config, part)))

  return jax.eval_shape(lambda: {part: empty(part) for part in sorted(given(config))})


def _vgg(design: training.Design, part: str) -> vgg_lib.Vgg:
  return design.narrow if part == "specialists" else design.wide


def _joined(part: str, nets: Sequence[vgg_lib.VggNet]) -> tuple[Any, Any]:
  """The network of a student; those of agents with a leading axis [M], each with its backbone."""
  made = [({"backbone": net.backbone.params, "head": net.head}, net.backbone.stats) for net in nets]
  return made[0] if part == "student" else jax.tree.map(lambda *xs: jnp.stack(xs), *made)
