"""What a run folder must hold before a run is resumed or evaluated in it."""

import json
import os
import pathlib
import shutil

import jax
import numpy as np
import pytest

from socialized_learning.configs import common
from socialized_learning.configs import continual_config
from socialized_learning.configs import earlier
from socialized_learning.configs import ease_of_learning_config
from socialized_learning.configs import lewis_config
from socialized_learning.configs import masc_config
from socialized_learning.configs import presets
from socialized_learning.platform import begin
from socialized_learning.platform import numerics
from socialized_learning.platform import run_folder
from socialized_learning.platform import stored_config
from socialized_learning.platform import writers
from socialized_learning.platform.errors import UserError
from tests.platform.toy import held


def _config(**changes):
  config = lewis_config.get_config("debug")
  config.training_steps = 100
  config.update(changes)
  return config


def _save(folder, step, *, series="latest", config=None, metrics=None):
  """Saves a checkpoint as a run of this configuration does."""
  config = config or _config()
  held(folder.path, {"w": np.ones(2)}, step, series=series, experiment_name="lewis", meta_fn=lambda: {
      "settings": numerics.settings(), "config": stored_config.pack(run_folder.to_json(config)),
      "metrics": metrics}).save(series)


@pytest.fixture(name="folder")
def _folder(tmp_path):
  """A run of which 60 steps are saved."""
  folder = run_folder.RunFolder.open(tmp_path / "run")
  folder.write_config(_config())
  writer = writers.RunWriter(folder, tensorboard=False)
  for step in (20, 40, 60):
    writer.write_scalars(step, {"loss": 1.0})
  _save(folder, 60, metrics=writer.state())
  writer.write_scalars(80, {"loss": 1.0})  # It was killed here.
  writer.close()
  return folder


def _content(folder):
  """Everything in a folder: path -> (time of change, bytes)."""
  return {path: (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes())
          for path in folder.path.rglob("*")}


def _refused(folder, message, *, config=None, modes=("train", "eval")):
  """Neither training nor evaluation begins, and nothing in the folder changes."""
  before = _content(folder)
  for mode in modes:
    with pytest.raises(UserError, match=message) as caught:
      begin.begin(config or _config(), str(folder.path), mode)
    assert "\n" not in str(caught.value)
  assert _content(folder) == before


def test_what_fits_begins(folder):
  begin.begin(_config(), str(folder.path), "eval")
  before = _content(folder)
  begin.begin(_config(training_steps=200), str(folder.path), "train")
  after = _content(folder)
  assert after.pop(folder.path / ".lock")
  assert after == before  # config.json follows when the checkpoint has been restored.


def test_other_settings(folder):
  with jax.threefry_partitionable(False):
    _refused(folder, "the checkpoint of step 60 in .* was made with JAX_THREEFRY_PARTITIONABLE=True, now "
             "False: set JAX_THREEFRY_PARTITIONABLE=True, or use a new --workdir")


def test_processes_with_other_settings_differ():
  plan = begin._plan(_config(), "train")
  with jax.default_matmul_precision("highest"):
    assert begin._plan(_config(), "train") != plan


def test_a_checkpoint_of_another_run(folder):
  _save(folder, 80, config=_config(random_seed=1))
  _refused(folder, "the checkpoint of step 80 in .* was made with random_seed=1, now 0")
  shutil.rmtree(folder.checkpoints / "latest/80")
  _save(folder, 40, series="best", config=_config(random_seed=1))
  _refused(folder, "the checkpoint of step 40 in .* was made with random_seed=1", modes=["train"])
  begin.begin(_config(), str(folder.path), "eval")  # Of the latest: the best is not read.


def test_steps_that_are_none(folder):
  latest = folder.checkpoints / "latest"
  (latest / "99999").mkdir()
  _refused(folder, "latest/99999 is damaged .*delete that folder to go on from step 60")
  (latest / "99999").rmdir()
  os.rename(latest / "60", latest / "80")
  _refused(folder, "latest/80 holds step 60, not 80")


