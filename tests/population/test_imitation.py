"""Speakers imitate a teacher."""

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np
import pytest

from socialized_learning.games import speaker_losses
from socialized_learning.population import imitation
from socialized_learning.population import stack
from tests.population import world

_SCORES = jnp.array([0.5, 0.1, 0.9, 0.3])
_COUNTS = jnp.array([40, 300, 20, 1])  # Batches that each speaker has seen.


@pytest.mark.parametrize("teacher, expected", [("best", 2), ("worst", 1)])
def test_choice_among_all(teacher, expected):
  for seed in range(5):
    chosen, students = imitation.choose(jax.random.PRNGKey(seed), _SCORES, num_students=3,
                                        teacher=teacher)
    assert chosen == expected
    assert sorted([int(chosen), *students.tolist()]) == [0, 1, 2, 3]


def test_choice_among_those_drawn():
  teachers = set()
  for seed in range(30):
    key = jax.random.PRNGKey(seed)
    best, students = imitation.choose(key, _SCORES, num_students=1, teacher="best")
    assert _SCORES[best] > _SCORES[students[0]]
    worst, _ = imitation.choose(key, _SCORES, num_students=1, teacher="worst")
    assert worst == students[0]  # The same two are drawn from the same key.
    teachers.add(int(imitation.choose(key, _SCORES, num_students=1, teacher="random")[0]))
  assert teachers == {0, 1, 2, 3}


def _imitate(settings, society, **changes):
  config = {"num_students": 2, "teacher": "best", "self_imitation": False} | changes
  speaker, _ = world.players(settings)
  made = imitation.make_imitation(speaker, world.learners(settings).speaker,
                                  config_dict.ConfigDict(config), score=settings.population.score,
                                  axis_name=None)
  return jax.device_get(jax.jit(made)(society, world.view(), jax.random.PRNGKey(5)))


def _society(num_speakers):
  """A population whose expected accuracies are _SCORES; of the biased averages the first is the largest."""
  settings = world.config(num_speakers=num_speakers, num_listeners=1, num_pairs=1)
  society = jax.device_get(world.collaborate(settings).init(jax.random.PRNGKey(0), world.view()))
  return settings, society._replace(
      scores=stack.Score((_SCORES * (1 - 0.99**_COUNTS))[:num_speakers], _COUNTS[:num_speakers]))


def test_students_come_closer_to_the_teachers_messages_and_nothing_else_changes():
  settings, society = _society(3)
  after, loss = _imitate(settings, society)
  speaker, _ = world.players(settings)
  inputs = world.view().speaker_inputs
  messages = jax.jit(speaker.greedy)(stack.take(society.speakers.params, 2), inputs).actions
  distance = jax.jit(lambda params: speaker_losses.imitation(
      speaker.forced(params, inputs, messages)))
  before = [distance(stack.take(society.speakers.params, i)) for i in (0, 1)]
  np.testing.assert_allclose(loss, np.mean(before), rtol=1e-5)
  for student, old in zip((0, 1), before, strict=True):
    assert distance(stack.take(after.speakers.params, student)) < old
  jax.tree.map(np.testing.assert_array_equal, stack.take(after.speakers, 2),
               stack.take(society.speakers, 2))
  for untouched in ("targets", "listeners", "scores"):
    jax.tree.map(np.testing.assert_array_equal, getattr(after, untouched),
                 getattr(society, untouched))


def test_self_imitation_of_a_speaker_that_is_alone():
  settings, society = _society(1)
  after, loss = _imitate(settings, society, self_imitation=True)
  assert loss > 0
  changed = jax.tree.map(lambda a, b: not np.array_equal(a, b), after.speakers.params,
                         society.speakers.params)
  assert any(jax.tree.leaves(changed))
