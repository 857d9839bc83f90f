"""Methods of continual learning, one file each, as pure functions of a state.

`make` builds one by its name. Adding a method touches its file, its golden test, this dictionary and
a preset.
"""

import chex
from ml_collections import config_dict

from socialized_learning.agents.classifiers import Classifier
from socialized_learning.learners import agem
from socialized_learning.learners import clser
from socialized_learning.learners import derpp
from socialized_learning.learners import dynamos
from socialized_learning.learners import dynamos_sgd
from socialized_learning.learners import er
from socialized_learning.learners import ewc_on
from socialized_learning.learners import lwf
from socialized_learning.learners import mean_er
from socialized_learning.learners import multi_scale
from socialized_learning.learners import sgd
from socialized_learning.learners import si
from socialized_learning.learners import synergy
from socialized_learning.learners.types import Batch
from socialized_learning.learners.types import Learner
from socialized_learning.learners.types import Probe
from socialized_learning.learners.types import Task
from socialized_learning.learners.types import World

LEARNERS = {
    "agem": agem.make,
    "agem_r": agem.make_with_reservoir,
    "clser": clser.make,
    "der": derpp.make_der,
    "derpp": derpp.make,
    "dynamos": dynamos.make,
    "dynamos_sgd": dynamos_sgd.make,
    "er": er.make,
    "ewc_on": ewc_on.make,
    "joint": sgd.make,  # On a plan that is the union of all tasks.
    "lwf": lwf.make,
    "mean_er": mean_er.make,
    "multi_scale": multi_scale.make,
    "sgd": sgd.make,
    "si": si.make,
    "synergy": synergy.make,
}

__all__ = ("Batch", "LEARNERS", "Learner", "Probe", "Task", "World", "make")


def make(name: str, classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> Learner:
  """Builds the learner called `name`.

  Args:
    name: one of `LEARNERS`.
    classifier: the kind of network.
    config: the method's values; which ones is said where it is made.
    images: [1, H, W, C], of the shape that the network reads.
    num_outputs: of the network.
    axis_name: the devices' axis, over which losses and gradients are averaged; None for none.
  """
  return LEARNERS[name](classifier, config, images=images, num_outputs=num_outputs,
                        axis_name=axis_name)
