"""Which findings of "Emergent Communication at Scale" show on emoji: makes docs/results/lewis.md.

  python -m studies.lewis [--runs=runs/study_lewis] [--processes=2] [--page=docs/results/lewis.md]

One pair, ten pairs and ten pairs with imitation, five seeds each, and on every run's speakers an
ease-of-learning run. What is there already is not run again; the page is written at the end.
Cost: about 40 minutes on 2 cores.
"""

from collections.abc import Callable, Mapping, Sequence
import platform
import sys
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from studies import records
from studies import runs

_CONFIGS = "socialized_learning/configs"
_SEEDS = range(5)
_STEPS, _LESSON_STEPS = 4000, 1000
_IMITATION = dict(interval=100, num_students=1, teacher="best")


class Setting(NamedTuple):
  """One kind of population."""
  title: str
  options: tuple[str, ...]


def _population(size: int) -> tuple[str, ...]:
  return runs.options("config.population",
                      dict(num_speakers=size, num_listeners=size, num_pairs=size))


SETTINGS = {
    "one_pair": Setting("1 pair", _population(1)),
    "ten_pairs": Setting("10 pairs", _population(10)),
    "imitation": Setting("10 pairs + imitation",
                         _population(10) + runs.options("config.imitation", _IMITATION)),
}


class Run(NamedTuple):
  """What one seed of one setting left behind."""
  game: Mapping[str, Any]  # summary.json of the game, and its last line of validation
  lessons: Mapping[str, Any]  # summary.json of the ease of learning


def main(arguments: Sequence[str]) -> int:
  """Makes what is missing, then the page; returns the exit status."""
  flags = runs.parse(runs.parser("lewis", __doc__), arguments)
  every = [(setting, seed) for seed in _SEEDS for setting in SETTINGS]
  games, lessons = [_game(*each) for each in every], [_lessons(*each) for each in every]
  kept = records.Records(flags.page)
  to_learn_from = [game for game, lesson in zip(games, lessons, strict=True) if not kept.read(lesson)]
  return runs.complete(flags, [*games, *lessons], lambda summaries: page(_by_setting(summaries)),
                       first=to_learn_from)


def _name(setting: str, seed: int) -> str:
  return f"{setting}-seed{seed}"


def _game(setting: str, seed: int) -> records.Job:
  return records.Job(_name(setting, seed), _STEPS, (
      f"--config={_CONFIGS}/lewis_config.py:emoji", f"--config.random_seed={seed}",
      "--config.evaluation.interval=250", "--config.evaluation.checkpoint=best",
      *SETTINGS[setting].options), logged=("valid",))


def _lessons(setting: str, seed: int) -> records.Job:
  name = _name(setting, seed)
  return records.Job(f"{name}-lessons", _LESSON_STEPS, (
      f"--config={_CONFIGS}/ease_of_learning_config.py",
      f"--config.random_seed={seed}",  # Newcomers and batches are others in each seed, too.
      f"--config.speaker_checkpoint={records.RUNS}/{name}", "--config.speaker_series=best"))


def _by_setting(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Run]]:
  names = {setting: [_name(setting, seed) for seed in _SEEDS] for setting in SETTINGS}
  return {setting: [Run(summaries[name], summaries[f"{name}-lessons"]) for name in of_seeds]
          for setting, of_seeds in names.items()}


Measure = Callable[[Run], float]


def _of(*path: str) -> Measure:
  """Reads a number of a run's summaries, by its path."""

  def read(run):
    value: Any = run._asdict()
    for name in path:
      value = value[name]
    return value

  return read


MEASURES: dict[str, Measure] = {
    "test accuracy": _of("game", "test", "accuracy"),
    "under noise": _of("game", "robustness", "accuracy"),
    "drop under noise": _of("game", "robustness", "accuracy_drop"),
    "topographic similarity": _of("game", "test", "topographic_similarity"),
    "ease of learning (area)": _of("lessons", "ease_of_learning", "area_under_curve", "mean"),
    "newcomers' test accuracy": _of("lessons", "test", "accuracy", "mean"),
}
_VOTE = {
    "test accuracy": _of("game", "test", "accuracy_vote"),
    "under noise": _of("game", "robustness", "accuracy_vote"),
    "drop under noise": _of("game", "robustness", "accuracy_vote_drop"),
}


