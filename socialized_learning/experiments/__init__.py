"""Experiments: one Jaxline experiment per family, chosen by `config.experiment`.

Each entry names the module and the class, imported only when it is needed.
"""

import importlib

from socialized_learning.platform.errors import UserError

EXPERIMENTS = {
    "continual": ("socialized_learning.experiments.continual", "ContinualExperiment"),
    "ease_of_learning": (
        "socialized_learning.experiments.ease_of_learning", "EaseOfLearningExperiment"),
    "lewis": ("socialized_learning.experiments.lewis", "LewisExperiment"),
    "masc": ("socialized_learning.experiments.masc", "MascExperiment"),
}


def experiment_class(name: str) -> type:
  """Returns the experiment called `name`; UserError for another."""
  if name not in EXPERIMENTS:
    raise UserError(f"experiment={name!r}: choose one of {', '.join(EXPERIMENTS)}")
  module, attribute = EXPERIMENTS[name]
  return getattr(importlib.import_module(module), attribute)
