"""The command line: `python -m socialized_learning.main --config=FILE[:SWEEP] [--workdir=DIR] …`.

Exit status: 0 done; 2 something the user can put right, said in one line; 3 a loss or gradient that
is not finite; 130 stopped on request, with everything saved.
"""

from socialized_learning.platform import output
from socialized_learning.platform import signals

if __name__ == "__main__":
  # Before all else: loading takes seconds, and the first file opened would take a closed stream's place.
  output.outlive_readers()
  signals.start(signals.exit_at_once)

import importlib.util
import os
import re
import sys
import threading
import traceback

from absl import flags
from ml_collections import config_flags

from socialized_learning.platform import option_hints
from socialized_learning.platform import startup
from socialized_learning.platform.errors import NonFiniteError
from socialized_learning.platform.errors import UserError

USAGE = """\
usage: python -m socialized_learning.main --config=FILE[:SWEEP] [--workdir=DIR]
         [--jaxline_mode=MODE] [--config.NAME=VALUE …]

Trains a population, or evaluates one, as the configuration file says.

  --config=FILE[:SWEEP]   a recipe of socialized_learning/configs/, and which of its sweeps
  --workdir=DIR           the run's folder; a fresh one under runs/ if not given. A run in a folder
                          that holds a checkpoint is resumed exactly where it stopped
  --jaxline_mode=MODE     train (default): train, then evaluate; eval: evaluate what is there;
                          train_eval_multithreaded: validate in a second thread while training
  --config.NAME=VALUE     changes one value of the recipe, as --config.population.num_pairs=2

Recipes and sweeps are explained at the top of each file in socialized_learning/configs/.
"""

MODES = ("train", "eval", "train_eval_multithreaded")

_CONFIG = config_flags.DEFINE_config_file("config", None, "Recipe, FILE[:SWEEP].", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder.")
_MODE = flags.DEFINE_string("jaxline_mode", "train", f"One of {', '.join(MODES)}.")


def main(argv: list[str]) -> int:
  """Runs the command line; returns the exit status."""
  if {"--help", "-h", "-help"} & set(argv[1:]):
    print(USAGE)
    return 0
  signals.start(signals.exit_at_once)  # Until training takes over.
  try:
    _parse(argv)
    startup.prepare_environment()
    startup.load_jax()  # Here, and not for --help.
    from socialized_learning.platform import run

    return run.run(_CONFIG.value, workdir=_WORKDIR.value, mode=_MODE.value)
  except UserError as error:
    print(f"error: {output.one_line(error)}", file=sys.stderr)
    return 2
  except NonFiniteError as error:
    print(f"error: {error}", file=sys.stderr)
    return 3


def _parse(argv: list[str]) -> None:
  """Parses the flags; raises UserError with one line for whatever is wrong with them."""
  _check_recipe(argv)
  for argument in argv:
    if of_recipe := re.match(r"--?config\.(experiment|sweep|preset(_values)?)(?=[.=]|$)", argument):
      raise UserError(f"config.{of_recipe[1]} belongs to the recipe, with all the values that it has for "
                      "it: name another --config=FILE:SWEEP instead")
    if number := re.match(r"--?config\.speakers=(\d+)$", argument):
      raise UserError(f"config.speakers={number[1]} could mean how many: for the speaker of that number "
                      f"write ({number[1]},), for all of them leave it out")
    if group := re.match(r"--?config\.([\w.]+)=\s*\{", argument):
      raise UserError(_of_group(group[1]))
  try:
    rest = flags.FLAGS(argv)
    config = _CONFIG.value
    if config is not None:
      _ = config.experiment  # A file that could not be read is an error only when it is used.
  except (flags.Error, KeyError, AttributeError, ValueError, TypeError, ImportError,
          SyntaxError, OSError) as error:
    raise UserError(_explain(error, argv)) from error
  if rest[1:]:
    raise UserError(f"{rest[1]!r} is not an option: see --help")
  if config is None:
    raise UserError("no --config=FILE[:SWEEP] given: see --help")
  if _MODE.value not in MODES:
    raise UserError(f"--jaxline_mode={_MODE.value}: choose one of {', '.join(MODES)}")
  if _WORKDIR.value is not None and not _WORKDIR.value.strip():
    raise UserError("--workdir is empty: name the run's folder, or leave the option away")


def _check_recipe(argv: list[str]) -> None:
  """Raises UserError if the recipe is not a file, which the flag parser says in many words."""
  given = _recipe(argv)
  path = given.partition(":")[0] if given is not None else None
  if path is not None and not os.path.isfile(path):
    raise UserError(f"--config={given}: there is no recipe {path!r}, see "
                    "socialized_learning/configs/")


def _recipe(argv: list[str]) -> str | None:
  """The value of --config."""
  given = re.search(r"^--?config[=\n](.*)$", "\n".join(argv[1:]), re.MULTILINE)
  return given[1] if given else None


def _hint(unknown: str, argv: list[str]) -> str:
  """What the option `unknown`, a dotted path, may have meant; empty if nothing comes near."""
  path, _, sweep = (_recipe(argv) or "").partition(":")
  try:
    module = importlib.util.module_from_spec(spec := importlib.util.spec_from_file_location("recipe", path))
    spec.loader.exec_module(module)
    config = module.get_config(*([sweep] if sweep else []))
  except Exception:  # A hint is no place to say what is wrong with a recipe.
    return ""
  found = option_hints.suggest(unknown, list(option_hints.options_of(config)))
  return f"did you mean {' or '.join(found)}?" if found else ""


def _of_group(name: str) -> str:
  return f"config.{name} is a group of values: change them one by one, --config.{name}.NAME=VALUE"


def _explain(error: Exception, argv: list[str]) -> str:
  """One line for an exception of the flag parser."""
  text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
  if group := re.search(r"config\.([\w.]+)=.* as a ConfigDict", text):
    return _of_group(group[1])
  unknown = re.match(r"\W*'(\w+)\\?'", text)
  if isinstance(error, (KeyError, AttributeError)) and unknown:
    typed = (re.match(r"--?config\.([\w.]+)", argument) for argument in argv)
    path = next((found[1] for found in typed if found and unknown[1] in found[1].split(".")), unknown[1])
    return (f"the configuration has no {path!r}: "
            f"{_hint(path, argv) or 'see the recipe for what it has'}")
  if isinstance(error, flags.UnrecognizedFlagError) and (hint := _hint(error.flagname, argv)):
    return f"Unknown command line flag {error.flagname!r}: {hint}"
  # Of a traceback inside the text only what was raised is for the user.
  text = re.sub(r"Traceback \(most recent.*\n(\w+(Error|Exception))", r"\1", text, flags=re.DOTALL)
  text = " ".join(text.split()).partition(" Currently supported")[0]
  known = isinstance(error, (flags.Error, KeyError))
  return text if known else f"the recipe, or an option, cannot be used: {text}"


def end(status: int) -> None:
  """Ends the program, even if a second thread is in the middle of a computation.

  The interpreter would tear it from there as it goes, and that aborts the program. With other
  processes that it has not parted from it would wait for them, as they do for it.
  """
  signals.finish()
  if startup.is_bound() or any(thread.daemon for thread in threading.enumerate()):
    sys.stdout.flush()
    sys.stderr.flush()
    startup.linger()
    os._exit(status)
  sys.exit(status)


if __name__ == "__main__":
  try:
    end(main(sys.argv))
  except Exception:  # A defect of this program.
    traceback.print_exc()
    end(1)