def page(results: Mapping[str, list[Run]]) -> str:
  """The page in Markdown."""
  some = results["one_pair"][0]
  rows = [[SETTINGS[setting].title, *(runs.mean_and_error([read(run) for run in found])
                                      for read in MEASURES.values())]
          for setting, found in results.items()]
  rows.append(["10 pairs + imitation + vote", *(
      runs.mean_and_error([_VOTE[name](run) for run in results["imitation"]]) if name in _VOTE
      else "as above" for name in MEASURES)])
  overfit = [[SETTINGS[setting].title,
              runs.mean_and_error([run.game["valid"]["accuracy"] for run in found]),
              runs.mean_and_error([run.game["logged"]["valid"]["accuracy"] for run in found]),
              runs.mean_and_error([run.game["evaluated"]["step"] for run in found], digits=0)]
             for setting, found in results.items()]
  return "\n".join([
      "# Populations on the emoji game", "",
      "Made by `python -m studies.lewis` from what its runs left, which is kept in [lewis/](lewis).", "",
      f"- Data: `emoji`, {some.game['data']['kind']}: 1,119 drawings to learn from, 256 to choose "
      "checkpoints by, 256 to be tested on.",
      f"- Game: the `emoji` sweep, {_STEPS} steps, {len(_SEEDS)} seeds; the checkpoint is the best by "
      "validation accuracy, looked at every 250 steps (published: by the listeners' validation loss).",
      f"- Test: every game is one among {some.game['test']['num_candidates']} drawings; a blind guess "
      f"is right {some.game['test']['chance']:.4f} of the time. Noise: "
      f"{some.game['robustness']['noise']} standard deviations of each feature, both views.",
      f"- Imitation: every {_IMITATION['interval']} steps {_IMITATION['num_students']} speaker imitates "
      f"the {_IMITATION['teacher']} of those drawn (the published choice for ten pairs on ImageNet).",
      f"- Ease of learning: 3 fresh listeners for each speaker, {_LESSON_STEPS} steps, other starts and "
      "batches for each seed; area under the curve of training accuracy (1 would be perfect from the "
      "first step), and what they reach on the test drawings.",
      f"- Machine: {platform.machine()} {some.game['device_kind']}, 2 cores, one for each run.", "",
      "Means and standard errors over seeds.", "",
      runs.table(["", *MEASURES], rows), "",
      "How much is overfitting: validation accuracy of the checkpoint chosen, and after the last step.",
      "", runs.table(["", "chosen", f"after {_STEPS} steps", "chosen at step"], overfit), "",
      "## The published findings, on these data", "",
      "A difference counts if it is more than two standard errors from nothing: of the two means, or for "
      "the vote of the differences within a run.", "",
      runs.table(["published", "difference here", "here"], findings(results)), "",
      "What differs from the published runs: 1,119 drawings instead of 169,444 (CelebA) and 1.3 "
      "million (ImageNet) photographs. Validation accuracy falls after its best, most with one pair (second "
      "table).", "",
      "Correlations are over all runs, so they compare kinds of populations as much as seeds. Within a kind "
      f"({len(_SEEDS)} runs each) those with newcomers' test accuracy are {_within(results)}: what the last "
      "row says is of kinds, not of runs of one kind.",
      ""])


def _within(results: Mapping[str, list[Run]]) -> str:
  """Spearman correlations of newcomers' accuracy and test accuracy, for each kind of population."""
  numbers = lambda name, found: [MEASURES[name](run) for run in found]
  of_kind = [(SETTINGS[setting].title, stats.spearmanr(
      numbers("newcomers' test accuracy", found), numbers("test accuracy", found)).statistic)
             for setting, found in results.items()]
  return ", ".join(f"{value:+.2f} ({title})" for title, value in of_kind)


def findings(results: Mapping[str, list[Run]]) -> list[list[str]]:
  """Rows of the table of findings: what was published, the difference here, what that says."""
  numbers = lambda setting, read: [read(run) for run in results[setting]]
  accuracy, drop = MEASURES["test accuracy"], MEASURES["drop under noise"]
  compared = [
      ("more pairs alone hardly generalise better (CelebA +2.1, ImageNet -0.3 points)",
       numbers("ten_pairs", accuracy), numbers("one_pair", accuracy)),
      ("imitation makes ten pairs generalise better (+0.8, +1.0)",
       numbers("imitation", accuracy), numbers("ten_pairs", accuracy)),
      ("a vote of the listeners is better than one of them (+0.4, +0.2)",
       numbers("imitation", _VOTE["test accuracy"]), numbers("imitation", accuracy), True),
      ("ten pairs lose less under noise than one (CelebA -0.3, ImageNet -4.3)",
       numbers("ten_pairs", drop), numbers("one_pair", drop)),
      ("imitation makes the loss under noise smaller (-2.1, -1.1)",
       numbers("imitation", drop), numbers("ten_pairs", drop)),
  ]
  rows = [[text, *_compare(*compare)] for text, *compare in compared]
  every = [run for found in results.values() for run in found]
  for text, name in (
      ("topographic similarity says nothing about generalisation (not significant)",
       "topographic similarity"),
      ("ease and transfer of learning go with generalisation (correlation above 0.9)",
       "newcomers' test accuracy")):
    correlation = stats.spearmanr([MEASURES[name](run) for run in every],
                                  [accuracy(run) for run in every])
    rows.append([text, f"Spearman {correlation.statistic:+.2f}, p = {correlation.pvalue:.2g}",
                 "goes together" if correlation.pvalue < 0.05 and correlation.statistic > 0 else
                 "goes against" if correlation.pvalue < 0.05 else "no relation seen"])
  return rows


def _compare(first: Sequence[float], second: Sequence[float], same_runs: bool = False
            ) -> tuple[str, str]:
  """The difference of two means in points, and whether it is one; of two measures of the same runs
  the error is that of their differences."""
  difference = 100 * (np.mean(first) - np.mean(second))
  error = 100 * (stats.sem(np.subtract(first, second)) if same_runs
                 else np.hypot(stats.sem(first), stats.sem(second)))
  says = "no difference seen" if abs(difference) <= 2 * error else (
      "higher" if difference > 0 else "lower")
  return f"{difference:+.1f} ± {error:.1f} points", says


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
