"""Newcomers learn from frozen speakers: together as alone, on four devices as on one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning import agents
from socialized_learning.configs import ease_of_learning_config
from socialized_learning.population import newcomers
from socialized_learning.population import optimisers
from socialized_learning.population import stack
from tests.population import world

_AXIS = "devices"
_KEY = jax.random.PRNGKey(3)


def _config(task="discrimination", **changes):
  """The recipe with all that it takes from the debug sweep."""
  config, run = ease_of_learning_config.get_config(task), world.config()
  head, loss = ease_of_learning_config.TASKS[task]
  with config.unlocked():
    config.update(message=run.message, speaker=run.speaker, num_listeners=2, **changes)
    config.listener.update(run.listener)
    config.listener.head.kind = head
    config.listener_loss.update(kind=loss, score="cos", temperature=0.2)
  return config


def _lessons(config, speaker_ids, axis_name=None):
  listener = agents.make_listener(config.listener, config.message, {"image": 3, "class": 4})
  speaker = agents.make_speaker(config.speaker, config.message)
  optimiser = optimisers.make_optimiser(config.listener_optimiser)
  return newcomers.make_newcomers(speaker, listener, optimiser, config, speaker_ids,
                                  axis_name=axis_name)


def _compiled(config, speaker_ids):
  return newcomers.Newcomers(*map(jax.jit, _lessons(config, speaker_ids)))


@functools.cache
def _speakers():
  """Parameters of three speakers."""
  speaker, _ = world.players(world.config())
  init = jax.jit(lambda key: stack.stack_init(
      lambda k: speaker.init(k, world.view().speaker_inputs), key, 3))
  return init(jax.random.PRNGKey(5))


def _learn(config, ids, num_steps=2):
  """Listeners and metrics after some steps with the speakers `ids`."""
  lessons = _compiled(config, ids)
  speakers = stack.take(_speakers(), np.asarray(ids))
  listeners = lessons.init(_KEY, world.view())
  for step in range(num_steps):
    listeners, metrics = lessons.update(listeners, speakers, world.view(seed=step),
                                        jax.random.fold_in(_KEY, step))
  return jax.device_get((listeners, metrics))


def _assert_close(tree, other, rtol=1e-5):
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6), tree, other)


@pytest.mark.parametrize("num_distractors, messages", [(-1, "greedy"), (3, "sampled")])
def test_who_else_learns_makes_no_difference(num_distractors, messages):
  config = _config(messages=messages)
  config.listener_loss.num_distractors = num_distractors
  together, metrics = _learn(config, (0, 2))
  for row, speaker in enumerate((0, 2)):
    alone, of_one = _learn(config, (speaker,))
    _assert_close(stack.take(together, row), stack.take(alone, 0))
    np.testing.assert_allclose(metrics["loss_per_listener"][row], of_one["loss_per_listener"][0],
                               rtol=1e-5)
  config.num_listeners = 1
  alone, _ = _learn(config, (2,))
  _assert_close(jax.tree.map(lambda x: x[1, 0], together), jax.tree.map(lambda x: x[0, 0], alone))


def test_listeners_of_one_speaker_begin_differently():
  init = _compiled(_config(), (0, 1)).init(_KEY, world.view())
  first = np.asarray(init.params["listener/~/embed"]["embeddings"]).reshape(4, -1)
  assert len(np.unique(first, axis=0)) == 4


def test_no_newcomer_is_a_listener_of_its_speakers_run():
  config = _config()
  config.num_listeners = 3
  run = world.config(num_speakers=2, num_listeners=2, num_pairs=2)
  there = world.collaborate(run).init(_KEY, world.view()).listeners  # The same seed.
  come = _compiled(config, (0, 1)).init(_KEY, world.view())
  begin = lambda agents, n: np.asarray(agents.params["listener/~/embed"]["embeddings"]).reshape(n, -1)
  assert len(np.unique(np.concatenate([begin(there, 2), begin(come, 6)]), axis=0)) == 8


def test_one_by_one_equals_all_at_once():
  _assert_close(_learn(_config(mapping="map"), (0, 1)), _learn(_config(mapping="vmap"), (0, 1)))


def test_metrics():
  _, metrics = _learn(_config(), (0, 1, 2))
  for name in ("loss", "accuracy"):
    assert metrics[f"{name}_per_listener"].shape == (3, 2)
    np.testing.assert_allclose(metrics[name], metrics[f"{name}_per_listener"].mean(), rtol=1e-6)
  assert 0 <= metrics["accuracy"] <= 1 and metrics["listener_grad_norm"] > 0


def test_learning_lowers_the_loss_and_reconstruction_has_no_accuracy():
  config = _config("reconstruction")
  view = world.view()._replace(labels={"image": jnp.zeros((world.BATCH, 32, 32, 3)) + 0.5})
  lessons, speakers = _compiled(config, (0,)), stack.take(_speakers(), np.asarray([0]))
  listeners = lessons.init(_KEY, view)
  losses = []
  for step in range(4):
    listeners, metrics = lessons.update(listeners, speakers, view, jax.random.fold_in(_KEY, step))
    losses.append(float(metrics["loss"]))
  assert losses == sorted(losses, reverse=True) and "accuracy" not in metrics


def test_nothing_is_differentiated_through_the_speakers():
  config = _config()
  lessons = _lessons(config, (0,))
  speakers = stack.take(_speakers(), np.asarray([0]))
  listeners = jax.jit(lessons.init)(_KEY, world.view())

  def loss(speakers):
    return lessons.update(listeners, speakers, world.view(), _KEY)[1]["loss"]

  grads = jax.device_get(jax.jit(jax.grad(loss))(speakers))
  assert all(not np.any(leaf) for leaf in jax.tree.leaves(grads))


@pytest.mark.parametrize("messages", ["greedy", "sampled"])
def test_four_devices_equal_one(messages):
  config = _config(messages=messages)
  one, metrics = _learn(config, (0, 1), num_steps=1)
  lessons = _lessons(config, (0, 1), axis_name=_AXIS)
  speakers = stack.take(_speakers(), np.asarray([0, 1]))
  listeners = jax.jit(lessons.init)(_KEY, world.view())
  view = jax.tree.map(lambda x: x.reshape(4, -1, *x.shape[1:]), world.view(seed=0))
  update = jax.pmap(lessons.update, axis_name=_AXIS, in_axes=(None, None, 0, None))
  four, of_four = jax.device_get(update(listeners, speakers, view, jax.random.fold_in(_KEY, 0)))
  _assert_close(stack.take(four, 0), one, rtol=1e-4)
  _assert_close({name: of_four[name][0] for name in metrics}, metrics, rtol=1e-4)
