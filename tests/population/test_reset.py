"""Agents are replaced by newborn ones, and nobody else changes."""

import functools

import jax
from ml_collections import config_dict
import numpy as np
import pytest

from socialized_learning import games
from socialized_learning.population import reset
from socialized_learning.population import stack
from tests.population import world


@functools.cache
def _lived():
  """A population after a step, so that optimiser states and scores are not those of the start."""
  settings = world.config(num_speakers=3, num_listeners=2, num_pairs=3)
  made = world.collaborate(settings)
  society = made.init(jax.random.PRNGKey(0), world.view())
  society, _ = made.update(society, world.view(), jax.random.PRNGKey(1))
  society, _ = made.update(society, world.view(), jax.random.PRNGKey(2))
  return settings, jax.device_get(society)


def _reset(kind, choice, step=10, seed=0):
  settings, society = _lived()
  game = games.make_lewis_game(*world.players(settings), settings, axis_name=None)
  made = reset.make_reset(game, world.learners(settings),
                          config_dict.create(interval=5, kind=kind, choice=choice))
  after = jax.jit(made)(society, world.view(), jax.random.PRNGKey(seed), step)
  return society, jax.device_get(after)


def _changed(old, new):
  return {i for i in range(stack.size(old)) if any(
      not np.array_equal(a[i], b[i])
      for a, b in zip(jax.tree.leaves(old), jax.tree.leaves(new), strict=True))}


@pytest.mark.parametrize("kind, speakers, listeners", [
    ("pair", {1}, {1}), ("speaker", {1}, set()), ("listener", set(), {1})])
def test_exactly_the_agents_named_are_replaced(kind, speakers, listeners):
  before, after = _reset(kind, "oldest")  # The second turn: agent 1.
  assert _changed(before.speakers, after.speakers) == speakers
  assert _changed(before.targets, after.targets) == speakers
  assert _changed(before.scores, after.scores) == speakers
  assert _changed(before.listeners, after.listeners) == listeners


def test_a_newborn_speaker_starts_from_nothing():
  _, after = _reset("speaker", "oldest")
  newborn = stack.take(after.speakers, 1)
  jax.tree.map(np.testing.assert_array_equal, stack.take(after.targets, 1), newborn.params)
  assert all(not np.any(leaf) for leaf in jax.tree.leaves(newborn.opt_state))
  assert after.scores.count[1] == 0 and after.scores.value[1] == 0


def test_oldest_first_goes_round():
  assert [int(reset.choose(None, 3, turn, "oldest")) for turn in range(5)] == [0, 1, 2, 0, 1]


def test_random_choice_reaches_everybody_and_depends_only_on_the_key():
  draw = jax.jit(lambda key: reset.choose(key, 3, 0, "random"))
  drawn = [int(draw(jax.random.PRNGKey(seed))) for seed in range(40)]
  assert set(drawn) == {0, 1, 2}
  assert drawn == [int(draw(jax.random.PRNGKey(seed))) for seed in range(40)]
