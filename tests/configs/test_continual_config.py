"""What the page about SYNERGy tells to type is there."""

import pathlib
import re

from socialized_learning.configs import continual_config

_PAGE = pathlib.Path(__file__).parents[2] / "docs" / "synergy.md"


def test_commands_of_the_page():
  page = _PAGE.read_text(encoding="utf-8")
  sweeps = re.findall(r"`\$run:([^`]+)`", page)
  assert len(sweeps) == 6
  configs = [continual_config.get_config(sweep) for sweep in sweeps]
  assert all(config.method == "synergy" and config.learner.average_filters
             and config.learner.fidelity == "clean" for config in configs)
  assert [config.stream.gcil_weights for config in configs[-2:]] == ["unif", "longtail"]
  options = set(re.findall(r"--config\.([a-z_.0-9]+)", page))
  assert len(options) > 15
  for option in options:
    group = configs[0]
    for name in option.split("."):
      assert name in group, option
      group = group[name]
