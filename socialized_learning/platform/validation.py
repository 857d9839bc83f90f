"""Validation during training: looks at the population now and then and keeps the best one.

The same `best` series and the same entries as `jaxline.train.evaluate` writes in a second thread.
"""

from collections.abc import Mapping
from typing import Any

from jaxline import utils
from ml_collections import config_dict

from socialized_learning.platform import checkpoints
from socialized_learning.platform.errors import UserError


class Validation:
  """Calls the experiment's `evaluate` and saves it where the chosen metric is better than before."""

  def __init__(self, config: config_dict.ConfigDict, checkpointer: checkpoints.OrbaxCheckpointer,
               writer: utils.Writer, best: float | None):
    """Prepares validation.

    Args:
      config: `best_model_eval_metric` and whether higher is better.
      checkpointer: holds the experiment under way, saves the best.
      writer: gets the numbers.
      best: the best value so far, None if there is none.
    """
    self._metric = config.best_model_eval_metric
    self._sign = 1 if config.best_model_eval_metric_higher_is_better else -1
    self._checkpointer = checkpointer
    self._writer = writer
    self._best = best

  def periodic_action(self, config: config_dict.ConfigDict) -> utils.PeriodicAction:
    """Runs `look` every `config.evaluation.interval` steps and after the last."""
    return utils.PeriodicAction(
        self.look, interval_type="steps", interval=config.evaluation.interval, run_async=False,
        end_step_to_action=config.training_steps)

  def look(self, step: int, train_scalars: Mapping[str, Any]) -> None:
    """Evaluates; a metric that is not a number is never the best.

    Raises:
      UserError: there is no such metric.
    """
    del train_scalars
    latest = self._checkpointer.get_experiment_state("latest")
    scalars = latest.experiment_module.evaluate(global_step=step, rng=None, writer=self._writer)
    self._writer.write_scalars(step, scalars)
    if not self._metric:
      return
    if self._metric not in scalars:
      raise UserError(f"best_model_eval_metric={self._metric!r}: choose one of {', '.join(scalars)}")
    value = scalars[self._metric]
    if value != value:
      return
    if self._best is None or self._sign * value > self._sign * self._best:
      self._best = value
      best = self._checkpointer.get_experiment_state("best")
      best.global_step = step
      best.experiment_module = latest.experiment_module
      best.best_eval_metric_value = value
      best.best_model_eval_metric = self._metric
      best.train_step_rng = latest.train_step_rng
      self._checkpointer.save("best")
