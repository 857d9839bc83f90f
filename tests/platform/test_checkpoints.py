"""Checkpoints on disk: what comes back, and what is said when it cannot."""

import collections
import json
import os
import pathlib
import shutil
import zlib

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from socialized_learning.platform import checkpoint_format
from socialized_learning.platform import checkpoints
from socialized_learning.platform import jaxline_shim
from socialized_learning.platform.errors import UserError
from tests.platform.toy import held

Pair = collections.namedtuple("Pair", "left right")


def _snapshot(offset=0):
  weights = np.array([[-0., np.nan], [np.inf, 1 / 3]], np.float32) + offset
  params = {"speaker/~/lstm": {"w": weights}}
  return {
      "params": jax.tree.map(jnp.asarray, params),
      "opt": optax.adam(1e-3).init(params),
      "bf16": jnp.arange(3, dtype=jnp.bfloat16) / 3 + offset,
      "key": np.array([offset, 2**32 - 1], np.uint32),
      "pair": Pair(jnp.int32(3 + offset), (np.array(True), [np.float64(1 / 3), -0. + offset, 7])),
      "x64": np.array([1 / 3, -0., 1e300]),
      "memory": np.zeros((0, 3), np.int8),  # A memory of size 0.
      "minus_zero": np.full(5, -0., np.float32),
      "net_state": {}, "none": None, "empty": (),
  }


def _assert_same(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b)):
    assert isinstance(x, jax.Array) == isinstance(y, jax.Array)
    assert isinstance(x, (bool, int)) == isinstance(y, (bool, int))
    x, y = np.asarray(x), np.asarray(y)
    assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())


def test_every_bit_comes_back(tmp_path):
  saved = held(tmp_path, _snapshot(), 12, meta_fn=lambda: {"seconds": 1.5})
  saved.get_experiment_state("latest").train_step_rng = jaxline_shim.bcast_local_devices(
      jax.random.PRNGKey(3))
  saved.save("latest")
  saved.wait_for_checkpointing_to_finish()
  restored = held(tmp_path, _snapshot(offset=1))
  state = restored.get_experiment_state("latest")
  fresh_key = jaxline_shim.bcast_local_devices(jax.random.PRNGKey(0))
  state.train_step_rng = fresh_key
  restored.restore("latest")
  _assert_same(state.experiment_module.snapshot, _snapshot())
  assert state.global_step == 12
  assert state.train_step_rng.sharding == fresh_key.sharding
  assert state.train_step_rng.tolist() == jax.local_device_count() * [[0, 3]]


def test_evaluation_keeps_no_key(tmp_path):
  saved = held(tmp_path, {"w": np.ones(2)}, 1)
  saved.get_experiment_state("latest").train_step_rng = np.zeros((1, 2), np.uint32)
  saved.save("latest")
  restored = held(tmp_path, {"w": np.zeros(2)}, mode="eval")
  restored.restore("latest")
  assert restored.get_experiment_state("latest").train_step_rng is None


def test_readable_without_our_classes(tmp_path):
  held(tmp_path, _snapshot(), 5).save("latest")
  with ocp.PyTreeCheckpointer() as plain:
    tree = plain.restore(tmp_path / "checkpoints" / "latest" / "5" / "arrays")["experiment_module"]
  assert tree["opt"]["0"]["mu"]["speaker/~/lstm"]["w"].shape == (2, 2)
  assert tree["pair"]["right"]["1"]["0"] == 1 / 3


def test_read_checkpoint(tmp_path):
  for step in (5, 10):
    snapshot = {"params": {"a/b": {"w": np.full(2, step)}}, "n": None, "z": np.ones((2, 0))}
    held(tmp_path, snapshot, step,
         meta_fn=lambda: {"seconds": 3}, experiment_name="lewis").save("latest")
  tree, meta = checkpoints.read_checkpoint(tmp_path)
  assert tree["params"]["a/b"]["w"].tolist() == [10, 10]
  assert tree["n"] is None and tree["z"].shape == (2, 0)
  assert meta == {"experiment": "lewis", "step": 10, "state": {"global_step": 10},
                  "meta": {"seconds": 3}}
  assert checkpoints.read_checkpoint(tmp_path, step=5)[0]["params"]["a/b"]["w"].tolist() == [5, 5]
  assert checkpoints.read_info(tmp_path, step=5)["step"] == 5
  with pytest.raises(UserError, match="no 'latest' checkpoint of step 7 in .*there: steps 5, 10"):
    checkpoints.read_checkpoint(tmp_path, step=7)
  with pytest.raises(UserError, match="no 'best' checkpoint in .*there: none"):
    checkpoints.read_checkpoint(tmp_path, "best")


