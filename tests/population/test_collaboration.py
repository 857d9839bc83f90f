"""Pairs of a population learn: mapped updates equal plain loops over pairs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning import games
from socialized_learning.population import collaboration
from socialized_learning.population import pairing
from socialized_learning.population import randomness
from socialized_learning.population import stack
from tests.population import world

_CLOSE = dict(rtol=2e-5, atol=1e-6)


def _assert_close(actual, expected, **tolerance):
  jax.tree.map(functools.partial(np.testing.assert_allclose, **(tolerance or _CLOSE)), actual,
               expected)


def _pair_gradient(settings, society, pair, view, key):
  """Gradient and accuracy of one pair, as a reader of the paper would write it."""
  game = games.make_lewis_game(*world.players(settings), settings, axis_name=None)
  keys = [randomness.each(randomness.named(key, name), view.positions)
          for name in ("messages", "distractors")]

  def loss(params):
    episode = game.play(params, stack.take(society.targets, pair[0]), view, keys[0])
    return game.score(episode, view, keys[1])

  params = games.Pair(stack.take(society.speakers.params, pair[0]),
                      stack.take(society.listeners.params, pair[1]))
  grads, metrics = jax.grad(loss, has_aux=True)(params)
  return grads, metrics["accuracy"]


def _drawn(settings, key):
  """The pairs of a step and their keys."""
  sizes = settings.population
  pairs = pairing.draw_pairs(randomness.named(key, "pairs"), num_speakers=sizes.num_speakers,
                             num_listeners=sizes.num_listeners, num_pairs=sizes.num_pairs,
                             kind=sizes.pairing)
  keys = randomness.each(randomness.named(key, "pair"), jnp.arange(sizes.num_pairs))
  return list(zip(pairs.speakers.tolist(), pairs.listeners.tolist(), strict=True)), keys


def _learn(settings, society, pair, grads, accuracy):
  """One optimiser step of one pair, its target and its score."""
  speaker_opt, listener_opt = world.learners(settings)
  speaker, listener = pair
  new_speaker = stack.descend(speaker_opt, stack.take(society.speakers, speaker), grads.speaker)
  new_listener = stack.descend(listener_opt, stack.take(society.listeners, listener),
                               grads.listener)
  target = stack.ema(stack.take(society.targets, speaker), new_speaker.params,
                     settings.target_decay)
  score = stack.update_score(stack.take(society.scores, speaker), accuracy, kind="ema", decay=0.99)
  return collaboration.Society(
      stack.put(society.speakers, speaker, new_speaker), stack.put(society.targets, speaker, target),
      stack.put(society.scores, speaker, score), stack.put(society.listeners, listener, new_listener))


def _start(settings):
  key = jax.random.PRNGKey(3)
  made = world.collaborate(settings)
  # On the host: comparing agent by agent on a device would compile a program for every shape.
  return made, jax.device_get(made.init(key, world.view())), jax.random.fold_in(key, 1)


def test_target_starts_as_a_copy_of_the_speaker():
  _, society, _ = _start(world.config())
  jax.tree.map(np.testing.assert_array_equal, society.targets, society.speakers.params)


@pytest.mark.parametrize("mapping", ["vmap", "map"])
def test_matching_equals_a_loop_over_pairs(mapping):
  settings = world.config(num_speakers=3, num_listeners=4, num_pairs=3, mapping=mapping)
  made, society, key = _start(settings)
  updated, _ = jax.device_get(made.update(society, world.view(), key))
  gradient = jax.jit(functools.partial(_pair_gradient, settings))
  learn = jax.jit(functools.partial(_learn, settings))
  expected = society
  pairs, keys = _drawn(settings, key)
  for pair, pair_key in zip(pairs, keys, strict=True):
    expected = learn(expected, pair, *gradient(society, pair, world.view(), pair_key))
  _assert_close(updated, expected)


def test_sequential_equals_a_loop_in_which_later_pairs_see_what_earlier_ones_learnt():
  settings = world.config(num_speakers=2, num_listeners=2, num_pairs=2, pairing="sequential")
  made, society, key = _start(settings)
  while len(set(_drawn(settings, key)[0][i][0] for i in (0, 1))) == 2:
    key = jax.random.fold_in(key, 0)  # Until one speaker is met twice.
  updated, _ = jax.device_get(made.update(society, world.view(), key))
  gradient = jax.jit(functools.partial(_pair_gradient, settings))
  learn = jax.jit(functools.partial(_learn, settings))
  expected = society
  pairs, keys = _drawn(settings, key)
  for pair, pair_key in zip(pairs, keys, strict=True):
    expected = learn(expected, pair, *gradient(expected, pair, world.view(), pair_key))
  _assert_close(updated, expected)
  assert updated.scores.count.sum() == 2


def test_independent_agent_met_twice_takes_one_step_along_its_mean_gradient():
  settings = world.config(num_speakers=2, num_listeners=3, num_pairs=3, pairing="independent")
  made, society, key = _start(settings)
  updated, _ = jax.device_get(made.update(society, world.view(), key))
  gradient = jax.jit(functools.partial(_pair_gradient, settings))
  descend = jax.jit(functools.partial(stack.descend, world.learners(settings).speaker))
  pairs, keys = _drawn(settings, key)
  found = [jax.device_get(gradient(society, pair, world.view(), pair_key))
           for pair, pair_key in zip(pairs, keys, strict=True)]
  for speaker in range(2):
    mine = [(g.speaker, a) for (s, _), (g, a) in zip(pairs, found, strict=True) if s == speaker]
    expected = stack.take(society.speakers, speaker)
    if mine:
      grads = jax.tree.map(lambda *x: sum(x) / len(mine), *[g for g, _ in mine])
      expected = descend(expected, grads)
      accuracy = float(sum(a for _, a in mine) / len(mine))
      np.testing.assert_allclose(updated.scores.value[speaker], 0.01 * accuracy, rtol=1e-5)
    assert updated.scores.count[speaker] == bool(mine)
    _assert_close(stack.take(updated.speakers, speaker), expected)
  assert len({s for s, _ in pairs}) < 3  # Three visits to two speakers: one was met twice.


def test_agents_that_meet_nobody_stay_as_they_are():
  settings = world.config(num_speakers=4, num_listeners=3, num_pairs=1)
  made, society, key = _start(settings)
  updated, _ = jax.device_get(made.update(society, world.view(), key))
  (speaker, listener), = _drawn(settings, key)[0]
  changed = lambda old, new: {i for i in range(stack.size(old)) if any(
      not np.array_equal(a[i], b[i]) for a, b in zip(jax.tree.leaves(old), jax.tree.leaves(new)))}
  assert changed(society.speakers, updated.speakers) == {speaker}
  assert changed(society.targets, updated.targets) == {speaker}
  assert changed(society.listeners, updated.listeners) == {listener}


@pytest.mark.parametrize("kind, loss", [("matching", {"num_distractors": 3}), ("sequential", {})])
def test_four_devices_equal_one_on_the_same_global_batch(kind, loss):
  settings = world.config(num_speakers=2, num_listeners=2, num_pairs=2, pairing=kind)
  settings.listener_loss.update(loss)
  made, society, key = _start(settings)
  alone, metrics = jax.device_get(made.update(society, world.view(), key))
  devices = 4
  split = jax.tree.map(lambda x: x.reshape(devices, -1, *x.shape[1:]), world.view())
  together = jax.pmap(world.collaborate(settings, "devices").update, axis_name="devices",
                      in_axes=(None, 0, None))(society, split, key)
  together = jax.device_get(together)
  for device in range(devices):
    society_there, metrics_there = jax.tree.map(lambda x: x[device], together)
    _assert_close(society_there, alone, rtol=1e-3, atol=1e-5)
    _assert_close(metrics_there, metrics, rtol=1e-4, atol=1e-5)


def test_gradient_norms_are_logged_and_metrics_are_finite_for_one_pair():
  settings = world.config(num_speakers=1, num_listeners=1, num_pairs=1)
  made, society, key = _start(settings)
  _, metrics = made.update(society, world.view(), key)
  assert {"loss", "accuracy", "speaker_grad_norm", "listener_grad_norm"} <= metrics.keys()
  assert all(np.isfinite(value) for value in metrics.values())
