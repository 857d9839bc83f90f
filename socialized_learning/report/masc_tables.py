"""Results of a society for people: tables, and a picture of who knows what.

Shapes: `N` agents.
"""

from collections.abc import Mapping
import io
from typing import Any

import numpy as np

from socialized_learning.platform import progress

_METHOD = {"expert": "Expert, %", "general": "General, %", "average": "Average, %",
           "global": "Global, %", "column": "lead on own classes", "superior_share": "superior, %"}


def print_results(summary: Mapping[str, Any]) -> None:
  """Prints all methods, the grown agents and their gates."""
  data = summary["data"]
  print(f"{data['name']} ({data['kind']}), {data['test_images']} test images, fidelity "
        f"{summary['fidelity']}")
  if summary["given"]:
    trained = ", ".join(stage["name"] for stage in summary["stages"]) or "nothing"
    print(f"given: {', '.join(summary['given'])}; trained: {trained}")
  if summary["tests"]:
    progress.print_table(
        "the original's tests: teacher, on its own classes before growth; masc, on all after it",
        ["", "top-1, %", "top-5, %"],
        [[f"{test['program']}, agent {test['agent']}", _number(test["top1"]), _number(test["top5"])]
         for test in summary["tests"]])
  if "after" in summary:
    _print_agents(summary)
  if "gates" in summary:
    _print_lines("the same agents, who answers", summary["gates"])
  if "methods" in summary:
    _print_lines("means over the agents", summary["methods"])


def _print_lines(title: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
  progress.print_table(title, ["", *_METHOD.values()], [
      [row, *(_number(values[name]) for name in _METHOD)] for row, values in rows.items()])


def _print_agents(summary: Mapping[str, Any]) -> None:
  after = summary["after"]
  before = {"Expert before": summary["before"]["expert"]} if "before" in summary else {}
  columns = before | {
      "Expert": after["expert"], "General": after["general"],
      "Global": after["global"], "lead on own": after["directionality"]["column"],
      "over student": after["directionality"]["gain"],
      "own to expert": after["gate"]["own_to_expert"],
      "others to student": after["gate"]["others_to_student"], "oracle": after["gate"]["oracle"]}
  there = [agent for agent, found in enumerate(after["global"]) if not np.isnan(found)]
  rows = [[f"agent {agent}", *(_number(values[agent]) for values in columns.values())]
          for agent in there]
  rows.append(["mean", *(_number(np.mean(np.asarray(values)[there])) for values in columns.values())])
  progress.print_table("grown agents, %", ["", *columns], rows)


def _number(value: Any) -> str:
  return "-" if value is None or np.isnan(value) else f"{value:.1f}"


def draw(results: Mapping[str, Any]) -> bytes:
  """The accuracy matrices before and after growth, and the student's row, as PNG."""
  from matplotlib import figure  # pylint: disable=g-import-not-at-top
  after = results["after"]
  before = ({"before: specialists": results["before"]["accuracy_matrix"]} if "before" in results
            else {})
  matrices = before | {
      "after: grown agents, student": np.vstack([after["accuracy_matrix"], after["student"]])}
  num = len(after["accuracy_matrix"])
  names = [f"agent {i}" for i in range(num)]
  canvas = figure.Figure(figsize=(2.5 + 1.6 * num, 1.8 + 0.5 * num), layout="constrained")
  for axes, (title, matrix) in zip(canvas.subplots(1, len(matrices), squeeze=False)[0], matrices.items()):
    shown = axes.imshow(matrix, vmin=0, vmax=100, cmap="viridis")
    axes.set_title(title)
    axes.set_xticks(range(num), [f"classes of {i}" for i in range(num)], rotation=45, ha="right")
    axes.set_yticks(range(len(matrix)), (names + ["student"])[:len(matrix)])
    for (row, column), value in np.ndenumerate(matrix):
      axes.text(column, row, _number(value), ha="center", va="center",
                color="black" if value > 60 else "white")
  canvas.colorbar(shown, ax=canvas.axes, label="accuracy, %")
  file = io.BytesIO()
  canvas.savefig(file, format="png", dpi=120)
  return file.getvalue()
