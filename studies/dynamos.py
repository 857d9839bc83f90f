"""What switching channels off does to continual learning: makes docs/results/dynamos.md.

  python -m studies.dynamos --data=DIR [--streams=seq-mnist,mnist-360] [--runs=runs/study_dynamos]
    [--processes=2] [--page=docs/results/dynamos.md] [--show]

DIR holds MNIST in any format (`data.sources`). Dynamos with every published memory beside the same
without a memory, without agents (multi-scale replay), experience replay and fine-tuning, all on the
same network with the same learning rate and batches. Every run is three seeds at once. What is
there already is not run again. The page shows what there is of all streams and says what is not;
with `--show` nothing is run. Cost: about eight hours on 2 cores, half of it seq-mnist.
"""

from collections.abc import Mapping, Sequence
import sys
from typing import Any, NamedTuple

import numpy as np

from studies import records
from studies import runs

_RECIPE = "socialized_learning/configs/continual_config.py"
_SEEDS = 3
_NETWORK = runs.options("config.network", dict(kind="gated_resnet", width=32, grey_as_colour=True))


class Stream(NamedTuple):
  """One stream, and how Dynamos was published on it."""
  setting: str
  slots: tuple[int, ...]
  batch_size: int  # Of current and of replayed examples.
  er_slots: int  # The row of experience replay that is taken over.
  options: tuple[str, ...]  # The stream as Dynamos walks it.


STREAMS = {
    "seq-mnist": Stream("class_il", (500, 1000, 2000), 10, 500,
                        ("--config.stream.short_batch=keep",)),
    "mnist-360": Stream("general", (100, 200, 500), 16, 200,
                        ("--config.stream.mnist360_outputs=9",)),
}
_LEARNING_RATE = 0.07  # Of all published rows.
_THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)
# Images in the last batch of each task of seq-mnist, where short batches are kept.
_LAST_BATCHES = (5, 9, 3, 3, 10)
_WITH_MEMORY, _WITHOUT = ("dynamos", "multi_scale", "er"), ("dynamos_sgd", "sgd")


def main(arguments: Sequence[str]) -> int:
  """Makes what is missing, then the page; returns the exit status."""
  parser = runs.parser("dynamos", __doc__)
  parser.add_argument("--data", required=True, help="folder that holds MNIST")
  parser.add_argument("--show", action="store_true", help="run nothing, show what there is")
  flags = runs.parse(parser, arguments, streams=STREAMS)
  jobs = {stream: [job(stream, *each, flags.data) for each in combinations(stream)]
          for stream in STREAMS}
  wanted = [] if flags.show else flags.streams
  return runs.complete(flags, [each for stream in wanted for each in jobs[stream]], page,
                       shown=[each for of_one in jobs.values() for each in of_one])


def _picture(stream: str) -> str:
  return f"dynamos_{stream}.png"


def combinations(stream: str) -> list[tuple[str, int]]:
  """The methods of a stream, each with the slots of its memory."""
  return [*((method, slots) for slots in STREAMS[stream].slots for method in _WITH_MEMORY),
          *((method, 0) for method in _WITHOUT)]


def _name(stream: str, method: str, slots: int) -> str:
  return f"{stream}-{method}-{slots}"


def job(stream: str, method: str, slots: int, data: str) -> records.Job:
  """One run: the preset, or what comes nearest to it with the values of Dynamos."""
  walk = STREAMS[stream]
  sweep, given = [method, stream, *([str(slots)] if slots else [])], ()
  if method in ("er", "sgd"):
    sweep = [method, stream, *([str(walk.er_slots)] if slots else [])]
    learner = dict(learning_rate=_LEARNING_RATE)
    if slots:
      learner |= dict(buffer_size=slots, replay_batch_size=walk.batch_size)
    given = (f"--config.batch_size={walk.batch_size}", *walk.options, *_NETWORK,
             *runs.options("config.learner", learner))
  elif method == "dynamos":
    given = (f"--config.evaluation.thresholds={_THRESHOLDS}",)
  pictured = (method, slots) == ("dynamos", walk.slots[-1])
  return records.Job(_name(stream, method, slots), None, (
      f"--config={_RECIPE}:{','.join(sweep)}", f"--config.population.size={_SEEDS}",
      f"--config.data.dir={data}", "--config.log_train_data_interval=500", *given),
                     {"sparsity.png": _picture(stream)} if pictured else {})


