"""What the studies of continual learning share: flags, runs and how a page comes about."""

import argparse
from collections.abc import Callable, Mapping, Sequence
import pathlib
import sys
from typing import Any

from studies import runs

SEEDS = 5
SETTINGS = {"seq-mnist": "class_il", "perm-mnist": "domain_il", "rot-mnist": "domain_il",
            "mnist-360": "general", "seq-cifar100": "class_il", "gcil-cifar100-unif": "general"}
_RECIPE = "socialized_learning/configs/continual_config.py"

Summaries = Mapping[str, Mapping[str, Any]]  # By the name of the run.


def parse(study: str, description: str, streams: Sequence[str], arguments: Sequence[str]
         ) -> argparse.Namespace:
  """The flags of a study on these streams; exits with status 2 for wrong ones."""
  parser = argparse.ArgumentParser(prog=f"python -m studies.{study}", description=description,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--data", required=True, help="folder that holds the images")
  parser.add_argument("--streams", default=",".join(streams), help="those to run (all)")
  parser.add_argument("--runs", type=pathlib.Path, default="runs/study_mnist")
  parser.add_argument("--processes", type=int, default=2)
  parser.add_argument("--steps", type=int, help="of each run, to try it out (all)")
  parser.add_argument("--page", type=pathlib.Path, default=f"docs/results/{study}.md")
  flags = parser.parse_args(arguments)
  flags.streams = flags.streams.split(",")
  if unknown := [stream for stream in flags.streams if stream not in streams]:
    parser.error(f"no such stream: {', '.join(unknown)}; there are {', '.join(streams)}")
  return flags


def name(stream: str, method: str, slots: int, variant: str = "") -> str:
  """Of a run, and of its folder."""
  return "-".join([stream, method, str(slots), *([variant] if variant else [])])


def job(flags: argparse.Namespace, stream: str, method: str, slots: int, variant: str = "",
        options: Sequence[str] = (), seeds: int = SEEDS) -> runs.Job:
  """A run of all seeds at once; a variant has options of its own."""
  sweep = ",".join([method, stream, *([str(slots)] if slots else [])])
  return runs.Job(name(stream, method, slots, variant), flags.steps, (
      f"--config={_RECIPE}:{sweep}", f"--config.population.size={seeds}",
      f"--config.data.dir={flags.data}", "--config.log_train_data_interval=1000", *options))


def complete(flags: argparse.Namespace, jobs: Sequence[runs.Job],
             page: Callable[[Sequence[str], Summaries], str]) -> int:
  """Makes what is missing, then the page of (streams, summaries); returns the exit status."""
  try:
    summaries = runs.run_all(jobs, flags.runs, num_processes=flags.processes)
  except runs.RunFailed as error:
    print(f"error: {error}", file=sys.stderr)
    return 1
  flags.page.write_text(page(flags.streams, summaries), encoding="utf-8")
  print(f"written: {flags.page}")
  return 0
