"""SYNERGy beside its relatives and without its parts: makes docs/results/synergy.md.

  python -m studies.synergy --data=DIR [--streams=rot-mnist,…] [--runs=runs/study_mnist]
    [--processes=2] [--steps=100] [--page=docs/results/synergy.md]

DIR holds MNIST and CIFAR-100 in any format (`data.sources`). Every run on MNIST is five seeds at
once, the same streams for all methods with one batch size; runs that `studies.mnist` has made in the
same folder are used and not made again. CIFAR-100 is a reduced setting, said on the page. About four hours on 2 cores.
"""

import argparse
from collections.abc import Sequence
import sys
from typing import Any, NamedTuple

import numpy as np

from studies import continual
from studies import mnist
from studies import records
from studies import runs

STREAMS = {"rot-mnist": (200, 500, 1000), "mnist-360": (200, 500, 1000), "perm-mnist": (200, 500),
           "seq-mnist": (200, 500), "seq-cifar100": (500,), "gcil-cifar100-unif": (500,)}
REDUCED_SEEDS = 2
_SHORTER = {"mean_er": {"ema_decay": 0.99}, "synergy": {"ema_decay": 0.99, "importance_rate": 0.1},
            "clser": {"stable_ema_decay": 0.99, "plastic_ema_decay": 0.99}}


class Arm(NamedTuple):
  """One row of each table."""
  title: str
  method: str
  head: str | None = None  # The averaged network that is to be used, if there is one.
  variant: str = ""  # Name of an ablation.
  options: tuple[str, ...] = ()

  def job(self, flags: argparse.Namespace, stream: str, slots: int) -> records.Job:
    """Its run on a stream."""
    reduced = REDUCED.get(stream)
    return continual.job(
        flags, stream, self.method, slots, self.variant,
        (*self.options, *(reduced.options(self.method) if reduced else ())),
        seeds=REDUCED_SEEDS if reduced else continual.SEEDS)


class Reduced(NamedTuple):
  """A stream of images as far as two cores go, in a narrow network and few epochs."""
  width: int
  num_epochs: int

  def options(self, method: str) -> tuple[str, ...]:
    """Networks are averaged over fewer steps, and importance estimated more often, as there are fewer."""
    return (f"--config.network.width={self.width}", f"--config.num_epochs={self.num_epochs}",
            *runs.options("config.learner", _SHORTER.get(method, {})))


REDUCED = {"seq-cifar100": Reduced(width=8, num_epochs=2),
           "gcil-cifar100-unif": Reduced(width=8, num_epochs=3)}
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
# The published weight of the penalty is 1 on all of MNIST.
STRONGER = tuple(Arm(f"… with {times} times the penalty", "synergy", "semantic", f"penalty_{times}",
                     (f"--config.learner.penalty_weight={times}.0",)) for times in (10, 100))
_STRONGER_ON = {"rot-mnist": 500, "seq-mnist": 500}
REDUCED_ARMS = (*ARMS[:5], Arm("… without averaging over filters", "synergy", "semantic", "no_filters",
                               ("--config.learner.average_filters=False",)))


def main(arguments: Sequence[str]) -> int:
  """Makes what is missing, then the page; returns the exit status."""
  flags = continual.parse("synergy", __doc__, list(STREAMS), arguments)
  jobs = {stream: [arm.job(flags, stream, slots) for slots in of_one for arm in arms(stream, slots)]
          for stream, of_one in STREAMS.items()}
  return runs.complete_parts(flags, jobs, flags.streams, page)


def arms(stream: str, slots: int) -> tuple[Arm, ...]:
  """The rows of a table."""
  if stream in REDUCED:
    return REDUCED_ARMS
  return ARMS + STRONGER if _STRONGER_ON.get(stream) == slots else ARMS


