"""The results of a continual-learning run for people."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from socialized_learning.metrics import continual
from socialized_learning.platform import progress

_COLUMNS = {"final_average_accuracy": "average accuracy, %", "forgetting": "forgetting",
            "bwt": "backward transfer", "fwt": "forward transfer", "ece": "calibration error",
            "all_seen_classes": "all classes seen, %"}


def print_results(summary: Mapping[str, Any]) -> None:
  """Prints a line for each head and setting: mean ± standard error over the seeds."""
  rows, columns = [], [name for name in _COLUMNS if any(
      name in numbers for settings in summary["heads"].values() for numbers in settings.values())]
  for head, settings in summary["heads"].items():
    for setting, numbers in settings.items():
      rows.append([head, setting, *(_cell(numbers["over_seeds"].get(name)) for name in columns)])
  buffer = f", {summary['buffer']} slots" if summary["buffer"] else ""
  progress.print_table(
      f"{summary['method']} on {summary['stream']}{buffer} ({summary['data']['kind']}), "
      f"{len(summary['seeds'])} seeds, {summary['num_tasks']} tasks",
      ["network", "setting", *(_COLUMNS[name] for name in columns)], rows)
  if "thresholds" in summary:
    _print_thresholds(summary["thresholds"], summary["sparsity"]["macs"]["dense"])
  if "skipped_channels" in summary:
    _print_skipped(summary["skipped_channels"])
  print_preset(summary["preset"])


def _print_skipped(found: Mapping[str, Any]) -> None:
  """Prints what networks without the channels that some images do not need are worth."""
  over_seeds = lambda values: [_cell(continual.summarise(each)) for each in np.asarray(values).T]
  progress.print_table(
      "channels that no image of a kind needs, cut out",
      ["test images", "in passes of", "channels left", "MACs, of the masked network", "time",
       "largest difference of logits"],
      zip(found["kind"], map(str, found["batch"]), over_seeds(np.mean(found["channels"], axis=-1)),
          over_seeds(found["macs"]), over_seeds(found["time"]),
          [f"{each:.1e}" for each in np.max(found["largest_difference"], axis=0)]))


def _print_thresholds(found: Mapping[str, Any], dense: float) -> None:
  """Prints what networks with agents do under other thresholds, a line for each."""
  over_seeds = lambda values: [_cell(continual.summarise(each)) for each in np.asarray(values).T]
  progress.print_table(
      "other thresholds", ["threshold", "accuracy, %", "channels kept", "MACs, of the dense network"],
      zip(map(str, found["threshold"]), over_seeds(found["accuracy"]),
          over_seeds(np.mean(found["keep_rate"], axis=-1)), over_seeds(np.divide(found["macs"], dense))))


def print_preset(preset: Mapping[str, Any]) -> None:
  """Says where the values come from, and which of them were given instead."""
  origin = f"values: preset of {preset['source']}"
  print(origin + (f" ({preset['reason']})" if preset["reason"] else ""))
  for name, values in preset["changed"].items():
    print(f"  {name}={values['given']}, given (preset: {values['preset']})")


def _cell(numbers: Mapping[str, Any] | None) -> str:
  if numbers is None or np.isnan(numbers["mean"]):
    return "-"
  error = "" if np.isnan(numbers["standard_error"]) else f" ± {numbers['standard_error']:.2f}"
  return f"{numbers['mean']:.2f}{error}"