def page(summaries: Mapping[str, Mapping[str, Any]]) -> str:
  """The page in Markdown of those runs that are done."""
  parts = [
      "# Dynamos: dynamic sparsity on MNIST", "",
      "Made by `python -m studies.dynamos` from what its runs left, which is kept in [dynamos/](dynamos).",
      "",
      f"Real MNIST, all 60,000 and 10,000 images. Mean ± standard error over {_SEEDS} seeds, each "
      "with its own start and order; clean fidelity. **All methods train the network of Dynamos** "
      f"(base width 32; `dynamos` and `dynamos_sgd` with its agents) with learning rate "
      f"{_LEARNING_RATE} and the batches of Dynamos' published rows: `er` and `sgd` were not tuned "
      "for it. No accuracies of the paper could be read, so that there is nothing to compare with "
      "but the methods beside it.",
      "", "`keep rate`: share of the channels kept, thresholded as in the test, and as they would "
      "be drawn. `MACs`: multiply-accumulates of an image if what is dropped is skipped, as a share "
      "of the dense network's; of the arithmetic, not of the time (see docs/dynamos.md).",
      "", f"**A ranking by {_SEEDS} seeds is unreliable here.** Each test comes right after a step of learning "
      f"rate {_LEARNING_RATE}, with running statistics of the last ten batches or so. On seq-mnist the last two "
      "steps took 13 to 22 points from three of the nine runs of `dynamos` (see docs/dynamos.md), more than "
      "the means of any two methods with a memory differ by.",
      *runs.order_note(summaries.values())]
  missing = []
  for stream, walk in STREAMS.items():
    done = {each: summaries[_name(stream, *each)] for each in combinations(stream)
            if _name(stream, *each) in summaries}
    missing += [_name(stream, *each) for each in combinations(stream) if each not in done]
    if done:
      parts += ["", *_section(stream, walk, done)]
  if missing:
    parts += ["", f"Not run yet: {', '.join(missing)}."]
  return "\n".join([*parts, ""])


def _section(stream: str, walk: Stream, done: Mapping[tuple[str, int], Mapping[str, Any]]) -> list[str]:
  """Of a stream, runs by method and slots."""
  parts = [f"## {stream} ({walk.setting.replace('_', '-')})", ""]
  if walk.setting == "class_il":
    *middle, last = _LAST_BATCHES
    parts += ["The short last batch of a task is kept, as published. So the tests after the first four tasks, "
              "from which forgetting is measured, follow steps on "
              f"{', '.join(map(str, middle))} images; the last one follows a step on {last}.", ""]
  parts += [runs.table(
      ["method", "slots", "accuracy, %", "of each seed", "forgetting", "keep rate", "drawn", "MACs"],
      [_row(*each, summary, walk.setting) for each, summary in done.items()])]
  if gated := {slots: summary for (method, slots), summary in done.items() if method == "dynamos"}:
    parts += _other_thresholds(gated)
  if most := gated.get(walk.slots[-1]):
    parts += [*_overlap(most, walk.slots[-1]), "",
              "The same as a picture, beside what the classes of the first seed keep:", "",
              f"![Channels that each class keeps, and how they overlap]({_picture(stream)})"]
  return parts


def _row(method: str, slots: int, summary: Mapping[str, Any], setting: str) -> list[str]:
  numbers = summary["heads"]["working"][setting]
  accuracy = numbers["final_average_accuracy"]
  row = [method, str(slots or "-"), runs.mean_and_error(accuracy, digits=2),
         ", ".join(f"{of_one:.1f}" for of_one in accuracy),
         runs.mean_and_error(numbers["forgetting"], digits=2)]
  found = summary.get("sparsity")
  if found is None:
    row += ["-"] * 3
  else:
    row += [runs.mean_and_error(np.mean(found["keep_rate"][name], axis=1))
            for name in ("thresholded", "drawn")]
    row.append(runs.mean_and_error(np.array(found["macs"]["thresholded"]) / found["macs"]["dense"]))
  return row


def _other_thresholds(summaries: Mapping[int, Mapping[str, Any]]) -> list[str]:
  """What the networks of Dynamos do if fewer or more channels pass, by the slots of their memory."""
  columns = []
  for summary in summaries.values():
    found, dense = summary["thresholds"], summary["sparsity"]["macs"]["dense"]
    columns.append([runs.mean_and_error(of_one, digits=2) for of_one in np.array(found["accuracy"]).T])
    columns.append([runs.mean_and_error(of_one / dense) for of_one in np.array(found["macs"]).T])
  header = [f"{what}, {slots} slots" for slots in summaries for what in ("accuracy, %", "MACs")]
  rows = [[str(threshold), *cells] for threshold, *cells in zip(_THRESHOLDS, *columns, strict=True)]
  return ["", "The same trained networks of `dynamos`, tested with other thresholds than 0.5 (accuracy "
          "of all test images among all outputs):", "", runs.table(["threshold", *header], rows)]


def _overlap(summary: Mapping[str, Any], slots: int) -> list[str]:
  """Which classes keep the same channels, of Dynamos with its largest memory."""
  overlap = summary["sparsity"]["overlap"]
  parts = []
  for name, values in overlap.items():
    mean = np.array(values, float).mean(axis=0)
    labels = [str(label) for label in range(len(mean))]
    rows = [[label, *(f"{value:.2f}" for value in row)] for label, row in zip(labels, mean)]
    parts += ["", f"Overlap of the channels that classes keep, {name}, `dynamos` with {slots} "
              "slots, mean over seeds:", "", runs.table(["", *labels], rows)]
  return parts


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
