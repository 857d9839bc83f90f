"""Continual learning on MNIST beside the published numbers: makes docs/results/mnist.md.

  python -m studies.mnist --data=DIR [--streams=seq-mnist,…] [--runs=runs/study_mnist] [--processes=2]
    [--steps=100] [--page=docs/results/mnist.md]

DIR holds MNIST in any format (`data.sources`). Every run is five seeds at once. What is there already is
not run again; the page shows what there is, and says what is not. Cost: about 75 minutes on 2 cores,
of which rot-mnist and perm-mnist take 25 each.
"""

import argparse
from collections.abc import Mapping, Sequence
import functools
import sys
from typing import Any

import numpy as np

from studies import continual
from studies import records
from studies import runs

# Head that is compared with what was published.
_HEADS = {"clser": "stable"}
# Final average accuracy in percent: stream -> (method, slots) -> published mean. DER and its baselines:
# Buzzega et al. 2020, the authors' table (10 runs); CLS-ER: Arani et al. 2022, the authors' table.
PUBLISHED: dict[str, dict[tuple[str, int], float | None]] = {
    "seq-mnist": {
        ("joint", 0): 95.57, ("sgd", 0): 19.60, ("ewc_on", 0): 20.46, ("si", 0): 19.27,
        ("lwf", 0): 19.62, ("agem", 200): 45.72, ("er", 200): 80.43, ("der", 200): 84.55,
        ("derpp", 200): 85.61, ("clser", 200): 89.54, ("agem", 500): 46.66, ("er", 500): 86.12,
        ("der", 500): 90.54, ("derpp", 500): 91.00, ("clser", 500): 92.05},
    "rot-mnist": {
        ("joint", 0): 95.76, ("sgd", 0): 67.66, ("ewc_on", 0): 77.35, ("si", 0): 71.91,
        ("agem", 200): 81.91, ("er", 200): 85.01, ("der", 200): 90.04, ("derpp", 200): 90.43,
        ("clser", 200): None, ("agem", 500): 80.31, ("er", 500): 88.91, ("der", 500): 92.24,
        ("derpp", 500): 92.77, ("clser", 500): None},
    "perm-mnist": {
        ("joint", 0): 94.33, ("sgd", 0): 40.70, ("ewc_on", 0): 75.79, ("si", 0): 65.86,
        ("agem", 200): 66.42, ("er", 200): 72.37, ("der", 200): 81.74, ("derpp", 200): 83.58,
        ("clser", 200): None, ("agem", 500): 67.56, ("er", 500): 80.60, ("der", 500): 87.29,
        ("derpp", 500): 88.21, ("clser", 500): None},
    "mnist-360": {
        ("joint", 0): 82.98, ("sgd", 0): 19.09,
        ("agem_r", 200): 28.34, ("er", 200): 49.27, ("der", 200): 55.22, ("derpp", 200): 54.16,
        ("clser", 200): None, ("agem_r", 500): 28.13, ("er", 500): 65.04, ("der", 500): 69.11,
        ("derpp", 500): 69.62, ("clser", 500): None, ("agem_r", 1000): 29.21, ("er", 1000): 75.18,
        ("der", 1000): 75.97, ("derpp", 1000): 76.03, ("clser", 1000): None},
}
# Rows that differ by more than 2 points: five more seeds, with other orders, angles, permutations.
_MORE_SEEDS = (("seq-mnist", "agem", 200), ("seq-mnist", "agem", 500), ("rot-mnist", "sgd", 0),
               ("rot-mnist", "ewc_on", 0), ("rot-mnist", "si", 0), ("rot-mnist", "agem", 200),
               ("perm-mnist", "agem", 500), ("mnist-360", "derpp", 200))
# How much of a difference can be the start alone: the stream of seed 0 from several starts.
FROM_STARTS = (("seq-mnist", "agem", 500), ("rot-mnist", "agem", 200))
_STARTS = range(5)
# Final average accuracy of the published code on the streams of seeds 0 to 2 of rot-mnist5k, and of ours.
# Measured once; no command of this study runs the former.
_PUBLISHED_CODE = {"SI": ((63.8, 77.6, 69.1), (64.8, 78.8, 68.8)),
                   "A-GEM with 200 slots": ((64.7, 77.4, 70.1), (66.7, 78.9, 70.0))}
