"""Which option was meant by a name that a configuration does not have."""

from collections.abc import Iterator, Sequence
import difflib

from ml_collections import config_dict

_MOST = 3  # Options that are named.
_LIKE = 0.75  # How alike two spellings must be, see difflib.
# Not for users to set.
_HIDDEN = ("experiment", "sweep", "preset", "preset_values", "experiment_kwargs",
           "legacy_random_seed_behavior")
_WORKDIR = "--workdir"
# What other tools and papers call it -> the end of an option's path, with a dot before it if that is
# all of the path; or a flag. The first that there is.
_ALIASES = {
    "bs": ["batch_size"], "minibatch_size": ["batch_size"],
    "memory_size": ["buffer_size"], "slots": ["buffer_size"],
    "checkpoint_interval": ["save_checkpoint_interval"], "save_every": ["save_checkpoint_interval"],
    "data_dir": ["data.dir"], "data_path": ["data.dir"], "root": ["data.dir"], "dataset": ["data.name"],
    "decay": ["weight_decay"], "wd": ["weight_decay"],
    "epoch": [".num_epochs", "training_steps"], "epochs": [".num_epochs", "training_steps"],
    "n_epochs": [".num_epochs", "training_steps"], "num_epochs": [".num_epochs", "training_steps"],
    "eval_every": ["evaluation.interval"], "eval_interval": ["evaluation.interval"],
    "iterations": ["training_steps"], "iters": ["training_steps"], "max_steps": ["training_steps"],
    "n_iter": ["training_steps"], "num_steps": ["training_steps"], "steps": ["training_steps"],
    "log_every": ["log_train_data_interval"], "log_interval": ["log_train_data_interval"],
    "lr": ["learning_rate"], "max_len": ["message.length"],
    "n_seeds": ["population.size"], "num_seeds": ["population.size"],
    "optim": ["optimiser"], "optimizer": ["optimiser"], "seed": ["random_seed"],
    "log_dir": [_WORKDIR], "logdir": [_WORKDIR], "out": [_WORKDIR], "output_dir": [_WORKDIR],
    "run_dir": [_WORKDIR], "save_dir": [_WORKDIR], "mode": ["--jaxline_mode"],
}


def options_of(config: config_dict.ConfigDict, prefix: str = "") -> Iterator[str]:
  """The dotted paths of the options of a configuration that a user may set, and of their groups."""
  for name, value in config.items():
    if prefix or name not in _HIDDEN:
      yield prefix + name
      if isinstance(value, config_dict.ConfigDict):
        yield from options_of(value, f"{prefix}{name}.")


def suggest(unknown: str, options: Sequence[str]) -> list[str]:
  """What a dotted path may have meant, at most three options as they are typed, the likeliest first.

  In this order: what another tool calls so; a name spelt alike in the same group; the same name in
  another group; a name that contains all its words; a name spelt alike anywhere.
  """
  group, _, name = unknown.rpartition(".")
  leaf = lambda path: path.rpartition(".")[2]
  options = sorted(options, key=lambda path: path.count("."))
  words = set(name.split("_"))
  found = _aliased(name, options)
  found += difflib.get_close_matches(
      unknown, [path for path in options if path.rpartition(".")[0] == group], n=1, cutoff=_LIKE)
  found += [path for path in options if leaf(path) == name]
  found += [path for path in options if words <= set(leaf(path).split("_"))]
  if not found:
    alike = difflib.get_close_matches(name, list(map(leaf, options)), n=1, cutoff=_LIKE)
    found = [path for path in options if leaf(path) in alike]
  return [path if path.startswith("--") else f"--config.{path}"
          for path in list(dict.fromkeys(found))[:_MOST]]


def _aliased(name: str, options: Sequence[str]) -> list[str]:
  """The options that another tool calls by this name."""
  for alias in _ALIASES.get(name, ()):
    if alias.startswith("--"):
      return [alias]
    ends = (alias,) if alias.startswith(".") else (f".{alias}", f"_{alias}")
    if found := [path for path in options
                 if f".{path}" in ends or not alias.startswith(".") and path.endswith(ends)]:
      return found
  return []