def test_nothing_there(tmp_path):
  checkpointer = held(tmp_path / "run", {"w": np.ones(2)})
  assert not checkpointer.can_be_restored("latest")
  assert checkpointer.restore_path("latest") is None
  assert checkpoints.latest_step(tmp_path / "run") is None
  with pytest.raises(UserError, match="no 'latest' checkpoint"):
    checkpointer.restore("latest")
  assert not (tmp_path / "run").exists()


def test_keeps_the_newest_and_one_best(tmp_path):
  latest, best = (held(tmp_path, {"w": np.ones(2)}, series=s, max_to_keep=2)
                  for s in ("latest", "best"))
  for step in (9, 10, 100):
    latest.get_experiment_state("latest").global_step = step
    latest.save("latest")
  for step in (100, 50):  # The better one may be the earlier one.
    best.get_experiment_state("best").global_step = step
    best.save("best")
  assert checkpoint_format.list_steps(tmp_path, "latest") == [10, 100]
  assert checkpoint_format.list_steps(tmp_path, "best") == [50]
  with pytest.raises(ValueError, match="max_to_keep"):
    checkpoints.OrbaxCheckpointer(tmp_path, max_to_keep=0)


def test_saving_a_saved_step_does_nothing(tmp_path):
  checkpointer = held(tmp_path, {"w": np.ones(2)}, 3)
  checkpointer.save("latest")
  checkpointer.get_experiment_state("latest").experiment_module.snapshot = {"w": np.zeros(2)}
  checkpointer.save("latest")
  assert checkpoints.read_checkpoint(tmp_path)[0]["w"].tolist() == [1, 1]


def test_only_process_zero_writes(tmp_path):
  held(tmp_path, {"w": np.ones(2)}, 3, process_index=1).save("latest")
  assert checkpoints.latest_step(tmp_path) is None


def test_sees_what_another_instance_writes(tmp_path):
  writer, reader = held(tmp_path, {"w": np.ones(2)}, 1), held(tmp_path, {"w": np.zeros(2)})
  assert reader.restore_path("latest") is None
  for step in (1, 2):
    writer.get_experiment_state("latest").global_step = step
    writer.save("latest")
    assert reader.restore_path("latest").endswith(f"latest/{step}")
    reader.restore("latest")
    assert reader.get_experiment_state("latest").global_step == step


def test_one_series_may_be_read_from_another(tmp_path):
  best = held(tmp_path, {"w": np.ones(2)}, 4, series="best")
  best.get_experiment_state("best").best_eval_metric_value = jnp.float32(0.1)
  best.save("best")
  held(tmp_path, {"w": np.zeros(2)}, 8).save("latest")
  evaluator = held(tmp_path, {"w": np.zeros(2)}, mode="eval", series_source={"latest": "best"})
  evaluator.restore("latest")
  state = evaluator.get_experiment_state("latest")
  assert state.global_step == 4 and state.experiment_module.snapshot["w"].tolist() == [1, 1]


def test_best_value_comes_back_exactly(tmp_path):
  values = {"f32": jnp.float32(0.1), "inf": float("-inf"), "bf16": ml_dtypes.bfloat16(0.3),
            "one": np.array([2.5]), "name": "accuracy", "yes": np.bool_(True)}
  saved = held(tmp_path, {"w": np.ones(2)}, 4, series="best")
  saved.get_experiment_state("best").update(values)
  saved.save("best")
  restored = held(tmp_path, {"w": np.ones(2)}, series="best")
  restored.get_experiment_state("best").update({name: None for name in values})
  restored.restore("best")
  state = restored.get_experiment_state("best")
  assert np.float32(state.f32) == np.float32(0.1) and isinstance(state.f32, float)
  assert (state.inf, state.one, state.name, state.yes) == (float("-inf"), 2.5, "accuracy", True)
  assert ml_dtypes.bfloat16(state.bf16) == values["bf16"]