# Online EWC on perm-mnist, with other weights than that of the table (70 diverges).
_EWC_WEIGHTS = (2, 7)


def main(arguments: Sequence[str]) -> int:
  """Makes what is missing, then the page; returns the exit status."""
  flags = continual.parse("mnist", __doc__, list(PUBLISHED), arguments)
  job = functools.partial(continual.job, flags)
  jobs = {stream: [job(stream, *row) for row in rows] for stream, rows in PUBLISHED.items()}
  again = ("--config.random_seed=1", f"--config.stream.seed={continual.SEEDS}")
  for row in _MORE_SEEDS:
    jobs[row[0]].append(job(*row, "again", again))
  for row in FROM_STARTS:
    jobs[row[0]] += starts(flags, row)
  jobs["perm-mnist"] += [job("perm-mnist", "ewc_on", 0, f"weight{weight}", (
      f"--config.learner.ewc_weight={weight}",)) for weight in _EWC_WEIGHTS]
  return runs.complete_parts(flags, jobs, flags.streams, page)


def starts(flags: argparse.Namespace, row: tuple[str, str, int]) -> list[records.Job]:
  """Runs of a method on the stream of seed 0 that differ in their start, and draws from memory, alone."""
  return [continual.job(flags, *row, f"start{start}", (f"--config.random_seed={start}",), seeds=1)
          for start in _STARTS]


def page(streams: Sequence[str], summaries: continual.Summaries) -> str:
  """The page in Markdown."""
  parts = [
      "# Continual learning on MNIST", "",
      "Made by `python -m studies.mnist`; every number is read from the folders of its runs, of which those from "
      "several starts are kept in [mnist/](mnist).", "",
      f"Real MNIST, all 60,000 and 10,000 images. Final average accuracy in percent, mean ± standard "
      f"error over {continual.SEEDS} seeds (each with its own start, order, angles or permutations), "
      "clean fidelity, tuned presets: the last column says whose table they are from, that of SYNERGy's "
      "code or, where it has no such row, of CLS-ER's. Beside it the published mean (10 seeds; of how "
      "many CLS-ER's is was not found) and the difference; **bold** where it is above 2 points. The network is "
      "the working one, of CLS-ER the stable one.", *runs.order_note(summaries.values())]
  for stream in streams:
    rows = [_row(stream, *row, published, summaries[continual.name(stream, *row)])
            for row, published in PUBLISHED[stream].items()]
    setting = continual.SETTINGS[stream].replace("_", "-")
    parts += ["", f"## {stream} ({setting})", "",
              runs.table(["method", "slots", "here", "published", "difference", "forgetting", "preset"],
                         rows)]
  parts += ["", *_differences(streams, summaries)]
  if missing := [stream for stream in PUBLISHED if stream not in streams]:
    parts += ["", f"Not run yet: {', '.join(missing)}."]
  return "\n".join([*parts, ""])


