"""The results of newcomers' lessons for people: one line per speaker and one for all."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from socialized_learning.platform import progress

_COLUMNS = {
    "area_under_curve": "area under curve",
    "steps_to_50": "steps to 50 %",
    "steps_to_75": "to 75 %",
    "steps_to_90": "to 90 %",
}


def print_results(summary: Mapping[str, Any]) -> None:
  """Prints means ± standard errors over listeners for each speaker, and over all."""
  ease, test, data = summary["ease_of_learning"], summary["test"], summary["data"]
  columns = {_COLUMNS[name]: numbers for name, numbers in ease.items()}
  columns |= {f"test {name}": numbers for name, numbers in test.items()}
  rows = []
  for row, speaker in enumerate(summary["speakers"]["indices"]):
    cells = [(numbers["per_speaker"]["mean"][row], numbers["per_speaker"]["standard_error"][row])
             for numbers in columns.values()]
    rows.append([f"speaker {speaker}", *(_with_error(*cell) for cell in cells)])
  over = next(iter(columns.values()))["standard_error_over"]
  rows.append([f"all, error over {over}", *(
      _with_error(numbers["mean"], numbers["standard_error"]) for numbers in columns.values())])
  blind = ", ".join(f"{name} {progress.format_number(value)}"
                    for name, value in summary["blind"].items())
  among = f", {summary['num_candidates']} candidates" if "num_candidates" in summary else ""
  progress.print_table(
      f"{summary['task']} on {data['name']} ({data['kind']}), {summary['num_listeners']} listeners a "
      f"speaker{among}; hearing nothing: {blind}",
      ["", *columns], rows)


def _with_error(mean: float, error: float) -> str:
  if np.isnan(mean):
    return "not all"  # Some listener did not get there.
  number = progress.format_number(mean)
  return number if np.isnan(error) else f"{number} ± {progress.format_number(error)}"
