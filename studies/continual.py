"""What the studies of continual learning share: flags, runs and how a page comes about."""

import argparse
from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

from emcom_datasets import command_line

from studies import records
from studies import runs

SEEDS = 5
SETTINGS = {"seq-mnist": "class_il", "perm-mnist": "domain_il", "rot-mnist": "domain_il",
            "mnist-360": "general", "seq-cifar100": "class_il", "gcil-cifar100-unif": "class_il"}
_RECIPE = "socialized_learning/configs/continual_config.py"

Summaries = Mapping[str, Mapping[str, Any]]  # By the name of the run.


def parse(study: str, description: str, streams: Sequence[str], arguments: Sequence[str]
         ) -> argparse.Namespace:
  """The flags of a study on these streams; exits with status 2 for wrong ones."""
  parser = runs.parser(study, description, folder="mnist")
  parser.add_argument("--data", required=True, help="folder that holds the images")
  parser.add_argument("--steps", type=command_line.positive, help="of each run, to try it out: in folders of "
                      "its own, with the page beside them (all)")
  flags = runs.parse(parser, arguments, streams=streams)
  if flags.steps:  # What was cut short must not be taken for a run to the end.
    flags.runs /= f"{flags.steps}_steps"
    if flags.page == pathlib.Path(parser.get_default("page")):
      flags.page = flags.runs / flags.page.name
  return flags


def name(stream: str, method: str, slots: int, variant: str = "") -> str:
  """Of a run, and of its folder."""
  return "-".join([stream, method, str(slots), *([variant] if variant else [])])


def job(flags: argparse.Namespace, stream: str, method: str, slots: int, variant: str = "",
        options: Sequence[str] = (), seeds: int = SEEDS) -> records.Job:
  """A run of all seeds at once; a variant has options of its own."""
  sweep = ",".join([method, stream, *([str(slots)] if slots else [])])
  return records.Job(name(stream, method, slots, variant), flags.steps, (
      f"--config={_RECIPE}:{sweep}", f"--config.population.size={seeds}",
      f"--config.data.dir={flags.data}", "--config.log_train_data_interval=1000", *options))
