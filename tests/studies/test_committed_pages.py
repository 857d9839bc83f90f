"""The committed pages of results are what the studies make of what was found."""

import argparse
import pathlib
import re

import numpy as np
import pytest

from socialized_learning.configs import presets
from studies import continual
from studies import dynamos
from studies import lewis
from studies import mnist
from studies import records
from studies import synergy

_RESULTS = pathlib.Path(__file__).parents[2] / "docs/results"
_FIVE = np.array([-2.0, -1, 0, 1, 2])


def _page(name):
  return (_RESULTS / f"{name}.md").read_text(encoding="utf-8")


def _summaries(name, jobs):
  """What is kept of the runs, by their names."""
  kept = records.Records(_RESULTS / f"{name}.md")
  found = {job.name: kept.read(job) for job in jobs}
  assert None not in found.values()
  return found


def test_dynamos():
  jobs = [dynamos.job(stream, *each, "here") for stream in dynamos.STREAMS
          for each in dynamos.combinations(stream)]
  assert dynamos.page(_summaries("dynamos", jobs)) == _page("dynamos")


def test_lewis(monkeypatch):
  monkeypatch.setattr(lewis.platform, "machine", lambda: "x86_64")  # Of the one that made them.
  every = [(setting, seed) for setting in lewis.SETTINGS for seed in range(5)]
  jobs = [job(*each) for each in every for job in (lewis._game, lewis._lessons)]
  assert lewis.page(lewis._by_setting(_summaries("lewis", jobs))) == _page("lewis")


def _seeds(cell):
  """Five numbers with the mean and standard error of a cell; five times None for a dash."""
  if cell == "-":
    return [None] * 5
  mean, error = map(float, cell.split(" ± "))
  return (mean + error * np.sqrt(5) * _FIVE / _FIVE.std(ddof=1)).tolist()


def _mnist_summary(stream, method, accuracy, forgetting, preset):
  numbers = {"final_average_accuracy": _seeds(accuracy), "forgetting": _seeds(forgetting)}
  return {"heads": {mnist._HEADS.get(method, "working"): {continual.SETTINGS[stream]: numbers}},
          "preset": {"ours": preset == "ours", "source": preset}}


def _mnist_summaries(page):
  """Summaries with the numbers of the page: its runs are not kept, but those from several starts."""
  flags = argparse.Namespace(data="here", steps=None)
  found = _summaries("mnist", [job for row in mnist.FROM_STARTS for job in mnist.starts(flags, row)])
  stream = None
  for line in page:
    if line.startswith("## "):
      stream = line.split()[1]
    cells = line.strip("| ").split(" | ")
    if len(cells) == 7 and "±" in line:  # method, slots, here, published, difference, forgetting, preset
      slots = int(cells[1].replace("-", "0"))
      found[continual.name(stream, cells[0], slots)] = _mnist_summary(
          stream, cells[0], cells[2], cells[5], cells[6])
    if len(cells) == 8 and "±" in line:  # stream, method, slots, seeds 0 to 4, seeds 5 to 9, …
      found[continual.name(*cells[:2], int(cells[2]), "again")] = _mnist_summary(
          *cells[:2], cells[4], "-", "-")
    if line.startswith("On perm-mnist online EWC"):
      for weight, accuracy in re.findall(r"(\d+): (\d+\.\d+ ± \d+\.\d+)", line):
        found[continual.name("perm-mnist", "ewc_on", 0, f"weight{weight}")] = _mnist_summary(
            "perm-mnist", "ewc_on", accuracy, "-", "-")
  return found


def test_mnist():
  page = _page("mnist")
  made = mnist.page(list(mnist.PUBLISHED), _mnist_summaries(page.splitlines()))
  # Rounded numbers are all there is to make it of: sums of them may be off in the last digit.
  number = re.compile(r"(?<![\w-])[+-]?\d+\.\d\d\b")
  assert number.sub("x", made) == number.sub("x", page)
  np.testing.assert_allclose([float(each) for each in number.findall(made)],
                             [float(each) for each in number.findall(page)], atol=0.011)


@pytest.mark.parametrize("name, streams", [("mnist", mnist.PUBLISHED), ("synergy", synergy.STREAMS)])
def test_where_the_presets_of_a_page_come_from(name, streams):
  titles = {arm.title: arm.method for arm in (*synergy.ARMS, *synergy.STRONGER, *synergy.REDUCED_ARMS)}
  stream = slots = None
  num_rows = 0
  for line in _page(name).splitlines():
    if line.startswith("## "):
      stream = line.split()[1]
    if line.endswith(" slots:"):
      slots = int(line.split()[0])
    cells = line.strip("| ").split(" | ")
    if stream in streams and len(cells) == 7 and "±" in line:
      method, of_row = titles.get(cells[0], cells[0]), slots or int(cells[1].replace("-", "0"))
      row = presets.preset(method, stream, of_row)
      assert cells[-1] == ("ours" if row["ours"] else row["source"]), line
      num_rows += 1
  assert num_rows > 50


def test_synergy_in_words():
  """All but the numbers in its tables, which need the runs."""
  words = lambda page: [line for line in page.splitlines() if not line.startswith("|")]
  numbers = dict.fromkeys(("final_average_accuracy", "all_seen_classes"), [1.0, 2.0])
  summary = {"preset": {"ours": True}, "heads": {head: {setting: numbers for setting in (
      "class_il", "domain_il", "general")} for head in ("working", "semantic", "stable")}}
  names = [continual.name(stream, arm.method, slots, arm.variant) for stream, of_one in synergy.STREAMS.items()
           for slots in of_one for arm in synergy.arms(stream, slots)]
  assert words(synergy.page(list(synergy.STREAMS), dict.fromkeys(names, summary))) == words(_page("synergy"))
