"""Ranges of setup.py, pins of requirements.txt and what is imported say the same."""

import ast
from importlib import metadata
import pathlib
import runpy
import sys
import types

from packaging import requirements
from packaging import utils
import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_BROUGHT = {"ml-dtypes", "packaging"}  # Of JAX and pytest; tests alone use them.


def _setup() -> dict:
  """The arguments of `setuptools.setup`; newer Pythons come without setuptools."""
  arguments = {}
  stub = types.ModuleType("setuptools")
  stub.setup, stub.find_packages = lambda **kwargs: arguments.update(kwargs), lambda include: include
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(sys.modules, "setuptools", stub)
    runpy.run_path(str(_ROOT / "setup.py"))
  return arguments


def _by_name(lines) -> dict[str, requirements.Requirement]:
  parsed = (requirements.Requirement(line) for line in lines)
  return {utils.canonicalize_name(one.name): one for one in parsed}


_SETUP = _setup()
_PACKAGE = _by_name(_SETUP["install_requires"])
_EXTRAS = {name: _by_name(lines) for name, lines in _SETUP["extras_require"].items()}
_PINS = tuple(
    _by_name(filter(None, (line.split("#")[0].strip() for line in part.splitlines())))
    for part in (_ROOT / "requirements.txt").read_text("utf-8").split("# Tests."))


@pytest.mark.parametrize("ranges, pins", [*zip((_PACKAGE, _EXTRAS["test"]), _PINS, strict=True)],
                         ids=["package", "tests"])
def test_every_pin_lies_in_a_range(ranges, pins):
  assert ranges.keys() == pins.keys()
  for name, pin in pins.items():
    (exactly,) = pin.specifier
    assert exactly.operator == "=="
    assert ranges[name].specifier.contains(exactly.version), (str(pin), str(ranges[name]))


def test_ranges_leave_room_for_other_packages():
  for one in (*_PACKAGE.values(), *_EXTRAS["test"].values()):
    operators = [bound.operator for bound in one.specifier]
    assert operators.count(">=") == 1 and set(operators) <= {">=", "<"}, str(one)


@pytest.mark.parametrize("folders, declared", [
    (("socialized_learning", "emcom_datasets"),
     _PACKAGE.keys() | _EXTRAS["torch"].keys() | _EXTRAS["parquet"].keys()),
    (("benchmarks", "studies"), _PACKAGE.keys() | _EXTRAS["torch"].keys()),
    (("tests",), _PACKAGE.keys() | _EXTRAS["test"].keys() | _BROUGHT),
], ids=["package", "programs", "tests"])
def test_all_that_is_imported_is_required(folders, declared):
  brings = metadata.packages_distributions()  # "haiku" -> ["dm-haiku"]; what is not installed is not here.
  missing = [name for name in sorted(_imported(folders))
             if declared.isdisjoint(map(utils.canonicalize_name, brings.get(name, [name])))]
  assert not missing


def _imported(folders) -> set[str]:
  """Top-level modules that are neither Python's nor this repository's."""
  names = set()
  for path in (path for folder in folders for path in (_ROOT / folder).rglob("*.py")):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
      if isinstance(node, ast.Import):
        names |= {alias.name.split(".")[0] for alias in node.names}
      elif isinstance(node, ast.ImportFrom) and not node.level:
        names.add(node.module.split(".")[0])
  own = {"socialized_learning", "emcom_datasets", "benchmarks", "studies", "tests"}
  return names - own - sys.stdlib_module_names
