"""SYNERGy on MNIST, beside its relatives and without its parts: makes docs/results/synergy.md.

  python -m studies.synergy --data=DIR [--streams=rot-mnist,…] [--runs=runs/study_mnist]
    [--processes=2] [--steps=100] [--page=docs/results/synergy.md]

DIR holds MNIST in any format (`data.sources`). Every run is five seeds at once, the same streams
for all methods. Runs that `studies.mnist` has made in the same folder are used and not made again;
the rest should take about two hours on 2 cores.
"""

from collections.abc import Sequence
import sys
from typing import Any, NamedTuple

import numpy as np

from studies import continual
from studies import mnist
from studies import runs

STREAMS = {"rot-mnist": (200, 500, 1000), "mnist-360": (200, 500, 1000), "perm-mnist": (200, 500),
           "seq-mnist": (200, 500)}


class Arm(NamedTuple):
  """One row of each table."""
  title: str
  method: str
  head: str | None = None  # The averaged network that is to be used, if there is one.
  variant: str = ""  # Name of an ablation.
  options: tuple[str, ...] = ()


# Without its penalty SYNERGy is Mean-ER, step by step, and an MLP has no filters to be averaged.
ARMS = (
    Arm("ER", "er"), Arm("DER++", "derpp"), Arm("CLS-ER", "clser", "stable"),
    Arm("SYNERGy", "synergy", "semantic"),
    Arm("… without penalty (Mean-ER)", "mean_er", "semantic"),
    Arm("… without consistency", "synergy", "semantic", "no_consistency",
        ("--config.learner.consistency_weight=0.0",)),
    Arm("… without averaging", "synergy", "semantic", "no_average",
        ("--config.learner.ema_decay=0.0",)),
)
_WHOLE, _WITHOUT_PENALTY = ARMS[3], ARMS[4]


def main(arguments: Sequence[str]) -> int:
  """Makes what is missing, then the page; returns the exit status."""
  flags = continual.parse("synergy", __doc__, list(STREAMS), arguments)
  jobs = [continual.job(flags, stream, arm.method, slots, arm.variant, arm.options)
          for stream in flags.streams for slots in STREAMS[stream] for arm in ARMS]
  return continual.complete(flags, jobs, page)


def page(streams: Sequence[str], summaries: continual.Summaries) -> str:
  """The page in Markdown."""
  parts = [
      "# SYNERGy on MNIST", "",
      "Made by `python -m studies.synergy`; every number is read from the folders of its runs. "
      "What the method is, and what its parts are: [synergy.md](../synergy.md).", "",
      "Real MNIST, all 60,000 and 10,000 images. Final average accuracy in percent, mean ± "
      f"standard error over {continual.SEEDS} seeds, the same streams for all methods, clean "
      "fidelity, tuned presets; `ours` marks those that were not published. Of CLS-ER the averaged "
      "network is the stable one, of SYNERGy and Mean-ER the semantic one. Published means "
      "(10 seeds) are those of [mnist.md](mnist.md); of CLS-ER they are of the stable network. "
      "**No numbers of SYNERGy itself were found to compare with.** Averaging over filters is not "
      "among the parts left out here: the network has none. The last line of a table says what the "
      "penalty adds: the mean over seeds of the difference to Mean-ER on the same stream."]
  for stream in streams:
    setting = continual.SETTINGS[stream].replace("_", "-")
    parts += ["", f"## {stream} ({setting})"]
    for slots in STREAMS[stream]:
      parts += ["", f"{slots} slots:", "", _table(stream, slots, summaries)]
  if missing := [stream for stream in STREAMS if stream not in streams]:
    parts += ["", f"Not run yet: {', '.join(missing)}."]
  return "\n".join([*parts, ""])


def _table(stream: str, slots: int, summaries: continual.Summaries) -> str:
  """The arms with one size of memory."""
  of = lambda arm: summaries[continual.name(stream, arm.method, slots, arm.variant)]
  rows = [_row(stream, slots, arm, of(arm)) for arm in ARMS]
  gains = [_gain(*(_accuracy(of(arm), head, stream) for arm in (_WHOLE, _WITHOUT_PENALTY)))
           for head in ("working", "semantic")]
  rows.append(["what the penalty adds", *gains, *[""] * 4])
  return runs.table(["method", "working", "averaged", "published", "importance estimated",
                     "first at step", "preset"], rows)


def _row(stream: str, slots: int, arm: Arm, summary: Any) -> list[str]:
  published = mnist.PUBLISHED[stream].get((arm.method, slots))
  counters = summary.get("counters", {})
  mean = lambda name: f"{np.mean(counters[name]):.1f}" if name in counters else "-"
  return [
      arm.title,
      *("-" if head is None else runs.mean_and_error(_accuracy(summary, head, stream), digits=2)
        for head in ("working", arm.head)),
      "-" if published is None else f"{published:.2f}",
      mean("importance_updates"), mean("first_importance_step"),
      "ours" if summary["preset"]["ours"] else summary["preset"]["source"]]


def _accuracy(summary: Any, head: str, stream: str) -> list[float | None]:
  """Final average accuracy of each seed."""
  return summary["heads"][head][continual.SETTINGS[stream]]["final_average_accuracy"]


def _gain(whole: Sequence[float | None], without: Sequence[float | None]) -> str:
  """The paired difference; a dash if it is not known."""
  if None in (*whole, *without):
    return "-"
  return "{:+.2f} ± {}".format(np.mean(np.subtract(whole, without)), runs.mean_and_error(
      np.subtract(whole, without), digits=2).rpartition(" ")[2])


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
