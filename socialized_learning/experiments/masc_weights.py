"""Networks that a society is given instead of training them, see `tools.import_torch`.

Shapes: `N` agents.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning.agents.vgg import Vgg
from socialized_learning.agents.vgg import VggNet
from socialized_learning.platform import weights
from socialized_learning.platform.errors import UserError
from socialized_learning.society import training
from socialized_learning.society.pupils import Pupil

PARTS = ("specialists", "student", "experts")


def folders(config: config_dict.ConfigDict, part: str) -> tuple[str, ...]:
  """The folders given for a part: those of the agents, or one; none if it is to be trained."""
  return tuple(folder.strip() for folder in config.weights[part].split(",") if folder.strip())


def given(config: config_dict.ConfigDict) -> frozenset[str]:
  """The parts that need no training."""
  return frozenset(part for part in PARTS if folders(config, part))


def check(config: config_dict.ConfigDict) -> None:
  """Raises UserError for numbers of folders that fit no society, whatever is in them."""
  num_agents = config.groups.num_agents
  for part in given(config):
    number, wanted = len(folders(config, part)), 1 if part == "student" else num_agents
    if number != wanted:
      raise UserError(f"weights.{part} names {number} folders, and {wanted} are needed: separate them "
                      "by commas")
  if "experts" in given(config) and "student" not in given(config):
    raise UserError("weights.experts grew on a student's backbone: give weights.student too")
  if config.rounds > 1 and given(config) - {"specialists"}:
    raise UserError(f"rounds={config.rounds} with a given student: use rounds=1")
  if config.altruism.init == "owner_head" and "student" in given(config):
    raise UserError("altruism.init='owner_head' with a given student, which has no such heads: use "
                    "fresh or student")


def check_networks(config: config_dict.ConfigDict, design: training.Design,
                   images: jax.ShapeDtypeStruct) -> None:
  """Raises UserError for what `load` would, before anything is built."""
  for part in given(config):
    _read_part(config, design, part, images)


def load(config: config_dict.ConfigDict, design: training.Design, state: training.TrainState,
         images: jax.ShapeDtypeStruct) -> training.TrainState:
  """Puts the given networks into the state.

  Raises:
    UserError: weights that are missing, damaged or of another network, or an expert whose backbone is
      not the student's.
  """
  parts = dict(state.parts)
  for part in given(config):
    nets = _read_part(config, design, part, images)
    if part == "experts":
      params, stats = {"head": _stacked([net.head for net in nets])}, {}
    elif part == "specialists":
      params = _stacked([{"backbone": net.backbone.params, "head": net.head} for net in nets])
      stats = _stacked([net.backbone.stats for net in nets])
    else:
      params = {"backbone": nets[0].backbone.params, "head": nets[0].head,
                "helpers": parts[part].params["helpers"]}
      stats = nets[0].backbone.stats
    parts[part] = Pupil(params, stats, parts[part].momentum)
  return state._replace(parts=parts)


def _read_part(config: config_dict.ConfigDict, design: training.Design, part: str,
               images: jax.ShapeDtypeStruct) -> list[VggNet]:
  """The networks of a part, those of experts with the student's backbone."""
  vgg = design.narrow if part == "specialists" else design.wide
  nets = [_read(folder, vgg, images) for folder in folders(config, part)]
  if part == "experts":
    student = _read(*folders(config, "student"), design.wide, images)
    for folder, net in zip(folders(config, part), nets, strict=True):
      _check_backbone(folder, net, student)
  return nets


def _read(folder: str, vgg: Vgg, images: jax.ShapeDtypeStruct) -> VggNet:
  key = jax.random.PRNGKey(0)
  template = jax.eval_shape(lambda: VggNet(
      vgg.init_backbone(key, jnp.zeros(images.shape, images.dtype)), vgg.init_head(key)))
  return weights.load_weights(folder, template)


def _check_backbone(folder: str, net: VggNet, student: VggNet) -> None:
  same = jax.tree.map(np.array_equal, net.backbone, student.backbone)
  if not all(jax.tree.leaves(same)):
    raise UserError(f"{folder}: its backbone is not that of weights.student, on which a grown agent "
                    "is a head")


def _stacked(trees: Sequence[Any]) -> Any:
  return jax.tree.map(lambda *xs: np.stack(xs), *trees)
