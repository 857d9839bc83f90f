"""The option that was meant."""

import pytest

from socialized_learning.configs import continual_config
from socialized_learning.configs import lewis_config
from socialized_learning.configs import masc_config
from socialized_learning.platform import option_hints


@pytest.mark.parametrize("config, unknown, first", [
    (lewis_config, "seed", "random_seed"),
    (continual_config, "seed", "random_seed"),
    (masc_config, "lr", "learning_rate"),
    (continual_config, "lr", "learner.learning_rate"),
    (lewis_config, "steps", "training_steps"),
    (masc_config, "steps", "training_steps"),
    (lewis_config, "epochs", "training_steps"),
    (continual_config, "epochs", "num_epochs"),
    (lewis_config, "batch", "batch_size"),
    (continual_config, "buffer", "learner.buffer_size"),
    (lewis_config, "dataset", "data.name"),
    (lewis_config, "message.lenght", "message.length"),
    (masc_config, "num_agents", "groups.num_agents"),
    (masc_config, "network.tempreature", "temperature"),
])
def test_the_likeliest_option(config, unknown, first):
  options = list(option_hints.options_of(config.get_config()))
  assert option_hints.suggest(unknown, options)[0] == f"--config.{first}"


def test_several_are_named():
  options = list(option_hints.options_of(lewis_config.get_config()))
  assert set(option_hints.suggest("lr", options)) == {
      "--config.speaker_optimiser.learning_rate", "--config.listener_optimiser.learning_rate"}


def test_flags_and_nothing():
  options = list(option_hints.options_of(continual_config.get_config()))
  assert option_hints.suggest("output_dir", options) == ["--workdir"]
  assert not option_hints.suggest("nothing", options)
  assert not [path for path in options if path.startswith("preset")]
