"""What changes a run's numbers without standing in its configuration.

Settings change which numbers are computed: a run that is resumed under other ones would continue as
another run. Versions and devices change rounding at most: they are kept and told.
"""

from collections.abc import Mapping
import os
import re
import shlex
from typing import Any

import jax
import jaxlib
import numpy as np

import socialized_learning
from socialized_learning.platform.errors import shown
from socialized_learning.platform.errors import UserError
from socialized_learning.population import compilation

Scalar = bool | int | float | str | None

# Options of JAX that change random numbers, precision, or what the compiler makes of an update. Those
# that only refuse programs (promotion of dtypes and ranks), or that left every bit of a run as it was
# (direct linearisation, rematerialisation, partitioners, asynchronous dispatch), are not among them.
_JAX_OPTIONS = (
    "jax_enable_x64", "jax_default_prng_impl", "jax_threefry_partitionable", "jax_random_seed_offset",
    "jax_high_dynamic_range_gumbel", "jax_default_matmul_precision", "jax_softmax_custom_jvp",
    "jax_disable_jit", "jax_disable_most_optimizations", "jax_optimization_level",
    "jax_exec_time_optimization_effort")
# Variables that others than JAX read: tensor cores of NVIDIA, the compiler of TPUs.
_VARIABLES = ("NVIDIA_TF32_OVERRIDE", "LIBTPU_INIT_ARGS")
# Flags of XLA that change how much is written or waited for, and the number of devices.
_HARMLESS_FLAG = re.compile("--xla_(dump_|force_host_platform_device_count)|.*(timeout|profile)")


def settings() -> dict[str, Scalar]:
  """Everything outside of the configuration that changes what a run computes: name -> value.

  Names in capitals are environment variables that can be set to their value (None: to be unset).
  """
  options = {name.upper(): getattr(jax.config, name)
             for name in _JAX_OPTIONS if hasattr(jax.config, name)}
  variables = {name: os.environ.get(name) or None for name in _VARIABLES}
  return options | variables | {"XLA_FLAGS": _xla_flags()}


def software() -> dict[str, Scalar]:
  """Versions and devices, which change how results are rounded: name -> value."""
  return {
      "socialized_learning": socialized_learning.__version__, "jax": jax.__version__,
      "jaxlib": jaxlib.__version__, "numpy": np.__version__, "device_kind": jax.devices()[0].device_kind,
      "devices": jax.device_count(), "processes": jax.process_count(),
      "compiler_options": shlex.join(f"{name}={value}" for name, value in compilation.options().items())}


def check_same(saved: Any, what: str) -> None:
  """Raises UserError unless `settings` are those of a checkpoint.

  Args:
    saved: what they were, None if they were not kept. Names that only one side knows are passed over.
    what: the checkpoint.
  """
  for name, now in settings().items():
    before = saved.get(name, now) if isinstance(saved, Mapping) else now
    if before != now:
      raise UserError(f"{what} was made with {_assigned(name, before)}, now {_value(now)}: "
                      f"{_remedy(name, before)}, or use a new --workdir")


def changed_software(saved: Any) -> str | None:
  """Says in one line which versions and devices are not those of a checkpoint; None if all are."""
  now = software()
  changed = [f"{name} {shown(saved[name])} (now {now[name]})" for name in now
             if isinstance(saved, Mapping) and saved.get(name, now[name]) != now[name]]
  return f"{', '.join(changed)}: results are the same up to rounding" if changed else None


def _xla_flags() -> str | None:
  """The flags of XLA that change numbers, in one order."""
  flags = shlex.split(os.environ.get("XLA_FLAGS", ""))
  return " ".join(sorted(flag for flag in flags if not _HARMLESS_FLAG.match(flag))) or None


def _remedy(name: str, value: Any) -> str:
  if not name.isupper():
    return "use the version of the program that made it"
  return f"unset {name}" if value is None else f"set {_assigned(name, value)}"


def _assigned(name: str, value: Any) -> str:
  return f"{name}={_value(value)}"


def _value(value: Any) -> str:
  return "(unset)" if value is None else shlex.quote(shown(value))
