"""Run folders: where they are made, what is written there, when a configuration may change."""

import json
import os
import pathlib
import re

import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np
import pytest

import socialized_learning
from socialized_learning.platform.errors import UserError
from socialized_learning.platform.run_folder import RunFolder
from socialized_learning.platform.run_folder import to_json


def test_fresh_folders_never_meet(tmp_path, monkeypatch):
  monkeypatch.setattr("time.strftime", lambda form: "20250102-030405")
  names = [RunFolder.fresh("lewis:a b/c", tmp_path / "runs").path.name for _ in range(3)]
  stem = "lewis-a-b-c-20250102-030405"
  assert names == [stem, stem + "-2", stem + "-3"]
  monkeypatch.undo()
  assert re.fullmatch(r"x-\d{8}-\d{6}", RunFolder.fresh("x", tmp_path).path.name)


def test_paths(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  folder = RunFolder.open("a/b")
  assert folder.path == tmp_path / "a" / "b" and folder.path.is_dir()
  assert not list(folder.path.iterdir())
  for name in ("config.json", "metrics.jsonl", "summary.json", "messages.jsonl", "checkpoints",
               "tensorboard"):
    assert getattr(folder, name.partition(".")[0]) == folder.path / name


def test_unusable_folders(tmp_path):
  file = tmp_path / "file"
  file.write_text("")
  with pytest.raises(UserError, match="is a file, not a run folder"):
    RunFolder.open(file)
  with pytest.raises(UserError, match="cannot write in run folder .*: Not a directory"):
    RunFolder.open(file / "run")
  with pytest.raises(UserError, match="cannot create .*: Not a directory"):
    RunFolder.fresh("x", file)
  (tmp_path / "runs").symlink_to(tmp_path / "unmounted")
  with pytest.raises(UserError, match="cannot create"):
    RunFolder.fresh("x", tmp_path / "runs")
  with pytest.raises(UserError, match="there is no run folder"):
    RunFolder.open(tmp_path / "gone", create=False)
  assert not (tmp_path / "gone").exists()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder nobody can write in")
def test_unwritable_folder():
  with pytest.raises(UserError, match="cannot write in run folder /proc/self"):
    RunFolder.open("/proc/self")


def test_one_program_at_a_time_trains_in_a_folder(tmp_path):
  first = RunFolder.open(tmp_path)
  first.lock()
  with pytest.raises(UserError, match="another program is training in"):
    RunFolder.open(tmp_path).lock()
  del first  # It has ended.
  RunFolder.open(tmp_path).lock()


def test_names_that_no_folder_can_have(tmp_path):
  with pytest.raises(UserError, match="cannot look into run folder .*: File name too long"):
    RunFolder.open(tmp_path / ("x" * 300))


def test_to_json():
  value = {
      1: np.float32(0.5), "nan": float("nan"), "inf": -np.inf, "ints": (np.int64(3), True, None),
      "jax": jnp.ones((2, 1), jnp.bfloat16), "mixed": np.array([1., np.nan]),
      "path": pathlib.Path("a"), "config": config_dict.ConfigDict({"a": {"b": (1, 2)}}),
      "bool": np.bool_(False), "text": "é",
      "f64": np.float64(0.1)}
  assert to_json(value) == {
      "1": 0.5, "nan": None, "inf": None, "ints": [3, True, None], "jax": [[1.], [1.]],
      "mixed": [1., None], "path": "a", "config": {"a": {"b": [1, 2]}}, "bool": False, "text": "é",
      "f64": 0.1}
  assert all(type(v) in (int, bool, type(None)) for v in to_json(value)["ints"])
  with pytest.raises(TypeError, match="type set cannot be written as JSON"):
    to_json({"a": {1}})


def _strict(text):
  return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_json_files(tmp_path):
  folder = RunFolder.open(tmp_path)
  folder.write_json("summary.json", {"loss": float("nan"), "n": np.int32(2)})
  assert _strict(folder.summary.read_text()) == {"loss": None, "n": 2}
  assert folder.read_json("summary.json") == {"loss": None, "n": 2}
  folder.write_jsonl("messages.jsonl", ({"i": i, "m": np.arange(i)} for i in range(3)))
  assert [_strict(line) for line in folder.messages.read_text().splitlines()] == [
      {"i": 0, "m": []}, {"i": 1, "m": [0]}, {"i": 2, "m": [0, 1]}]
  with pytest.raises(UserError, match="cannot read .*gone.json: No such file"):
    folder.read_json("gone.json")
  assert sorted(path.name for path in tmp_path.iterdir()) == ["messages.jsonl", "summary.json"]


def test_files_are_replaced_whole(tmp_path, monkeypatch):
  folder = RunFolder.open(tmp_path)
  folder.write_json("summary.json", {"old": 1})
  with pytest.raises(TypeError):
    folder.write_json("summary.json", {"new": object()})
  def killed(*args):
    raise KeyboardInterrupt
  monkeypatch.setattr(os, "replace", killed)
  with pytest.raises(KeyboardInterrupt):
    folder.write_json("summary.json", {"new": 2})
  assert folder.read_json("summary.json") == {"old": 1}
  monkeypatch.undo()
  (tmp_path / "config.json").mkdir()
  with pytest.raises(UserError, match="cannot write .*config.json: Is a directory"):
    folder.write_json("config.json", {})


_CONFIG = {"batch_size": 256, "training_steps": 100, "game": {"loss": "nll", "sizes": (1, 2)},
           "intervals": {"log": 10, "save": 20}, "lr": 1e-3, "empty": {}, "nan": float("nan")}


@pytest.fixture(name="begun")
def _begun(tmp_path):
  """A run folder that holds the configuration."""
  folder = RunFolder.open(tmp_path)
  folder.check_config(_CONFIG)
  folder.write_config(_CONFIG)
  return folder


def test_config_is_recorded_once(begun):
  before = begun.config.stat().st_mtime_ns
  begun.check_config(config_dict.ConfigDict(_CONFIG))
  begun.write_config(config_dict.ConfigDict(_CONFIG))
  assert begun.config.stat().st_mtime_ns == before
  content = begun.read_json("config.json")
  assert content["game"] == {"loss": "nll", "sizes": [1, 2]}
  assert (content["format"], content["version"]) == (2, socialized_learning.__version__)


def test_free_keys_may_change(begun):
  new = dict(_CONFIG, training_steps=200, intervals={"log": 10, "save": 50})
  begun.check_config(new, ["training_steps", "intervals"])
  assert begun.read_json("config.json")["training_steps"] == 100
  begun.write_config(new)
  stored = begun.read_config().values
  assert (stored["training_steps"], stored["intervals"]["save"]) == (200, 50)


def test_other_keys_may_not(begun):
  new = dict(_CONFIG, batch_size=128, training_steps=1)
  with pytest.raises(UserError, match="^this run was made with batch_size=256, now 128: use the "
                     "same configuration, or a new --workdir$"):
    begun.check_config(new, ["training_steps", "batch"])
  many = dict(_CONFIG, batch_size=1, lr=0, game={"sizes": [1], "new": 2})
  with pytest.raises(UserError, match=r"batch_size=256, now 1; .*=.*; .*; and 2 more"):
    begun.check_config(many)
  with pytest.raises(UserError, match=r"game.loss=nll, now \(absent\)"):
    begun.check_config(dict(_CONFIG, game={"sizes": [1, 2]}))


def _pipe(path):
  os.mkfifo(path)


_WRONG_CONFIGS = {
    "half": (lambda path: path.write_text("{"), "is not JSON .*: restore it, or use a new --workdir"),
    "list": (lambda path: path.write_text("[]"), "does not hold a configuration"),
    "latin": (lambda path: path.write_bytes(b"\xff"), "is not JSON"),
    "deep": (lambda path: path.write_text(100_000 * "["), "is not JSON .*nested too deeply"),
    "deep but whole": (lambda path: path.write_text('{"a": ' + 500 * "[" + 500 * "]" + "}"),
                       "nested too deeply"),
    "number": (lambda path: path.write_text("1" * 5000), "is not JSON"),
    "huge": (lambda path: (path.touch(), os.truncate(path, 1 << 40)), "more than the"),
    "pipe": (_pipe, "Not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "Not a regular file"),
    "folder": (pathlib.Path.mkdir, "Is a directory"),
    "format": (lambda path: path.write_text('{"format": 3, "version": "7.1"}'),
               "has format 3, this program reads up to 2: use version 7.1"),
    "strange format": (lambda path: path.write_text('{"format": [], "lr": 1}'), r"has format \[\]"),
    "two lines": (lambda path: path.write_text(json.dumps(dict(_CONFIG, lr="a\nb" + 200 * "c"))),
                  r"lr=a bc+\.\.\., now 0.001"),
}


@pytest.mark.parametrize("name", _WRONG_CONFIGS)
def test_damaged_config(tmp_path, name):
  put, message = _WRONG_CONFIGS[name]
  folder = RunFolder.open(tmp_path)
  put(folder.config)
  with pytest.raises(UserError, match=message) as caught:
    folder.check_config(_CONFIG, ["nan"])
  assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["metrics.jsonl", "summary.json", "messages.jsonl", "checkpoints/best"])
def test_something_in_a_files_place(tmp_path, name):
  folder = RunFolder.open(tmp_path)
  folder.check_kinds()
  (tmp_path / name).parent.mkdir(exist_ok=True)
  os.mkfifo(tmp_path / name)
  with pytest.raises(UserError, match=f"{name} is not a .*: move it away"):
    folder.check_kinds()


def test_a_lock_that_is_a_pipe_is_not_waited_for(tmp_path):
  os.mkfifo(tmp_path / ".lock")
  with pytest.raises(UserError, match="cannot write .*.lock"):
    RunFolder.open(tmp_path).lock()
