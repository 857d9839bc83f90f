"""The README's lines for the checkpoints of MASC's authors, as they stand, on made-up checkpoints."""

import contextlib
import re
import shlex
import sys
import types

import numpy as np
import pytest

from socialized_learning.tools import import_torch
from tests.data.sources import files
from tests.experiments import cli
from tests.tools import test_import_torch
from tests.tools import torch_states

_README = (cli.ROOT / "README.md").read_text("utf-8")
_RECIPE = cli.RECIPE.with_name("masc_config.py")
# Made-up networks are small.
_TINY = ("--config.network.width_divisor=32", "--config.network.hidden_size=12")


def _grown():
  """A whole network of its own: another head, kernel and running mean than the student's."""
  state = torch_states.masc("wide", 32, 12)
  state["layers.0.weight"] = state["layers.0.weight"] * np.float32(1.1)
  state["layers.1.running_mean"] = state["layers.1.running_mean"] + np.float32(0.01)
  state["classifier.6.weight"] = state["classifier.6.weight"][::-1]
  return state


_STATES = {"before_teacher_0_checkpoint": lambda: torch_states.masc("narrow", 32, 12),
           "student_checkpoint": lambda: torch_states.masc("wide", 32, 12),
           "teacher_0_checkpoint": _grown}


def _imports():
  """The README's commands that import checkpoints: (file, folder)."""
  return re.findall(r"tools\.import_torch (\S+/checkpoint\.pth) --to (\S+)", _README)


def _commands():
  """The options of the README's three commands, by what is examined."""
  rows = [row for row in _README.splitlines() if row.startswith("| MASC: ")]
  commands = [re.findall(r"`\$masc (.*?)`", row)[-1] for row in rows]
  assert len(commands) == 3 and re.search(r"masc_config\.py:cifar100`", _README)
  return dict(zip(("teacher", "masc", "both"), map(shlex.split, commands), strict=True))


@pytest.fixture(name="data", scope="module")
def _data(line):
  """A folder with a little CIFAR-100, and T0, S and G0 in the folder where commands are given."""
  data = line.folder / "data"
  data.mkdir()
  files.write_sheets(data / "cifar100_webp.zip", {"train": 1, "test": 1})
  fake = types.ModuleType("torch")
  fake.Tensor, fake.__version__ = test_import_torch.Tensor, "2.10.0"
  fake.serialization = types.SimpleNamespace(safe_globals=lambda _: contextlib.nullcontext())
  fake.load = lambda path, **_: {"state_dict": test_import_torch.tensors(_STATES[path.parts[-3]]())}
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(sys.modules, "torch", fake)
    for name, folder in _imports():
      file = line.folder / name
      file.parent.mkdir(parents=True)
      file.write_bytes(bytes(1 << 20))
      assert import_torch.main([str(file), "--to", str(line.folder / folder)]) == 0
  return data


def _run(line, data, options, folder, *more):
  result = line.start(*options, f"--config.data.dir={data}", *_TINY, *more, f"--workdir={folder}",
                      recipe=f"{_RECIPE}:cifar100").wait()
  assert result.status == 0 and not result.stderr, result
  return cli.summary(folder)


def test_the_readme_imports_one_student_one_grown_teacher_and_one_specialist():
  assert [folder for _, folder in _imports()] == ["T0", "S", "G0"]


def test_the_test_programs_run_on_what_they_need_alone(line, data, tmp_path):
  commands = _commands()
  both = _run(line, data, commands["both"], tmp_path / "both")
  assert both["step"] == 0 and both["stages"] == []  # Nothing is trained.
  assert [(test["program"], test["agent"]) for test in both["tests"]] == [("teacher", 0), ("masc", 0)]
  for number, program in enumerate(("teacher", "masc")):
    assert _run(line, data, commands[program], tmp_path / program)["tests"] == [both["tests"][number]]
