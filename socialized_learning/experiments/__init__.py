"""Experiments: one Jaxline experiment per family, chosen by `config.experiment`.

Each entry names the module and the class, imported only when it is needed.
"""

import importlib

EXPERIMENTS = {
    "lewis": ("socialized_learning.experiments.lewis", "LewisExperiment"),
}


def experiment_class(name: str) -> type:
  """Returns the experiment called `name`; KeyError for another."""
  module, attribute = EXPERIMENTS[name]
  return getattr(importlib.import_module(module), attribute)
