"""Speakers imitate a speaker: now and then a teacher is chosen and some others learn its words.

Shapes: `N` speakers, `S` students, `B` batch on this device.
Source: Chaabouni et al. 2022, section 3 (imitation training).
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import optax

from socialized_learning.agents import Speaker
from socialized_learning.games import speaker_losses
from socialized_learning.games import View
from socialized_learning.population import collaboration
from socialized_learning.population import randomness
from socialized_learning.population import stack

TEACHERS = ("best", "worst", "random")

Imitate = Callable[[collaboration.Society, View, chex.PRNGKey],
                   tuple[collaboration.Society, chex.Array]]


def choose(key: chex.PRNGKey, scores: chex.Array, *, num_students: int, teacher: str
          ) -> tuple[chex.Array, chex.Array]:
  """Draws `num_students` + 1 speakers without replacement; returns (teacher, students [S]).

  The teacher is the best or the worst of those drawn by `scores` [N], or the first drawn; ties go to
  the first drawn.
  """
  drawn = jax.random.permutation(key, scores.shape[0])[:num_students + 1]
  ranks = {"best": scores[drawn], "worst": -scores[drawn], "random": jnp.zeros(num_students + 1)}
  chosen = jnp.argmax(ranks[teacher])
  places = jnp.arange(num_students)
  return drawn[chosen], drawn[places + (places >= chosen)]


def make_imitation(speaker: Speaker, optimiser: optax.GradientTransformation,
                   config: config_dict.ConfigDict, *, score: config_dict.ConfigDict,
                   axis_name: str | None) -> Imitate:
  """Builds one round of imitation: (society, view, key) -> (society, mean loss of the students).

  The students are forced along the teacher's greedy messages and step with their own optimiser
  state; targets and listeners stay.

  Args:
    speaker: the kind of agent that speaks.
    optimiser: of the speakers.
    config: `num_students`, `teacher`, and `self_imitation`: whether a speaker that is alone imitates
      its own greedy messages.
    score: `kind` and `decay` of the speakers' scores, by which the best or worst is found.
    axis_name: the devices' axis, over which gradients are averaged; None for none.
  """

  def study(student, messages, view):
    def loss(params):
      return speaker_losses.imitation(speaker.forced(params, view.speaker_inputs, messages))

    value, grads = jax.value_and_grad(loss)(student.params)
    if axis_name is not None:
      value, grads = jax.lax.pmean((value, grads), axis_name)
    return stack.descend(optimiser, student, grads), value

  def imitate(society, view, key):
    if config.self_imitation and stack.size(society.speakers) == 1:
      teacher, students = jnp.int32(0), jnp.zeros(1, jnp.int32)
    else:
      scores = stack.scores_of(society.scores, kind=score.kind, decay=score.decay)
      teacher, students = choose(randomness.named(key, "imitation"), scores,
                                 num_students=config.num_students, teacher=config.teacher)
    messages = speaker.greedy(stack.take(society.speakers.params, teacher),
                              view.speaker_inputs).actions
    rows, losses = jax.vmap(study, in_axes=(0, None, None))(
        stack.take(society.speakers, students), messages, view)
    return society._replace(speakers=stack.put(society.speakers, students, rows)), losses.mean()

  return imitate
