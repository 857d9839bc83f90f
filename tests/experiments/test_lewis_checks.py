"""What a Lewis game's configuration is completed to."""

import pytest

from socialized_learning.configs import lewis_config
from socialized_learning.experiments import lewis
from socialized_learning.experiments import lewis_checks


@pytest.mark.parametrize("sweep, metric, higher", [
    ("imagenet", "valid/loss", False), ("celeba", "valid/loss", False),
    ("emoji", "valid/accuracy", True)])
def test_the_better_end_is_the_metrics(sweep, metric, higher):
  config = lewis.LewisExperiment.resolve(lewis_config.get_config(sweep), None)
  assert config.best_model_eval_metric == metric
  assert config.best_model_eval_metric_higher_is_better == higher


# Sweep -> data, steps, score, pairs, (students, steps between rounds of imitation); Chaabouni et al.
# 2022, appendix, and the released code's defaults.
_PUBLISHED = {
    "celeba": ("byol_celeb_a2", 200_000, "2cos-2", 1, None),
    "imagenet": ("byol_imagenet2012", 200_000, "2cos-2", 1, None),
    "imagenet_imitation": ("byol_imagenet2012", 200_000, "2cos-2", 10, (4, 10)),
    "celeba_paper": ("byol_celeb_a2", 300_000, "cos", 1, None),
    "celeba_paper_imitation": ("byol_celeb_a2", 300_000, "cos", 10, (1, 10)),
    "imagenet_paper": ("byol_imagenet2012", 900_000, "cos", 1, None),
    "imagenet_paper_imitation": ("byol_imagenet2012", 900_000, "cos", 10, (1, 100)),
}


@pytest.mark.parametrize("sweep", _PUBLISHED)
def test_settings_of_the_paper_and_of_the_released_code(sweep):
  config = lewis_config.get_config(sweep)
  lewis_checks.check_config(config)
  data, steps, score, pairs, imitation = _PUBLISHED[sweep]
  assert (config.data.name, config.training_steps, config.listener_loss.score) == (data, steps, score)
  sizes = config.population
  assert (sizes.num_speakers, sizes.num_listeners, sizes.num_pairs) == (pairs, pairs, pairs)
  found = (config.imitation.num_students, config.imitation.interval) if config.imitation.interval else None
  assert found == imitation
  assert (config.evaluation.checkpoint, config.best_model_eval_metric) == ("best", "valid/loss")
  assert config.batch_size == config.evaluation.num_candidates == 1024
  assert (config.speaker_loss.kl, config.speaker_loss.entropy, config.target_decay) == (0.5, 1e-4, 0.99)
