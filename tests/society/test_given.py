"""Societies of which networks are given: what is made of them, and what they answer."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from socialized_learning.society import answers
from socialized_learning.society import stages as stages_lib
from socialized_learning.society import training
from socialized_learning.society.pupils import Pupil
from tests.society import test_training


def _whole(design, vgg, seed, images):
  """A network as it is given, with statistics of its own: (parameters, statistics)."""
  net = vgg.init_backbone(jax.random.PRNGKey(seed), images)
  stats = jax.tree.map(lambda x: x + 0.01 * seed, net.stats)
  return {"backbone": net.params, "head": vgg.init_head(jax.random.PRNGKey(seed + 1))}, stats


def _made(init, **given):
  society = test_training._Society(**{"altruism.init": init})
  images = jnp.zeros((1, *society.world.train.images.shape[1:]))
  design, stage = society.design, society.stages["altruism"]
  assert stage.kind == stages_lib.GROWN
  nets = {part: _whole(design, design.narrow if part == "specialists" else design.wide, seed, images)
          for part, seed in given.items()}
  if "specialists" in nets:
    nets["specialists"] = jax.tree.map(lambda x: jnp.stack([x, x]), nets["specialists"])
  state = jax.jit(functools.partial(training.init, design, (stage,), images=images, keeps_best=True,
                                    has_elders=False))(jax.random.PRNGKey(0), nets)
  return society, state


def test_heads_start_from_the_student_though_altruism_is_the_first_stage():
  _, state = _made("student", specialists=1, student=2)
  jax.tree.map(lambda heads, head: np.testing.assert_array_equal(heads, np.stack([head, head])),
               state.parts["experts"].params["head"], state.parts["student"].params["head"])


def test_fresh_heads_of_the_first_stage_are_fresh():
  _, state = _made("fresh", specialists=1, student=2)
  heads, head = (state.parts[part].params["head"]["linear"]["w"] for part in ("experts", "student"))
  assert not np.array_equal(heads[0], heads[1]) and not np.array_equal(heads[0], head)


def test_an_expert_answers_with_its_own_backbone_and_statistics():
  society, state = _made("fresh", specialists=1, student=2)
  student, images = state.parts["student"], np.asarray(society.world.train.images[:3])
  moved = jax.tree.map(lambda x: x + 0.01, student.stats)  # All that is not the student's.
  whole = lambda stats: Pupil(*jax.tree.map(lambda x: x[None], (
      {name: student.params[name] for name in ("backbone", "head")}, stats)), {})
  ask = answers.make_examiner(society.design)
  shared = ask({"student": student, "experts": whole(student.stats)}, images)
  np.testing.assert_array_equal(shared["experts"][0], shared["student"])
  own = ask({"student": student, "experts": whole(moved)}, images)
  alone = ask({"student": student._replace(stats=moved)}, images)["student"]
  np.testing.assert_allclose(own["experts"][0], alone, rtol=1e-6)
  assert np.abs(own["experts"][0] - own["student"]).max() > 1e-4
