"""What config.json says, by whichever version it was written, and how a configuration differs from it.

    {"format": 2, "version": "0.2.0", "batch_size": 256, ...}

Format 1, of version 0.1.0, is the configuration alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import socialized_learning
from socialized_learning.platform.errors import shown
from socialized_learning.platform.errors import UserError

FORMAT = 2
FIRST_VERSION = "0.1.0"  # Of files that name none.
_ABSENT = "(absent)"
_MAX_DIFFERENCES = 3  # How many differing keys an error names.


class StoredConfig(NamedTuple):
  """A configuration as it was written to a run folder or a checkpoint."""
  values: dict[str, Any]  # Nested, JSON values.
  version: str = socialized_learning.__version__  # Of the program that wrote it.


def pack(values: Mapping[str, Any]) -> dict[str, Any]:
  """The content of a config.json that holds the nested configuration `values`."""
  return {"format": FORMAT, "version": socialized_learning.__version__} | dict(values)


def unpack(content: Mapping[str, Any], where: str) -> StoredConfig:
  """What `pack` made a content of, by this version or an earlier one.

  Raises:
    UserError: it is of a newer format; the message names `where`.
  """
  values = dict(content)
  found, version = values.pop("format", 1), values.pop("version", FIRST_VERSION)
  if found not in range(1, FORMAT + 1):
    raise UserError(f"{where} has format {shown(found)}, this program reads up to {FORMAT}: use version "
                    f"{shown(version)} of the program, which wrote it")
  return StoredConfig(values, shown(version))


def with_earlier(values: Mapping[str, Any], wanted: Mapping[str, Any],
                 earlier: Mapping[str, Any]) -> dict[str, Any]:
  """The configuration with what it lacks of `wanted`, where it is known what was done without it.

  Args:
    values: nested configuration of an earlier version.
    wanted: nested configuration of this version, of the same experiment.
    earlier: dotted key -> the value that stands for what was done before there was the key, or a
      function of the values by their dotted keys.
  """
  flat = flatten(values)
  return _completed(values, wanted, {
      key: value(flat) if callable(value) else value for key, value in earlier.items()})


def check_same(stored: StoredConfig, new: Mapping[str, Any], free_keys: Sequence[str],
               earlier: Mapping[str, Any], *, what: str = "this run") -> None:
  """Raises UserError unless a configuration differs from the stored one by free keys alone.

  Args:
    stored: the configuration that was used so far.
    new: nested configuration, JSON values.
    free_keys: dotted keys, or prefixes of them up to a dot, that may differ.
    earlier: see `with_earlier`.
    what: was made with the stored configuration.
  """
  old = with_earlier(stored.values, new, earlier)
  changes = {key: values for key, values in _differences(flatten(old), flatten(new)).items()
             if not any(key == free or key.startswith(free + ".") for free in free_keys)}
  if changes:
    raise UserError(_describe(changes, stored.version, what))


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """Values of a nested configuration by their dotted keys; an empty group is a value."""
  flat = {}
  for key, value in config.items():
    if isinstance(value, dict) and value:
      flat.update(flatten(value, f"{prefix}{key}."))
    else:
      flat[prefix + key] = value
  return flat


def _completed(values: Mapping[str, Any], wanted: Mapping[str, Any], earlier: Mapping[str, Any]
              ) -> dict[str, Any]:
  complete = dict(values)
  for name, value in wanted.items():
    below = {key.partition(".")[2]: of_key for key, of_key in earlier.items()
             if key.partition(".")[0] == name}
    if name not in complete and "" in below:
      complete[name] = below[""]
    elif isinstance(value, Mapping) and isinstance(complete.get(name, {}), dict) and below:
      complete[name] = _completed(complete.get(name, {}), value, below)
  return complete


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
  """Keys whose values differ, in the new configuration's order."""
  keys = list(new) + [key for key in old if key not in new]
  pairs = {key: (old.get(key, _ABSENT), new.get(key, _ABSENT)) for key in keys}
  return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _describe(changes: Mapping[str, tuple[Any, Any]], version: str, what: str) -> str:
  named = list(changes.items())[:_MAX_DIFFERENCES]
  text = "; ".join(f"{shown(key)}={shown(old)}, now {shown(new)}" for key, (old, new) in named)
  more = f"; and {len(changes) - len(named)} more" if len(changes) > len(named) else ""
  if version == socialized_learning.__version__:
    return f"{what} was made with {text}{more}: use the same configuration, or a new --workdir"
  return (f"{what} was made by version {version} with {text}{more}: use the same configuration, version "
          f"{version}, or a new --workdir")
