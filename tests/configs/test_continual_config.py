"""The recipe of continual learning: network, stream, where a preset's values stand; command lines."""

import pathlib
import re

import pytest

from socialized_learning.configs import common
from socialized_learning.configs import continual_config
from socialized_learning.experiments import continual_results
from socialized_learning.platform.errors import UserError
from socialized_learning.platform.run_folder import RunFolder

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("sweep, kind, width, has_agents", [
    ("er,seq-mnist,500", "mlp", 64, False),
    ("er,seq-cifar10,500", "resnet18", 64, False),
    ("sgd,mnist5k-360", "mlp", 64, False),
    ("multi_scale,mnist5k-360,200", "gated_resnet", 32, False),
    ("multi_scale,seq-svhn,500", "gated_resnet", 32, False),
    ("dynamos_sgd,seq-mnist", "gated_resnet", 32, True),
    ("dynamos,seq-cifar100,1000", "gated_resnet", 32, True),
])
def test_network(sweep, kind, width, has_agents):
  network = continual_config.get_config(sweep).network
  assert (network.kind, network.width, network.has_agents) == (kind, width, has_agents)
  assert network.grey_as_colour == (kind == "gated_resnet")


def test_values_of_a_preset_stand_in_their_groups():
  config = continual_config.get_config("dynamos,seq-svhn,500")
  assert (config.batch_size, config.num_epochs, config.network.policy_temperature) == (16, 70, 0.15)
  assert (config.inference.mode, config.inference.threshold) == ("threshold", 0.5)
  assert config.learner.policy_logit_weight == 1.0 and config.learner.warmup_epochs == 10
  assert config.learner.buffer_size == 500 and "width" not in config.learner
  assert continual_results.changed_values(config) == {}
  config.learner.keep_ratio, config.network.width, config.num_epochs = 0.5, 16, 1
  assert continual_results.changed_values(config) == {
      "keep_ratio": {"preset": 0.7, "given": 0.5}, "network.width": {"preset": 32, "given": 16},
      "num_epochs": {"preset": 70, "given": 1}}


def test_a_run_is_resumed_when_only_the_words_about_its_preset_have_changed(tmp_path):
  folder, config = RunFolder.open(tmp_path), continual_config.get_config("si,rot-mnist5k").to_dict()
  before = dict(config, preset=dict(source="cls-er", ours=True, reason="not in the tables"))
  folder.write_config(before)
  folder.check_config(config, common.FREE_KEYS)
  with pytest.raises(UserError, match="num_epochs=1, now 2"):
    folder.check_config(dict(config, num_epochs=2), common.FREE_KEYS)


@pytest.mark.parametrize("sweep, short_batch, outputs", [
    ("er,seq-mnist,500", "stream", 10), ("multi_scale,seq-mnist,500", "keep", 10),
    ("er,mnist-360,500", "stream", 10), ("dynamos,mnist5k-360,500", "stream", 9)])
def test_streams_are_walked_as_published(sweep, short_batch, outputs):
  stream = continual_config.get_config(sweep).stream
  assert (stream.short_batch, stream.mnist360_outputs) == (short_batch, outputs)


def test_command_lines_of_the_readme():
  sweeps = re.findall(r"`\$continual:([a-z0-9_,-]+)", (_ROOT / "README.md").read_text(encoding="utf-8"))
  assert len(sweeps) == 7
  configs = [continual_config.get_config(sweep) for sweep in sweeps]
  assert [config.method for config in configs] == ["synergy"] * 5 + ["dynamos"] * 2
  assert [config.stream.gcil_weights for config in configs[3:5]] == ["unif", "longtail"]
  assert all(config.learner.average_filters for config in configs[:5])
  assert all(config.learner.fidelity == "clean" for config in configs)


@pytest.mark.parametrize("page, sweep", [("synergy", "synergy,rot-mnist,500"),
                                         ("dynamos", "dynamos,seq-mnist,500")])
def test_options_of_a_page(page, sweep):
  text = (_ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
  options = set(re.findall(r"--config\.([a-z_.0-9]+)", text))
  assert len(options) > 5
  for option in options:
    group = continual_config.get_config(sweep)
    for name in option.split("."):
      assert name in group, option
      group = group[name]
