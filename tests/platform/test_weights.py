"""Weights in a folder of their own: written once, read by what they fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.platform import checkpoints
from socialized_learning.platform import weights
from socialized_learning.platform.errors import UserError

_TREE = {
    "net/~/conv": {"w": np.float32([[0, 1, 2], [3, 4, 5]]), "b": np.ones(3, np.float32)},
    "stats": {}, "pair": (np.float32(2), np.zeros((0, 4), np.float32))}


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("weights") / "new" / "one"
  weights.save_weights(folder, _TREE, {"kind": "test"})
  return folder


def _template(**changes):
  template = jax.eval_shape(lambda: jax.tree.map(jnp.asarray, _TREE))
  return template | changes


def _error(folder, template):
  with pytest.raises(UserError) as caught:
    weights.load_weights(folder, template)
  assert "\n" not in str(caught.value)
  return str(caught.value)


def test_what_was_saved_is_loaded(folder):
  found = weights.load_weights(folder, _template())
  assert jax.tree.structure(found) == jax.tree.structure(_TREE)
  jax.tree.map(np.testing.assert_array_equal, found, _TREE)
  assert checkpoints.read_info(folder)["meta"] == {"kind": "test"}


def test_other_networks_are_told_apart_by_the_first_array(folder):
  shape = lambda *sizes: jax.ShapeDtypeStruct(sizes, jnp.float32)
  other = {"w": shape(2, 3), "b": shape(4)}
  assert ("it holds net/~/conv/b of float32[3], this configuration wants float32[4]" in
          _error(folder, _template(**{"net/~/conv": other})))
  assert "it lacks more/w" in _error(folder, _template(more={"w": shape(1)}))
  assert "it holds net/~/conv/b" in _error(folder, _template(**{"net/~/conv": {"w": shape(2, 3)}}))


def test_a_folder_is_used_once(folder, tmp_path):
  for used in (folder, tmp_path / "file"):
    if used != folder:
      used.write_text("x")
    with pytest.raises(UserError, match="is there already and is not overwritten"):
      weights.save_weights(used, _TREE, {})
  (tmp_path / "empty").mkdir()
  weights.save_weights(tmp_path / "empty", _TREE, {})


def test_what_are_no_weights(tmp_path):
  assert "there are no weights in" in _error(tmp_path / "nowhere", _template())
  run = checkpoints.OrbaxCheckpointer(tmp_path, experiment_name="lewis")
  state = run.get_experiment_state("latest")
  state.global_step = 3
  state.experiment_module = type("Run", (), {"snapshot_state": lambda self: _TREE})()
  run.save("latest")
  assert _error(tmp_path, _template()) == (
      f"{tmp_path} is the folder of a run (lewis), not of weights")


def test_damaged_weights(folder, tmp_path):
  weights.save_weights(tmp_path / "copy", _TREE, {})
  for path in (tmp_path / "copy").rglob("*"):
    if path.is_file() and path.parent.name == "d":
      path.write_bytes(b"x" * path.stat().st_size)
  assert "is damaged" in _error(tmp_path / "copy", _template())
