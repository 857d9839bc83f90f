"""What a Lewis game's configuration is completed to."""

import pytest

from socialized_learning.configs import lewis_config
from socialized_learning.experiments import lewis


@pytest.mark.parametrize("sweep, metric, higher", [
    ("imagenet", "valid/loss", False), ("celeba", "valid/loss", False),
    ("emoji", "valid/accuracy", True)])
def test_the_better_end_is_the_metrics(sweep, metric, higher):
  config = lewis.LewisExperiment.resolve(lewis_config.get_config(sweep), None)
  assert config.best_model_eval_metric == metric
  assert config.best_model_eval_metric_higher_is_better == higher