@pytest.mark.parametrize("snapshot, message", [
    ({"w": np.ones(3)}, r"holds w of float64\[2\], this configuration wants float64\[3\]"),
    ({"w": np.ones(2, np.float32)}, r"holds w of float64\[2\], .* wants float32\[2\]"),
    ({"w": np.ones(2), "b": np.ones(1)}, r"lacks b, this configuration wants it as float64\[1\]"),
    ({"v": np.ones(2)}, "lacks v"),
    ({}, r"holds w of float64\[2\], this configuration has no such array"),
])
def test_another_structure(tmp_path, snapshot, message):
  held(tmp_path, {"w": np.ones(2)}, 3).save("latest")
  checkpointer = held(tmp_path, snapshot)
  with pytest.raises(UserError, match=message) as caught:
    checkpointer.restore("latest")
  assert "latest/3 " in str(caught.value) and "config.json of that run" in str(caught.value)
  assert "\n" not in str(caught.value)
  assert checkpointer.get_experiment_state("latest").experiment_module.snapshot is snapshot


def test_another_experiment_format_or_metric(tmp_path, monkeypatch):
  saved = held(tmp_path, {"w": np.ones(2)}, 3, series="best", experiment_name="lewis")
  saved.get_experiment_state("best").best_model_eval_metric = "loss"
  saved.save("best")
  other = held(tmp_path, {"w": np.ones(2)}, series="best", experiment_name="continual")
  with pytest.raises(UserError, match="was made by lewis, this is continual: use a new --workdir"):
    other.restore("best")
  same = held(tmp_path, {"w": np.ones(2)}, series="best", experiment_name="lewis")
  same.get_experiment_state("best").best_model_eval_metric = "accuracy"
  with pytest.raises(UserError, match="was chosen by loss, this configuration chooses by accuracy"):
    same.restore("best")
  monkeypatch.setattr(checkpoint_format, "FORMAT", 2)
  with pytest.raises(UserError, match="has format 1, this program reads 2"):
    same.restore("best")