def page(streams: Sequence[str], summaries: continual.Summaries) -> str:
  """The page in Markdown."""
  parts = [
      "# SYNERGy", "",
      "Made by `python -m studies.synergy`; every number is read from the folders of its runs. "
      "What the method is, and what its parts are: [synergy.md](../synergy.md).", "",
      "Real MNIST, all 60,000 and 10,000 images. Final average accuracy in percent, mean ± "
      f"standard error over {continual.SEEDS} seeds, the same streams for all methods with one batch "
      "size (ER on mnist-360 has another), clean fidelity, tuned presets; `ours` marks those that were "
      "not published. Of CLS-ER the averaged network is the stable one, of SYNERGy and Mean-ER the "
      "semantic one. Published means are those of [mnist.md](mnist.md); of CLS-ER they are of the stable network. "
      "**No numbers of SYNERGy itself were found to compare with.** Averaging over filters is left out "
      "where the network has filters: on CIFAR-100. The last line of a table says what the "
      "penalty adds: the mean over seeds of the difference to Mean-ER on the same stream.", "",
      "Without averaging (decay 0) the semantic network is the working network as it was at the last "
      "update; where every step is one, the two are always the same and what is left is ER.",
      *runs.order_note(summaries.values())]
  for stream in streams:
    setting = continual.SETTINGS[stream].replace("_", "-")
    parts += ["", f"## {stream} ({setting})"]
    if stream in REDUCED:
      parts += ["", _about(REDUCED[stream])]
    for slots in STREAMS[stream]:
      parts += ["", f"{slots} slots:", "", _table(stream, slots, summaries)]
      if stream.startswith("gcil"):
        parts += ["", "The same as accuracy on all classes seen; above are means over the test sets of "
                  "all phases, each part of the next, as published:", "",
                  _table_of_all_classes(stream, slots, summaries)]
  if missing := [stream for stream in STREAMS if stream not in streams]:
    parts += ["", f"Not run yet: {', '.join(missing)}."]
  return "\n".join([*parts, ""])


def _about(reduced: Reduced) -> str:
  """What is reduced."""
  return ("**A reduced setting**, not to be compared with published numbers: real CIFAR-100, all images; "
          f"ResNet-18 of width {reduced.width} instead of 64, {reduced.num_epochs} epochs, "
          f"{REDUCED_SEEDS} seeds; averages with decay 0.99 and importance at rate 0.1, because there "
          "are fewer steps; all else as in the presets of 500 slots.")


def _table(stream: str, slots: int, summaries: continual.Summaries) -> str:
  """The arms with one size of memory."""
  of = lambda arm: summaries[continual.name(stream, arm.method, slots, arm.variant)]
  rows = [_row(stream, slots, arm, of(arm)) for arm in arms(stream, slots)]
  gains = [_gain(*(_accuracy(of(arm), head, stream) for arm in (_WHOLE, _WITHOUT_PENALTY)))
           for head in ("working", "semantic")]
  rows.append(["what the penalty adds", *gains, *[""] * 4])
  return runs.table(["method", "working", "averaged", "published", "importance estimated",
                     "first at step", "preset"], rows)


def _table_of_all_classes(stream: str, slots: int, summaries: continual.Summaries) -> str:
  """The arms by their accuracy on the last of nested test sets."""
  rows = []
  for arm in arms(stream, slots):
    summary = summaries[continual.name(stream, arm.method, slots, arm.variant)]
    rows.append([arm.title, *_cells(summary, arm, stream, "all_seen_classes")])
  return runs.table(["method", "working", "averaged"], rows)


def _row(stream: str, slots: int, arm: Arm, summary: Any) -> list[str]:
  published = mnist.PUBLISHED.get(stream, {}).get((arm.method, slots))
  counters = summary.get("counters", {})
  mean = lambda name: f"{np.mean(counters[name]):.1f}" if name in counters else "-"
  return [
      arm.title, *_cells(summary, arm, stream),
      "-" if published is None else f"{published:.2f}",
      mean("importance_updates"), mean("first_importance_step"),
      "ours" if summary["preset"]["ours"] else summary["preset"]["source"]]


def _cells(summary: Any, arm: Arm, stream: str, name: str = "final_average_accuracy") -> list[str]:
  """Of the working and the averaged network."""
  return ["-" if head is None else runs.mean_and_error(_accuracy(summary, head, stream, name), digits=2)
          for head in ("working", arm.head)]


def _accuracy(summary: Any, head: str, stream: str, name: str = "final_average_accuracy"
             ) -> list[float | None]:
  """The accuracy of that name of each seed."""
  return summary["heads"][head][continual.SETTINGS[stream]][name]


def _gain(whole: Sequence[float | None], without: Sequence[float | None]) -> str:
  """The paired difference; a dash if it is not known."""
  if None in (*whole, *without):
    return "-"
  return "{:+.2f} ± {}".format(np.mean(np.subtract(whole, without)), runs.mean_and_error(
      np.subtract(whole, without), digits=2).rpartition(" ")[2])


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
