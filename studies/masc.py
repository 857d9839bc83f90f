"""Socialized learning beside its baselines: makes docs/results/masc.md.

  python -m studies.masc --data=DIR [--runs=runs/study_masc] [--processes=2]
    [--page=docs/results/masc.md]
  python -m studies.masc --sets=mnist5k,emoji …

DIR holds CIFAR-100 in any format (`data.sources`); the other sets come with the program. What is there
already is not run again. Cost of a seed on one core: mnist5k 3 minutes, emoji 5, the reduced CIFAR-100
a quarter of an hour.
"""

from collections.abc import Mapping, Sequence
import sys
from typing import Any

import numpy as np

from studies import records
from studies import runs

_RECIPE = "socialized_learning/configs/masc_config.py"
_SETS = {"mnist5k": 5, "emoji": 3, "cifar100": 3}  # Number of seeds.
# CIFAR-100 as far as two cores go; said on the page.
REDUCED = {
    "network.width_divisor": 8, "network.hidden_size": 128, "network.dropout_rate": 0.2,
    "data.classes": 20, "num_epochs.specialists": 15, "num_epochs.student": 15,
    "num_epochs.experts": 15, "batch_size": 64, "learning_rate": 0.05, "warmup_epochs": 1,
    "selection_epochs": 5}
_FULL = ("python -m socialized_learning.main --config=socialized_learning/configs/masc_config.py:cifar100 "
         "--config.num_epochs.specialists=200 --config.num_epochs.student=200 "
         "--config.num_epochs.experts=50 --config.data.dir=DIR")
_COLUMNS = {"expert": "Expert", "general": "General", "average": "Average", "global": "Global",
            "column": "lead on own classes", "superior_share": "superior"}


def main(arguments: Sequence[str]) -> int:
  """Makes what is missing, then the page; returns the exit status."""
  parser = runs.parser("masc", __doc__)
  parser.add_argument("--data", help="folder that holds CIFAR-100")
  flags = runs.parse(parser, arguments, sets=_SETS)
  if "cifar100" in flags.sets and not flags.data:
    parser.error("cifar100 needs --data=DIR, the folder that holds CIFAR-100; without it: "
                 "--sets=mnist5k,emoji")
  jobs = {name: [_job(name, seed, flags.data) for seed in range(num)] for name, num in _SETS.items()}
  return runs.complete_parts(flags, jobs, flags.sets, page)


def _picture(name: str) -> str:
  return f"masc_{name}.png"


def _name(name: str, seed: int) -> str:
  return f"{name}-{seed}"


def _job(name: str, seed: int, data: str | None) -> records.Job:
  options = [f"--config={_RECIPE}:{name}", f"--config.random_seed={seed}"]
  if name == "cifar100":
    options += [f"--config.data.dir={data}", *runs.options("config", REDUCED)]
  return records.Job(_name(name, seed), None, tuple(options),
                     {} if seed else {"accuracy_matrix.png": _picture(name)})


def page(names: Sequence[str], summaries: Mapping[str, Mapping[str, Any]]) -> str:
  """The page in Markdown."""
  parts = [
      "# Socialized learning", "",
      "Made by `python -m studies.masc`; every number is read from the folders of its runs. What they "
      "mean is in [../masc.md](../masc.md). Percent on test images among all classes, clean fidelity, "
      "means over the agents; with several seeds mean ± standard error over them. The lead is column "
      "directionality: how much better an agent is on its own classes than the best other agent; "
      "superior, the share of agents that lead.", *runs.order_note(summaries.values())]
  for name in names:
    found = [summaries[_name(name, seed)] for seed in range(_SETS[name])]
    parts += ["", f"## {name}", "", _about(name, found), "", _methods(found, "methods"), "",
              _gains(found), "", "The same grown agents, by who answers:", "", _methods(found, "gates"), "",
              "Agent by agent (seed 0), before and after:", "", _agents(found[0]), "",
              f"![Accuracy of each agent on the classes of each, before and after]({_picture(name)})", "",
              _exchange(found[0])]
  parts += ["", "## CIFAR-100, the whole of it", "",
            "Four agents with 25 classes each, published networks: not run, for want of an accelerator "
            "(about three days on two cores by the speed of its steps, six with all baselines). The "
            f"command is `{_FULL}`. A reproduction by others (clean losses, one seed, mean of the agents): Global "
            "65.4, General 65.0, Expert 66.6. The tables of the paper itself could not be read."]
  return "\n".join([*parts, ""])


def _about(name: str, found: Sequence[Mapping[str, Any]]) -> str:
  first = found[0]
  data, network = first["data"], first["network"]
  lines = [f"{data['name']} ({data['kind']}); {first['num_agents']} agents with "
           f"{len(first['classes'][0])} classes each, {data['training_images'][0]} training images of "
           f"the first, {data['held_out']} held out of all, {data['test_images']} test images; widths "
           f"divided by {network['width_divisor']}, {network['hidden_size']} hidden units, epochs "
           + ", ".join(f"{stage['name']} {stage['epochs']}" for stage in first["stages"])
           + f"; {len(found)} seed{'s' if len(found) > 1 else ''}, "
           f"{np.mean([s['wall_seconds'] for s in found]):.0f} s a run on {first['device_kind']}."]
  if name == "cifar100":
    lines.append("**A reduced setting**: these numbers must not be compared with published ones.")
  return " ".join(lines)


def _methods(found: Sequence[Mapping[str, Any]], which: str) -> str:
  cell = lambda method, column: _mean([summary[which][method][column] for summary in found])
  return runs.table(["", *_COLUMNS.values()], [
      [method, *(cell(method, column) for column in _COLUMNS)] for method in found[0][which]])


def _gains(found: Sequence[Mapping[str, Any]]) -> str:
  """What growing gains over others, seed by seed."""
  others = ("collaboration only", "joint training", "isolated specialists")
  gain = lambda other, column: _mean([
      summary["methods"]["MASC"][column] - summary["methods"][other][column] for summary in found])
  return "MASC less others on the same seeds: " + "; ".join(
      f"{other}: " + ", ".join(f"{_COLUMNS[column]} {gain(other, column)}"
                               for column in ("expert", "general", "average"))
      for other in others) + "."


def _mean(values: Sequence[float | None]) -> str:
  if any(value is None for value in values):
    return "-"
  return runs.mean_and_error(values, digits=1) if len(values) > 1 else f"{values[0]:.1f}"


def _agents(summary: Mapping[str, Any]) -> str:
  before, after = summary["before"], summary["after"]
  columns = {
      "Expert before": before["expert"], "Expert": after["expert"], "General": after["general"],
      "lead": after["directionality"]["column"], "over the student": after["directionality"]["gain"],
      "own to expert": after["gate"]["own_to_expert"],
      "others to student": after["gate"]["others_to_student"], "oracle": after["gate"]["oracle"]}
  return runs.table(["agent", *columns], [
      [str(agent), *(f"{values[agent]:.1f}" for values in columns.values())]
      for agent in range(summary["num_agents"])])


def _exchange(summary: Mapping[str, Any]) -> str:
  sent = [f"{line['stage']} {line['total'] / 2**20:.1f}" for line in summary["exchange"]]
  return f"Sent between agents, MiB: {', '.join(sent)}."


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
