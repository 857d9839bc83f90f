"""`python -m socialized_learning.tools.import_torch`, with a stand-in for PyTorch."""

import contextlib
import pickle
import subprocess
import sys
import types

import jax
import numpy as np
import pytest

from socialized_learning.agents import vgg
from socialized_learning.platform import checkpoints
from socialized_learning.platform import weights
from socialized_learning.tools import import_torch
from tests.agents import golden_vgg
from tests.tools import torch_states


class Tensor(np.ndarray):
  """As much of a tensor as is asked for."""

  def detach(self):
    return self

  def float(self):
    return self if self.dtype == object else self.astype(np.float32)

  def numpy(self):
    if self.dtype == object:
      raise TypeError("can't convert sparse tensors")
    return np.asarray(self)

  def numel(self):
    return self.size

  def element_size(self):
    return self.itemsize


def tensors(state):
  return {name: np.asarray(x).view(Tensor) for name, x in state.items()}


@pytest.fixture(name="torch")
def _torch(monkeypatch):
  """A PyTorch whose `load` gives what `held` says, or raises it."""
  calls = []

  def load(path, **kwargs):
    calls.append(kwargs)
    if isinstance(fake.held, Exception):
      raise fake.held
    return fake.held

  fake = types.ModuleType("torch")
  fake.load, fake.Tensor, fake.__version__, fake.calls = load, Tensor, "2.10.0+cpu", calls
  fake.serialization = types.SimpleNamespace(safe_globals=contextlib.nullcontext)
  fake.held = {"state_dict": tensors(torch_states.masc("narrow", 32, 12, 7)), "epoch": 3,
               "optimizer": {}, "best_acc": 66.28}
  monkeypatch.setitem(sys.modules, "torch", fake)
  return fake


@pytest.fixture(name="file")
def _file(tmp_path):
  path = tmp_path / "checkpoint.pth"
  path.write_bytes(bytes(1 << 20))  # Read by nobody.
  return path


def _command(capsys, *arguments):
  """Exit status, standard output, standard error."""
  status = import_torch.main([str(argument) for argument in arguments])
  return status, *capsys.readouterr()


def _error(capsys, *arguments):
  status, out, err = _command(capsys, *arguments)
  assert (status, out, err.count("\n")) == (2, "", 1) and err.startswith("error: ")
  return err


@pytest.mark.parametrize("bare", [False, True])
def test_a_published_checkpoint_can_be_loaded_by_a_run(torch, file, tmp_path, capsys, bare):
  if bare:
    torch.held = torch.held["state_dict"]
  folder = tmp_path / "specialist"
  status, out, err = _command(capsys, file, "--to", folder)
  assert (status, err) == (0, "")
  assert out.startswith(f"{folder}: narrow VGG with 7 outputs, ")
  assert torch.calls == [{"map_location": "cpu", "weights_only": True}]
  made = vgg.make_vgg("narrow", 7, width_divisor=32, hidden_size=12)
  found = weights.load_weights(folder, golden_vgg.shapes(made))
  jax.tree.map(np.testing.assert_array_equal, found, golden_vgg.net(made, np.float32))
  assert checkpoints.read_info(folder)["meta"] == {
      "kind": "narrow VGG", "num_outputs": 7, "imported_from": "checkpoint.pth"}


def test_without_pytorch(monkeypatch, file, tmp_path, capsys):
  monkeypatch.setitem(sys.modules, "torch", None)
  assert "needs PyTorch: pip install torch" in _error(capsys, file, "--to", tmp_path / "new")
  assert not (tmp_path / "new").exists()


def test_a_pytorch_that_is_not_safe(torch, file, tmp_path, capsys):
  torch.__version__ = "2.5.1"
  message = _error(capsys, file, "--to", tmp_path / "new")
  assert "PyTorch 2.5.1 is too old to read files of others safely" in message and not torch.calls


def test_a_missing_file(capsys, tmp_path):
  message = _error(capsys, tmp_path / "no.pth", "--to", tmp_path / "new")
  assert message == f"error: {tmp_path}/no.pth: there is no such file\n"


@pytest.mark.parametrize("held, message", [
    (pickle.UnpicklingError("Weights only load failed.\nUnsupported: GLOBAL __main__.Net was not"),
     "holds a __main__.Net, which is not read, since it might run anything"),
    (RuntimeError("PytorchStreamReader failed\nreading zip"), "cannot be read, it is damaged"),
    ({"epoch": 3}, "holds no state dict"), ({}, "holds no state dict"),
    ([1], "holds no state dict"), ({"state_dict": {"a": 1}}, "holds no state dict"),
    (tensors({"a": np.zeros(2)}), "holds no network that is known here")])
def test_files_that_cannot_be_imported(torch, file, tmp_path, capsys, held, message):
  torch.held = held
  found = _error(capsys, file, "--to", tmp_path / "new")
  assert found.startswith(f"error: {file}") and message in found
  assert not (tmp_path / "new").exists()


def test_a_missing_tensor_is_named_with_its_file(torch, file, tmp_path, capsys):
  del torch.held["state_dict"]["layers.0.bias"]
  message = _error(capsys, file, "--to", tmp_path / "new")
  assert message == f"error: {file} lacks layers.0.bias, expected of shape [2]\n"


@pytest.mark.parametrize("tensor, message", [
    (np.broadcast_to(np.float32(1), (1 << 30,)), "shape [1073741824] is larger than the file: it is an expanded"),
    (np.full((2, 3, 3, 3), np.nan, np.float32), "holds NaN or infinity"),
    (np.full((2, 3, 3, 3), -np.inf, np.float32), "holds NaN or infinity"),
    (np.array([None]), "no dense tensor")])
def test_tensors_that_are_not_weights(torch, file, tmp_path, capsys, tensor, message):
  torch.held["state_dict"]["layers.0.weight"] = tensor.view(Tensor)
  found = _error(capsys, file, "--to", tmp_path / "new")
  assert found.startswith(f"error: {file}: layers.0.weight ") and message in found
  assert not (tmp_path / "new").exists()


def test_what_is_there_is_not_overwritten(torch, file, tmp_path, capsys):
  assert "is there already and is not overwritten" in _error(capsys, file, "--to", tmp_path)


def test_the_command_line():
  command = [sys.executable, "-m", "socialized_learning.tools.import_torch"]
  run = lambda *flags: subprocess.run([*command, *flags], capture_output=True, text=True,
                                      timeout=60)
  done = run("--help")
  assert done.returncode == 0 and "CHECKPOINT.pth --to DIR" in done.stdout
  done = run("checkpoint.pth")
  assert done.returncode == 2 and done.stderr == (
      "error: the following arguments are required: --to; --help says more\n")
