"""What can be wrong with any configuration, said in one line before anything is built."""

from collections.abc import Iterable, Mapping
import functools
import math
from typing import Any

import jax
from jaxline import base_config
from ml_collections import config_dict

from socialized_learning.platform import jaxline_shim
from socialized_learning.platform.errors import UserError
from socialized_learning.population import optimisers

_INTERVAL_TYPES = ("interval_type", "checkpoint_interval_type", "logging_interval_type")
_WITHOUT_EFFECT = ("log_all_train_data", "log_all_hosts", "eval_initial_weights", "one_off_evaluate",
                   "train_checkpoint_all_hosts", "best_checkpoint_all_hosts", "random_mode_train",
                   "random_mode_eval")
_MOST = 2**31 - 1  # What is counted on a device.
_COUNTS = ("training_steps", "batch_size", "updates_per_call", "log_train_data_interval",
           "log_tensors_interval", "save_checkpoint_interval", "max_checkpoints_to_keep")


def require(condition: bool, message: str) -> None:
  """Raises UserError with `message` unless `condition`."""
  if not condition:
    raise UserError(message)


def at(config: config_dict.ConfigDict, path: str) -> Any:
  """The value at a dotted path."""
  return functools.reduce(lambda node, name: node[name], path.split("."), config)


def _check_jaxline(config: config_dict.ConfigDict) -> None:
  """Raises UserError for settings of Jaxline's that this project has no use for."""
  base = base_config.get_base_config()
  for name in _WITHOUT_EFFECT:
    require(config[name] == base[name], f"{name}={config[name]!r} has no effect here: leave it at "
            f"{base[name]!r}")


def check_run(config: config_dict.ConfigDict) -> None:
  """Raises UserError for values that no run can have, of the settings all recipes share."""
  check_at_least_1(config, _COUNTS)
  check_seed(config)
  for key in _INTERVAL_TYPES:
    require(config[key] in ("steps", None),
            f"{key}={config[key]!r}: intervals are counted in 'steps'")
  # With another axis than that of Jaxline's arrays a step would be compiled twice.
  check_choices(config, {"axis_name": (jaxline_shim.DEVICE_AXIS,)})
  _check_jaxline(config)
  num_devices = jax.device_count()
  require(config.batch_size % num_devices == 0,
          f"batch_size={config.batch_size} is not divisible by {num_devices} devices: use "
          f"{-(-config.batch_size // num_devices) * num_devices}, or fewer devices")


def check_seed(config: config_dict.ConfigDict) -> None:
  """Raises UserError for a seed that a key of JAX cannot be made of."""
  require(0 <= config.random_seed < 2**32,
          f"random_seed={config.random_seed}: must be from 0 to {2**32 - 1}")


def check_at_least_1(config: config_dict.ConfigDict, paths: Iterable[str]) -> None:
  """Raises UserError unless the values at `paths` are whole numbers from 1 on, of 32 bits."""
  for path in paths:
    value = at(config, path)
    require(value >= 1 and value % 1 == 0, f"{path}={value}: must be a whole number, at least 1")
    require(value <= _MOST, f"{path}={value}: must be at most {_MOST}")


def check_not_negative(config: config_dict.ConfigDict, paths: Iterable[str]) -> None:
  """Raises UserError unless the values at `paths` are finite and at least 0; integers of 32 bits."""
  for path in paths:
    value = at(config, path)
    require(0 <= value < math.inf, f"{path}={value}: must not be negative, and be finite")
    require(value <= _MOST or isinstance(value, float), f"{path}={value}: must be at most {_MOST}")


def check_positive(config: config_dict.ConfigDict, paths: Iterable[str]) -> None:
  """Raises UserError unless the values at `paths` are finite and above 0."""
  for path in paths:
    value = at(config, path)
    require(0 < value < math.inf, f"{path}={value}: must be above 0, and finite")


def check_shares(config: config_dict.ConfigDict, paths: Iterable[str]) -> None:
  """Raises UserError unless the values at `paths` are from 0 to 1."""
  for path in paths:
    value = at(config, path)
    require(0 <= value <= 1, f"{path}={value}: must be from 0 to 1")


def check_optimiser(config: config_dict.ConfigDict, path: str) -> None:
  """Raises UserError for settings that no optimiser of `population.optimisers` can have."""
  check_choices(config, {f"{path}.name": optimisers.OPTIMISERS})
  check_not_negative(config, [f"{path}.{name}" for name in (
      "learning_rate", "weight_decay", "max_grad_norm", "skip_grad_norm")])
  check_positive(config, [f"{path}.eps"])
  for name in ("b1", "b2", "momentum"):
    value = at(config, f"{path}.{name}")
    require(0 <= value < 1, f"{path}.{name}={value}: must be at least 0 and below 1")


def check_layers(config: config_dict.ConfigDict, paths: Iterable[str]) -> None:
  """Raises UserError unless the values at `paths` are sizes of layers."""
  for path in paths:
    sizes = at(config, path)
    require(all(isinstance(size, int) and size is not True and size >= 1 for size in sizes),
            f"{path}={sizes}: every layer needs a whole number of units, at least 1")


def check_choices(config: config_dict.ConfigDict, choices: Mapping[str, Iterable[str]]) -> None:
  """Raises UserError unless the value at each path is one of its choices."""
  for path, known in choices.items():
    value = at(config, path)
    require(value in known, f"{path}={value!r}: choose one of "
            f"{', '.join(name or repr(name) for name in known)}")