def test_lines_that_are_gone(folder):
  lines = folder.metrics.read_text().splitlines(keepends=True)
  folder.write_text("metrics.jsonl", "".join(lines[:2]))
  _refused(folder, "metrics.jsonl has lost or changed lines", modes=["train"])
  begin.begin(_config(), str(folder.path), "eval")  # Which needs none of them.
  folder.write_text("metrics.jsonl", "".join(lines[:3]))
  begin.begin(_config(), str(folder.path), "train")


def test_pipes_are_not_waited_for(folder):
  for path in (folder.config, folder.metrics, folder.summary, folder.path / "checkpoints/latest/60/arrays/x"):
    content = path.read_bytes() if path.exists() else None
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    _refused(folder, f"{path.name}(: Not a regular file| is not)")
    path.unlink()
    if content is not None:
      path.write_bytes(content)


def _as_earlier(folder, config, *without):
  """Writes the config.json of version 0.1.0, which had not all keys."""
  for key in without:
    *groups, name = key.split(".")
    group = config
    for each in groups:
      group = group[each]
    del group[name]
  folder.write_json("config.json", config)


def test_keys_that_an_earlier_version_had_not(folder):
  values = run_folder.to_json(_config())
  _as_earlier(folder, values, "message.variable_length", "channel", "reset.interval")
  for mode in ("eval", "train"):
    begin.begin(_config(), str(folder.path), mode)
  changed = _config()
  changed.reset.interval = 5
  _refused(folder, "this run was made by version 0.1.0 with reset.interval=0, now 5: use the same "
           "configuration, version 0.1.0, or a new --workdir", config=changed)
  _as_earlier(folder, values, "target_decay")
  _refused(folder, r"made by version 0.1.0 with target_decay=\(absent\), now 0.99: use .* version 0.1.0")


def test_a_preset_may_be_told_otherwise():
  config = continual_config.get_config("er,seq-mnist5k,200")
  values = run_folder.to_json(config)
  values["preset"] = {"source": "another"}
  values["preset_values"]["learner"]["learning_rate"] = 7.0
  stored_config.check_same(stored_config.StoredConfig(values), run_folder.to_json(config),
                           common.FREE_KEYS, {})


def _recipes():
  """Configurations with every key that an experiment has: one of each method."""
  of_method = {method: (method, stream, buffer) for method, stream, buffer in presets.combinations()}
  return {
      "lewis": [lewis_config.get_config("debug")], "masc": [masc_config.get_config()],
      "ease_of_learning": [ease_of_learning_config.get_config("discrimination")],
      "continual": [continual_config.get_config(f"{method},{stream}{f',{buffer}' if buffer else ''}")
                    for method, stream, buffer in of_method.values()]}


def _is_free(key):
  return any(key == free or key.startswith(f"{free}.") for free in common.FREE_KEYS)


def test_every_key_has_an_earlier_value_but_those_of_the_first_version():
  """So that runs of the first version are resumed: who adds a key adds a line in `configs.earlier`."""
  first = json.loads(pathlib.Path(__file__).with_name("keys_of_0_1_0.json").read_text())
  keys = {experiment: set().union(*(stored_config.flatten(run_folder.to_json(config)) for config in configs))
          for experiment, configs in _recipes().items()}
  for experiment, values in earlier.EARLIER.items():
    assert not {key for key in keys[experiment] - set(first[experiment]) - values.keys() if not _is_free(key)}
    # Lessons also have what they take from a Lewis run.
    assert values.keys() <= keys[experiment] | keys["lewis"] and not any(map(_is_free, values))


@pytest.mark.parametrize("kind, value", [("mlp", True), ("identity", False)])
def test_an_earlier_value_that_depended_on_another(kind, value):
  wanted = lewis_config.get_config("debug").to_dict()
  wanted["speaker"]["torso"]["kind"] = kind
  values = run_folder.to_json(wanted)
  del values["speaker"]["torso"]["activate_final"]
  whole = stored_config.with_earlier(values, wanted, earlier.EARLIER["lewis"])
  assert whole["speaker"]["torso"]["activate_final"] is value
  assert "activate_final" not in values["speaker"]["torso"]
