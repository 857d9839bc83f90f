"""The page of the study of SYNERGy, from made-up summaries."""

import argparse

import pytest

from studies import continual
from studies import mnist
from studies import synergy


def _summary(job):
  method = job.options[0].rpartition(":")[2].split(",")[0]
  stream = next(stream for stream in synergy.STREAMS if job.name.startswith(stream))
  base = {"er": 60.0, "derpp": 62.0, "clser": 70.0, "mean_er": 71.0, "synergy": 73.0}[method]
  heads = {"clser": ("plastic", "stable", "working"), "mean_er": ("semantic", "working"),
           "synergy": ("semantic", "working")}.get(method, ("working",))
  accuracy = {head: [base + number + seed * (2 if method == "synergy" else 1) for seed in range(5)]
              for number, head in enumerate(heads)}
  numbers = lambda head: {"final_average_accuracy": accuracy[head], "forgetting": [None] * 5} | (
      {"all_seen_classes": [value - 30 for value in accuracy[head]]} if "gcil" in stream else {})
  summary = {"preset": {"ours": False, "source": "synergy"},
             "heads": {head: {continual.SETTINGS[stream]: numbers(head)} for head in heads}}
  if method == "synergy":
    summary["counters"] = {"importance_updates": [700, 701, 702, 703, 704],
                           "first_importance_step": [1, 1, 1, 2, 3]}
  return summary


@pytest.fixture(name="made")
def _made(made_up):
  """(jobs by name, lines of the page)."""
  return made_up(synergy, _summary, "--data=here",
                 "--streams=rot-mnist,seq-mnist,seq-cifar100,gcil-cifar100-unif")


def test_runs(made):
  jobs, _ = made
  assert len(jobs) == 5 * len(synergy.ARMS) + 2 * len(synergy.STRONGER) + 2 * len(synergy.REDUCED_ARMS)
  assert "--config.learner.penalty_weight=100.0" in jobs["seq-mnist-synergy-500-penalty_100"].options
  assert "--config.learner.ema_decay=0.0" in jobs["rot-mnist-synergy-1000-no_average"].options
  assert jobs["seq-mnist-mean_er-200"].options[0].endswith(":mean_er,seq-mnist,200")
  reduced = jobs["seq-cifar100-synergy-500-no_filters"].options
  assert {"--config.learner.average_filters=False", "--config.learner.ema_decay=0.99",
          "--config.network.width=8", "--config.num_epochs=2", "--config.population.size=2"
         } <= set(reduced)
  assert not any("ema_decay" in option for option in jobs["seq-cifar100-er-500"].options)
  # What the other study made is used, not made again.
  flags = argparse.Namespace(data="here", steps=None)
  for method in ("er", "derpp", "clser"):
    assert (method, 500) in mnist.PUBLISHED["rot-mnist"]
    theirs = continual.job(flags, "rot-mnist", method, 500)
    assert jobs[f"rot-mnist-{method}-500"] == theirs


def test_page(made):
  _, page = made
  of = lambda title: [line for line in page if line.startswith(f"| {title} |")]
  assert of("ER")[0] == "| ER | 62.00 ± 0.71 | - | 85.01 | - | - | synergy |"
  assert of("CLS-ER")[4] == "| CLS-ER | 74.00 ± 0.71 | 73.00 ± 0.71 | 92.05 | - | - | synergy |"
  assert of("SYNERGy")[1] == (
      "| SYNERGy | 78.00 ± 1.41 | 77.00 ± 1.41 | - | 702.0 | 1.6 | synergy |")
  # Seeds are compared one by one: 2 + 2 s against s.
  assert of("what the penalty adds")[0].startswith(
      "| what the penalty adds | +4.00 ± 0.71 | +4.00 ± 0.71 |")
  heading = page.index("## seq-cifar100 (class-il)")
  assert page[heading + 2].startswith("**A reduced setting**, not to be compared with published")
  heading = page.index("## gcil-cifar100-unif (class-il)")
  all_classes = [line for line in page[heading:] if line.startswith("| SYNERGy |")]
  assert all_classes[0].startswith("| SYNERGy | 78.00 ± 1.41 | 77.00 ± 1.41 |")
  assert all_classes[1] == "| SYNERGy | 48.00 ± 1.41 | 47.00 ± 1.41 |"
  assert page[-1] == "Not run yet: mnist-360, perm-mnist."
