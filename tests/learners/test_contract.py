"""What holds for every learner of the table, on a tiny stream of two tasks."""

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np
import pytest

from socialized_learning import learners
from socialized_learning.agents import classifiers
from socialized_learning.configs import presets
from socialized_learning.platform import plain_trees
from socialized_learning.population import members

_NUM_OUTPUTS, _NUM_IMAGES, _BATCH = 4, 24, 4
_SHAPE = (3, 3, 1)
_MLP = classifiers.make_classifier(
    config_dict.create(kind="mlp", hidden_sizes=(5,), width=1), _NUM_OUTPUTS)
_GATED = classifiers.make_classifier(
    config_dict.create(kind="gated_resnet", width=2, has_agents=True, bottleneck_ratio=2,
                       policy_temperature=0.15, grey_as_colour=False), _NUM_OUTPUTS,
    inference=config_dict.create(mode="threshold", threshold=0.5))
_HAVE_AGENTS = ("dynamos", "dynamos_sgd")
_ALL = pytest.mark.parametrize("name", list(learners.LEARNERS))


def _classifier(name):
  return _GATED if name in _HAVE_AGENTS else _MLP


def _make(name):
  """The learner, with the values of any of its presets."""
  stream, buffer = next((stream, buffer) for method, stream, buffer in presets.combinations()
                        if method == name)
  values = presets.preset(name, stream, buffer or None) | {
      "buffer_size": 6, "replay_batch_size": 4, "memory_policy": "reservoir", "fidelity": "clean",
      "average_filters": False, "num_tasks": 2, "batch_size": _BATCH, "num_epochs": 1,
      "thresholds": (), "warmup_steps": 1, "warmup_epochs": 0}
  return learners.make(name, _classifier(name), config_dict.ConfigDict(values), axis_name=None,
                       images=jnp.zeros((1, *_SHAPE)), num_outputs=_NUM_OUTPUTS)


def _world():
  images = jax.random.normal(jax.random.PRNGKey(7), (_NUM_IMAGES, *_SHAPE))
  labels = jnp.arange(_NUM_IMAGES, dtype=jnp.int32) % 2 + 2 * (jnp.arange(_NUM_IMAGES) // 12)
  return learners.World(lambda index, view, keys: images[index], labels)


def _batch(index, num_valid=None):
  index = jnp.asarray(index, jnp.int32)
  place = jnp.arange(len(index), dtype=jnp.int32)
  return learners.Batch(index, jnp.zeros_like(index), place < (num_valid or len(index)), place)


def _task(number):
  outputs = np.arange(_NUM_OUTPUTS) // 2
  return learners.Task(jnp.int32(number), _batch(np.arange(12) + 12 * number),
                       jnp.asarray(outputs == number), jnp.asarray(outputs <= number))


class _Walk:
  """A learner's walk through both tasks, compiled for one member or several at once."""

  def __init__(self, learner, over):
    world = _world()
    cross = lambda act: act and jax.jit(over(
        lambda state, key, task: act(state, task, world, key), in_axes=(0, 0, None)))
    self._init = jax.jit(over(learner.init))
    self._begin, self._end = cross(learner.begin_task), cross(learner.end_task)
    self._observe = jax.jit(over(
        lambda state, key, batch: learner.observe(state, batch, world, key),
        in_axes=(0, 0, None)), donate_argnums=0)

  def start(self, keys):
    return self._init(keys)

  def walk(self, state, keys, steps):
    """Steps 0 to 2 are the first task's, 3 to 5 the second's; the last of each is short."""
    metrics = []
    at = lambda step: jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, step)
    for step in steps:
      task = step // 3
      if step % 3 == 0 and self._begin:
        state = self._begin(state, at(100 + task), _task(task))
      state, seen = self._observe(state, at(step), _batch(
          np.arange(_BATCH) + _BATCH * step, 2 if step % 3 == 2 else None))
      metrics.append(jax.device_get(seen))
      if step % 3 == 2 and self._end:
        state = self._end(state, at(200 + task), _task(task))
    return state, metrics


def _alone(function, in_axes=0):
  """As `vmap` over one member, without it; of the mapped axes only the first is ever there."""
  def mapped(*args):
    axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
    found = function(*(jax.tree.map(lambda x: x[0], arg) if axis == 0 else arg
                       for arg, axis in zip(args, axes)))
    return jax.tree.map(lambda x: jnp.asarray(x)[None], found)

  return mapped


@pytest.fixture(name="whole", scope="module")
def _whole():
  """name -> (walk, keys, the state after both tasks, metrics of all steps), made when asked for."""
  made = {}

  def get(name):
    if name not in made:
      walk = _Walk(_make(name), jax.vmap)
      keys = members.keys(jax.random.PRNGKey(1), 2)
      made[name] = (walk, keys, *walk.walk(walk.start(keys), keys, range(6)))
    return made[name]

  return get


@_ALL
def test_learns_and_stays_finite(name, whole):
  walk, keys, state, metrics = whole(name)
  for path, leaf in jax.tree_util.tree_leaves_with_path((state, metrics)):
    assert np.isfinite(leaf).all(), path
  start, last = walk.start(keys), _classifier(name).head
  for head, net in _make(name).heads(state).items():
    assert not np.array_equal(net.params[last]["w"],
                              _make(name).heads(start)[head].params[last]["w"]), head


# Dynamos does all that dynamos_sgd does; with convolutions it takes long to compile.
@pytest.mark.parametrize("name", [name for name in learners.LEARNERS if name != "dynamos_sgd"])
def test_a_member_among_others_is_a_member_alone(name, whole):
  _, keys, state, metrics = whole(name)
  walk = _Walk(_make(name), _alone)
  for member in range(1 if name in _HAVE_AGENTS else 2):
    key = keys[member:member + 1]
    alone = walk.walk(walk.start(key), key, range(6))
    among = jax.tree.map(lambda x: x[member:member + 1], (state, metrics))
    assert jax.tree.structure(alone) == jax.tree.structure(among)
    rtol = 5e-3 if name in _HAVE_AGENTS else 2e-4  # Statistics of tiny batches multiply rounding.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-5), alone, among)


@_ALL
def test_goes_on_from_a_checkpoint_bit_for_bit(name, whole):
  walk, keys, state, metrics = whole(name)
  half, _ = walk.walk(walk.start(keys), keys, range(4))  # In the middle of the second task.
  restored = plain_trees.from_plain(
      plain_trees.to_slots(walk.start(keys)), plain_trees.to_plain(half))
  ended, rest = walk.walk(restored, keys, (4, 5))
  jax.tree.map(np.testing.assert_array_equal, (ended, rest), (state, metrics[4:]))


@_ALL
def test_padding_is_never_learnt(name, whole):
  walk, keys, *_ = whole(name)
  before = jax.device_get(walk.walk(walk.start(keys), keys, range(2))[0])
  key = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, 2)
  after = [walk._observe(jax.tree.map(jnp.asarray, before), key, _batch([8, 9, *filling], 2))[0]
           for filling in ([10, 11], [0, 20])]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), *after)