def _differences(streams: Sequence[str], summaries: continual.Summaries) -> list[str]:
  """What was looked at where a mean is more than 2 points from the published one."""
  rows = []
  for row in _MORE_SEEDS:
    if row[0] in streams:
      first, again = (_accuracy(*row, summaries[continual.name(*row, variant)])
                      for variant in ("", "again"))
      if None in first + again:  # Runs that were only tried out.
        continue
      published = PUBLISHED[row[0]][row[1:]]
      rows.append([*map(str, row), *(runs.mean_and_error(values, digits=2)
                                     for values in (first, again, first + again)),
                   f"{published:.2f}", f"{np.mean(first + again) - published:+.2f}"])
  if not rows:
    return []
  lines = [
      "## Where it differs", "",
      "The rows above that are more than 2 points off, with five more seeds: other orders, angles, "
      "permutations and starts.", "",
      runs.table(["stream", "method", "slots", "seeds 0 to 4", "seeds 5 to 9", "all ten",
                  "published", "difference"], rows)]
  lines += ["", "If the seeds of a published mean spread as much as these, it has an error of the same size as "
            "that of all ten here, and the error of a difference is 1.4 times as large."]
  if "rot-mnist" in streams:
    lines += ["", _about_rotations(summaries)]
  lines += _starts(streams, summaries)
  if "perm-mnist" in streams:
    row = ("perm-mnist", "ewc_on", 0)
    numbers = [f"{weight}: " + runs.mean_and_error(_accuracy(*row, summaries[
        continual.name(*row, f"weight{weight}")]), digits=2) for weight in _EWC_WEIGHTS]
    lines += ["", "On perm-mnist online EWC with the table's weight of 0.7 is far below the published "
              f"{PUBLISHED['perm-mnist'][('ewc_on', 0)]:.2f}. Other weights give "
              + ", ".join(numbers) + "."]
  return lines


def _about_rotations(summaries: continual.Summaries) -> str:
  """What is known, and not known, of the differences on rot-mnist."""
  signs = []
  for row in (row for row in _MORE_SEEDS if row[0] == "rot-mnist"):
    ten = [accuracy for variant in ("", "again")
           for accuracy in _accuracy(*row, summaries[continual.name(*row, variant)])]
    signs.append(f"{row[1]} {np.mean(ten) - PUBLISHED[row[0]][row[1:]]:+.2f}")
  numbers = lambda values: ", ".join(f"{value:.1f}" for value in values)
  measured = "; ".join(f"{title} {numbers(theirs)} against {numbers(ours)} here"
                       for title, (theirs, ours) in _PUBLISHED_CODE.items())
  return ("**Why the published means on rot-mnist differ is not known.** The angles alone cannot be the reason: "
          f"on the same ten streams the differences have both signs ({', '.join(signs)}). The update of "
          "every method equals the published code's to rounding, in float64 (tests/learners). And the "
          "published code, given three of our streams (rot-mnist5k; measured once, there is no command for "
          f"it), ends within 2.1 points of what is found here: {measured}.")


def _starts(streams: Sequence[str], summaries: continual.Summaries) -> list[str]:
  """How far apart runs are that differ in their start alone."""
  rows = []
  for row in FROM_STARTS:
    if row[0] in streams:
      found = [_accuracy(*row, summaries[continual.name(*row, f"start{start}")])[0] for start in _STARTS]
      if None not in found:
        rows.append([*map(str, row), ", ".join(f"{value:.1f}" for value in found),
                     f"{max(found) - min(found):.1f}"])
  if not rows:
    return []
  return ["", f"How much the start alone changes: the stream of seed 0, walked from {len(_STARTS)} starts (the "
          "draws from the memory are others as well).", "",
          runs.table(["stream", "method", "slots", "accuracy from each start", "largest less smallest"], rows)]


def _accuracy(stream: str, method: str, slots: int, summary: Mapping[str, Any]) -> list[float]:
  """Final average accuracy of each seed, of the network that is compared."""
  del slots
  return summary["heads"][_HEADS.get(method, "working")][continual.SETTINGS[stream]][
      "final_average_accuracy"]


def _row(stream: str, method: str, slots: int, published: float | None,
         summary: Mapping[str, Any]) -> list[str]:
  numbers = summary["heads"][_HEADS.get(method, "working")][continual.SETTINGS[stream]]
  accuracy = numbers["final_average_accuracy"]
  difference = "-"
  if published is not None and None not in accuracy:
    value = np.mean(accuracy) - published
    difference = f"**{value:+.2f}**" if abs(value) > 2 else f"{value:+.2f}"
  return [method, str(slots or "-"), runs.mean_and_error(accuracy, digits=2),
          "-" if published is None else f"{published:.2f}", difference,
          runs.mean_and_error(numbers["forgetting"], digits=2),
          "ours" if summary["preset"]["ours"] else summary["preset"]["source"]]


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