def _files(folder):
  return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def test_damage_is_found_in_every_file(tmp_path):
  for step in (4, 8):
    held(tmp_path, {"w": np.arange(2000.)}, step).save("latest")
  folder = tmp_path / "checkpoints" / "latest" / "8"
  damages = [lambda b: b[:len(b) // 2],
             lambda b: b[:len(b) // 2] + bytes([b[len(b) // 2] ^ 1]) + b[len(b) // 2 + 1:], None]
  for path in _files(folder):
    content = path.read_bytes()
    for damage in damages:
      path.unlink() if damage is None else path.write_bytes(damage(content))
      checkpointer = held(tmp_path, {"w": np.zeros(2000)})
      with pytest.raises(UserError, match=r"latest/8 is damaged .*to go on from step 4$"):
        checkpointer.restore("latest")
      path.write_bytes(content)
  held(tmp_path, {"w": np.zeros(2000)}).restore("latest")
  shutil.rmtree(folder.with_name("4"))
  path.unlink()
  with pytest.raises(UserError, match="no older one is left, use a new --workdir"):
    checkpoints.read_checkpoint(tmp_path)


def _refused(directory, message):
  """The newest checkpoint is neither restored nor read, for this reason."""
  for read in (held(directory, {"w": np.zeros(2)}).restore, lambda _: checkpoints.read_info(directory)):
    with pytest.raises(UserError, match=message) as caught:
      read("latest")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("checksums, message", [
    ("{}", "is damaged .*is not in checksums.json"), ("[]", "checksums.json is no table"),
    (100_000 * "[", "nested too deeply"), ('{"nowhere": 1}', "damaged"), ("", "damaged")])
def test_checksums_must_name_every_file(tmp_path, checksums, message):
  held(tmp_path, {"w": np.ones(2)}, 4).save("latest")
  (tmp_path / "checkpoints/latest/4/checksums.json").write_text(checksums)
  _refused(tmp_path, message)


def test_files_that_were_not_saved(tmp_path):
  held(tmp_path, {"w": np.ones(2)}, 4).save("latest")
  folder = tmp_path / "checkpoints/latest/4"
  (folder / ".nfs0001").touch()
  (folder / "arrays/._d").touch()  # Of the system, not of anybody's data.
  held(tmp_path, {"w": np.zeros(2)}).restore("latest")
  (folder / "arrays/d/more").touch()
  _refused(tmp_path, "is damaged .arrays/d/more is not in checksums.json")
  (folder / "arrays/d/more").unlink()
  os.mkfifo(folder / "arrays/pipe")
  _refused(tmp_path, "is damaged .arrays/pipe is not in checksums.json")
  (folder / "arrays/pipe").unlink()
  (folder / "info/metadata").unlink()
  os.mkfifo(folder / "info/metadata")
  _refused(tmp_path, "is damaged .info/metadata is missing")


def test_a_renamed_step_is_not_resumed(tmp_path):
  held(tmp_path, {"w": np.ones(2)}, 4).save("latest")
  series = tmp_path / "checkpoints/latest"
  os.rename(series / "4", series / "8")
  _refused(tmp_path, "latest/8 holds step 4, not 8: give the folder the name of its step")
  os.rename(series / "8", series / "08")  # No name of a step.
  assert checkpoints.latest_step(tmp_path) is None


def test_a_stray_folder_is_no_step(tmp_path):
  held(tmp_path, {"w": np.ones(2)}, 4).save("latest")
  stray = tmp_path / "checkpoints/latest/99999"
  stray.mkdir()
  _refused(tmp_path, r"latest/99999 is damaged \(checksums.json: No such file or directory\): "
           "delete that folder to go on from step 4")


@pytest.mark.parametrize("make", [pathlib.Path.mkdir, pathlib.Path.touch])
def test_nothing_is_saved_over_something_else(tmp_path, make):
  checkpointer = held(tmp_path, {"w": np.ones(2)}, 4)
  checkpointer.save("latest")
  make(tmp_path / "checkpoints/latest/5")
  checkpointer.get_experiment_state("latest").global_step = 5
  with pytest.raises(UserError, match="latest/5 is damaged"):
    checkpointer.save("latest")


def _rewrite_info(directory, change):
  """Changes the JSON item of checkpoint 4 and makes its checksum fit."""
  folder = directory / "checkpoints/latest/4"
  text = change(json.loads((folder / "info/metadata").read_text()))
  (folder / "info/metadata").write_text(text)
  sums = json.loads((folder / "checksums.json").read_text())
  sums["info/metadata"] = zlib.crc32(text.encode())
  (folder / "checksums.json").write_text(json.dumps(sums))


@pytest.mark.parametrize("change, message", [
    (lambda info: 100_000 * "[", "nested too deeply"), (lambda info: "[]", "damaged"),
    (lambda info: json.dumps(info | {"step": "4"}), "its step is not what a checkpoint holds"),
    (lambda info: json.dumps(info | {"state": {"global_step": 7}}), "its step is not what"),
    (lambda info: json.dumps(info | {"meta": []}), "its meta is not what"),
    (lambda info: json.dumps(info | {"arrays": [{"path": [1], "shape": [], "dtype": "x"}]}),
     "its arrays are not what"),
    (lambda info: json.dumps(info | {"arrays": [3]}), "damaged"),
    (lambda info: json.dumps(info | {"format": "1\n2"}), "has format 1 2, this program reads 1")])
def test_an_item_of_other_kinds(tmp_path, change, message):
  held(tmp_path, {"w": np.ones(2)}, 4).save("latest")
  _rewrite_info(tmp_path, change)
  _refused(tmp_path, message)


def test_damage_says_nothing_else(tmp_path, capfd):
  held(tmp_path, {f"w{i}": np.arange(2000.) for i in range(20)}, 8).save("latest")
  for path in _files(tmp_path / "checkpoints" / "latest" / "8" / "arrays"):
    path.write_bytes(b"x")
  with pytest.raises(UserError):
    checkpoints.read_checkpoint(tmp_path)
  assert capfd.readouterr() == ("", "")


def test_a_foreign_folder(tmp_path):
  with ocp.PyTreeCheckpointer() as foreign:
    foreign.save(tmp_path / "checkpoints" / "latest" / "3", {"w": np.ones(2)})
  (tmp_path / "checkpoints" / "latest" / "notes").mkdir()
  with pytest.raises(UserError, match="latest/3 is damaged .*checksums.json"):
    held(tmp_path, {"w": np.ones(2)}).restore("latest")


def test_leftovers_are_ignored_and_removed(tmp_path):
  held(tmp_path, {"w": np.ones(2)}, 3).save("latest")
  series = tmp_path / "checkpoints" / "latest"
  leftovers = [series / name for name in (
      "9.partial", "9.partial.orbax-checkpoint-tmp", "2.trash")]
  for folder in leftovers:
    shutil.copytree(series / "3", folder)
  reader = held(tmp_path, {"w": np.zeros(2)})
  reader.restore("latest")
  assert reader.get_experiment_state("latest").global_step == 3
  assert all(folder.exists() for folder in leftovers), "reading must not touch another's save"
  held(tmp_path, {"w": np.ones(2)}, 9).save("latest")
  assert sorted(path.name for path in series.iterdir()) == ["3", "9"]


def test_a_checkpoint_replaced_while_read(tmp_path, monkeypatch):
  writer = held(tmp_path, {"w": np.ones(2)}, 1, max_to_keep=1)
  writer.save("latest")
  read_arrays = checkpoint_format.read_arrays
  def replace_first(folder, info):
    writer.get_experiment_state("latest").global_step = 2
    writer.save("latest")
    return read_arrays(folder, info)
  monkeypatch.setattr(checkpoint_format, "read_arrays", replace_first)
  reader = held(tmp_path, {"w": np.zeros(2)})
  reader.restore("latest")
  assert reader.get_experiment_state("latest").global_step == 2


def test_cannot_be_written(tmp_path):
  (tmp_path / "checkpoints").write_text("in the way")
  with pytest.raises(UserError, match="cannot write checkpoint .*latest/3"):
    held(tmp_path, {"w": np.ones(2)}, 3).save("latest")


def test_a_full_disk(tmp_path, monkeypatch):
  def fail(*args, **kwargs):
    raise ValueError("RESOURCE_EXHAUSTED: writing d/0: [OS error 28: No space left on device]")
  monkeypatch.setattr(ocp.Checkpointer, "save", fail)
  with pytest.raises(UserError, match="latest/3: the disk is full$"):
    held(tmp_path, {"w": np.ones(2)}, 3).save("latest")


@pytest.mark.parametrize("snapshot, error", [
    ({"a.b": {"c": np.ones(1)}, "a": {"b.c": np.zeros(1)}}, ValueError),
    ({1: np.ones(1), "1": np.zeros(1)}, (ValueError, TypeError)),
    ({"name": "text"}, TypeError),
])
def test_what_cannot_be_saved_is_refused(tmp_path, snapshot, error):
  with pytest.raises(error):
    held(tmp_path, snapshot, 3).save("latest")


def test_state_entries_must_be_scalars(tmp_path):
  checkpointer = held(tmp_path, {"w": np.ones(2)}, 3)
  checkpointer.get_experiment_state("latest").history = np.ones(3)
  with pytest.raises(TypeError, match="state entry history is a ndarray"):
    checkpointer.save("latest")


@pytest.mark.parametrize("snapshot", [{}, {"w": np.ones((0, 2))}, {"none": None, "empty": {}}])
def test_nothing_to_save(tmp_path, snapshot):
  held(tmp_path, snapshot, 3).save("latest")
  restored = held(tmp_path, snapshot)
  restored.restore("latest")
  _assert_same(restored.get_experiment_state("latest").experiment_module.snapshot, snapshot)


def test_description_is_plain_json(tmp_path):
  held(tmp_path, {"w": np.ones((2, 3))}, 3).save("latest")
  info = json.loads((tmp_path / "checkpoints/latest/3/info/metadata").read_text())
  assert info["arrays"] == [
      {"path": ["experiment_module", "w"], "shape": [2, 3], "dtype": "float64"}]
