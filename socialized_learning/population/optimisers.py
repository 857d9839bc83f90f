"""Optimisers by name, all from optax."""

import functools

from ml_collections import config_dict
import optax

OPTIMISERS = ("adam", "adamw", "sgd")


def make_optimiser(config: config_dict.ConfigDict) -> optax.GradientTransformation:
  """Returns the optimiser `config.name`.

  Args:
    config: `name`, `learning_rate`, `b1`, `b2`, `eps` (Adam's), `weight_decay` (AdamW's), `momentum`
      (SGD's), `max_grad_norm`, above which the gradient is scaled down, and `skip_grad_norm`, from
      which on the step is left out and the optimiser's state stays (0: never).
  """
  if config.name == "sgd":
    optimiser = optax.sgd(config.learning_rate, momentum=config.momentum or None)
  elif config.name == "adam":
    optimiser = optax.adam(config.learning_rate, config.b1, config.b2, config.eps)
  else:
    optimiser = optax.adamw(config.learning_rate, config.b1, config.b2, config.eps,
                            weight_decay=config.weight_decay)
  if config.max_grad_norm:
    optimiser = optax.chain(optax.clip_by_global_norm(config.max_grad_norm), optimiser)
  if config.skip_grad_norm:
    skip = functools.partial(optax.skip_large_updates, max_squared_norm=config.skip_grad_norm**2)
    optimiser = optax.MultiSteps(optimiser, 1, should_skip_update_fn=skip).gradient_transformation()
  return optimiser
