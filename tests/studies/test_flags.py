"""What the studies ask for is there, and what they are asked for is checked."""

import pathlib

import pytest

from socialized_learning import streams
from studies import continual
from studies import dynamos
from studies import lewis
from studies import mnist
from studies import synergy


def test_settings_are_those_of_the_streams():
  settings = continual.SETTINGS | {name: each.setting for name, each in dynamos.STREAMS.items()}
  assert set(synergy.STREAMS) <= set(settings)
  assert settings == {name: streams.STREAMS[name.removesuffix("-unif")].setting
                      for name in settings}


def test_what_is_tried_out_lies_apart():
  parse = lambda *flags: continual.parse("mnist", "", ["rot-mnist"], ["--data=here", *flags])
  whole, tried = parse(), parse("--steps=100")
  assert whole.runs == pathlib.Path("runs/study_mnist")
  assert whole.page == pathlib.Path("docs/results/mnist.md")
  assert tried.runs == whole.runs / "100_steps" and tried.page == tried.runs / "mnist.md"
  assert parse("--steps=100", "--page=docs/mine.md").page == pathlib.Path("docs/mine.md")


@pytest.mark.parametrize("flag, words", [
    ("--processes=0", "'0' is not a whole number from 1 on"),
    ("--processes=many", "'many' is not a whole number"),
    ("--steps=0", "'0' is not a whole number"),
    ("--page=/nowhere/page.md", "there is no folder /nowhere"),
    (f"--runs={__file__}", "is a file, name a folder"),
    ("--streams=rot", "no such stream: rot; there are seq-mnist"),
])
def test_wrong_flags(flag, words, capsys):
  with pytest.raises(SystemExit, match="2"):
    mnist.main(["--data=here", flag])
  assert words in capsys.readouterr().err


def test_flags_that_all_studies_have(capsys):
  with pytest.raises(SystemExit, match="2"):
    lewis.main(["--processes=-1"])
  assert "'-1' is not a whole number from 1 on" in capsys.readouterr().err
