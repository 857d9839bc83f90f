"""What a step of each stage does to a society of tiny networks, and what it leaves alone."""

import functools

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np
import pytest

from socialized_learning.agents import adapter
from socialized_learning.configs import masc_config
from socialized_learning.experiments import masc_checks
from socialized_learning.experiments import masc_design
from socialized_learning.experiments import masc_world
from socialized_learning.platform import plain_trees
from socialized_learning.society import answers
from socialized_learning.society import stages as stages_lib
from socialized_learning.society import training
from socialized_learning.society import views
from tests.society import tiny

_BATCH, _AXIS = 6, "devices"


class _Society:
  """Two agents with two digits each, on one device."""

  def __init__(self, **changes):
    config = masc_config.get_config("mnist5k")
    config.update_from_flattened_dict({
        "network.mapping": "vmap", "data.classes": 4, "groups.num_agents": 2, "batch_size": _BATCH,
        "federated_steps": 2, "selection": "validation", "schedule": "constant", "collaboration.kd_mode": "owner_head",
        "num_epochs": config_dict.create(specialists=1, student=1, experts=1)} | changes)
    self.config = masc_checks.resolved(config)
    self.world = masc_world.load(self.config)
    self.stages = {stage.name: stage for stage in masc_world.plan(self.config, self.world)}
    shown = jnp.zeros((1, *self.world.train.images.shape[1:]))
    narrow, wide = (tiny.make_vgg(size, shown.size, 4) for size in (5, 8))
    self.design = masc_design.make(
        self.config, self.world, tuple(self.stages.values()))._replace(
            narrow=narrow, wide=wide, adapter=adapter.make_adapter(8, 5), block=1)
    self.state = jax.jit(functools.partial(
        training.init, self.design, tuple(self.stages.values()), images=shown, keeps_best=True,
        has_elders=self.config.rounds > 1))(jax.random.PRNGKey(0))
    self.constants = {"images": jnp.asarray(self.world.train.images),
                      "labels": jnp.asarray(self.world.train.labels),
                      "run_key": jax.random.PRNGKey(1), "cache": {}}
    self._updates = {}
    order = stages_lib.Order(self.world.owned, batch_size=_BATCH, seed=0, same_every_epoch=False)
    self.batch = lambda name, step=0: {"index": jnp.asarray(
        order.indices(self.stages[name], step, 1)[0])}

  def step(self, name, state=None, cache=None, batch=None, at=0):
    """One step of a stage, at its step `at`: (state, metrics)."""
    stage = self.stages[name]
    state = (state or self.state)._replace(step=jnp.int32(stage.first + at))
    if name not in self._updates:
      self._updates[name] = jax.jit(jax.vmap(
          training.make_update(self.design, stage), axis_name=_AXIS))
    args = (state, batch or self.batch(name, at), self.constants | {"cache": cache or {}})
    moved, metrics = self._updates[name](*jax.tree.map(lambda x: x[None], args))
    return jax.tree.map(lambda x: x[0], (moved, metrics))

  def cache(self, name, state=None):
    """What the stage looks up."""
    make = views.make_cache(self.design, self.stages[name], 1)
    c = self.constants
    return make(state or self.state, c["images"], c["labels"], c["run_key"])


@pytest.fixture(name="society", scope="module")
def _society():
  return _Society()


def _assert_same(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


def _assert_close(a, b):
  jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-5), a, b)


def _changed(before, after):
  """Names of the parts whose parameters or statistics are not what they were."""
  return {part for part in before.parts if not all(jax.tree.leaves(jax.tree.map(
      np.array_equal, before.parts[part], after.parts[part])))}


@pytest.mark.parametrize("name, part", [
    ("specialists", "specialists"), ("collaboration", "student"), ("altruism", "experts"),
    ("federated", "federated"), ("joint", "joint"), ("joint altruism", "joint_experts")])
def test_a_stage_changes_its_own_part_and_nothing_else(society, name, part):
  moved, metrics = society.step(name)
  # Above all: an agent that grows leaves the backbone and its statistics as they are, to the bit.
  assert _changed(society.state, moved) == {part}
  assert {f"{part}/loss", f"{part}/cross_entropy", f"{part}/accuracy"} <= metrics.keys()
  assert all(np.isfinite(value) for value in metrics.values())
  assert moved.step == society.stages[name].first + 1


def test_one_after_the_other_they_learn_what_they_learn_at_once(society):
  at_once, _ = society.step("specialists")
  in_turn, _ = _Society(**{"network.mapping": "loop"}).step("specialists")
  _assert_close(at_once.parts["specialists"], in_turn.parts["specialists"])


def test_an_agent_learns_the_same_whoever_else_there_is(society):
  batch = society.batch("specialists")["index"]
  other = batch.at[:, 1].set(jnp.roll(batch[:, 1], 1) * 0 + society.world.owned[1][7])
  mine, theirs = (society.step("specialists", batch={"index": index})[0].parts["specialists"]
                  for index in (batch, other))
  of = lambda agents, i: jax.tree.map(lambda x: x[i], agents)
  _assert_close(of(mine, 0), of(theirs, 0))
  with pytest.raises(AssertionError):
    _assert_close(of(mine, 1), of(theirs, 1))


def test_stored_views_are_what_would_be_computed(society):
  # Without augmentation the stored view is the image, and draws of the view have no choice.
  for name in ("altruism", "joint altruism"):
    _assert_close(society.step(name, cache=society.cache(name))[0], society.step(name)[0])
  cache = society.cache("collaboration")
  assert cache["targets"].shape == (len(society.world.train.labels), 4)
  _assert_close(society.step("collaboration", cache=cache)[0], society.step("collaboration")[0])


def test_only_owners_are_heard(society):
  """The student hears of a specialist on its own images only; so a change of what it says of others'
  changes nothing."""
  logits = society.cache("collaboration")["targets"]
  labels = society.constants["labels"]
  owner = jnp.asarray(society.world.owner(np.asarray(labels)))
  index = jnp.asarray(society.world.owned[0][:_BATCH])
  said = lambda targets: society.step("collaboration", cache={"targets": targets},
                                      batch={"index": index})[0]
  of_others = jnp.where((owner == 1)[:, None], logits + 5., logits)
  _assert_same(said(logits).parts, said(of_others).parts)
  with pytest.raises(AssertionError):
    _assert_close(said(logits).parts, said(jnp.where((owner == 0)[:, None], logits[:, ::-1],
                                                     logits)).parts)


@pytest.mark.parametrize("mode", ["owner_slice", "all_teachers", "mid_feature"])
def test_other_ways_of_teaching(society, mode):
  changed = _Society(**{"collaboration.kd_mode": mode})
  moved, metrics = changed.step("collaboration")
  assert _changed(changed.state, moved) == {"student"} and metrics["student/divergence"] > 0
  has_adapters = any(True for _ in jax.tree.leaves(moved.parts["student"].params["helpers"]))
  assert has_adapters == (mode == "mid_feature")
  if has_adapters:  # They learn too.
    with pytest.raises(AssertionError):
      _assert_close(moved.parts["student"].params["helpers"],
                    changed.state.parts["student"].params["helpers"])


def test_federated_agents_begin_alike_and_meet_every_other_step(society):
  def spread(state):
    return max(float(np.ptp(x, axis=0).max()) for x in jax.tree.leaves(
        (state.parts["federated"].params, state.parts["federated"].stats)))

  assert spread(society.state) == 0
  apart, _ = society.step("federated", at=0)
  assert spread(apart) > 1e-4
  together, _ = society.step("federated", apart, at=1)
  assert spread(together) == 0


def test_the_federated_network_has_seen_what_all_have(society):
  """Its statistics are those of the agents' values put together, by the law of total variance."""
  values = np.random.default_rng(0).normal(size=(2, 50, 5)) * [[[1.]], [[3.]]] + [[[0.]], [[5.]]]
  stats = {"norm": {"mean": jnp.asarray(values.mean(axis=1)), "var": jnp.asarray(values.var(axis=1))}}
  agents = society.step("federated")[0].parts["federated"]._replace(stats=stats)
  whole = training.federated(agents)
  np.testing.assert_allclose(whole.stats["norm"]["mean"], values.mean(axis=(0, 1)), rtol=1e-5)
  np.testing.assert_allclose(whole.stats["norm"]["var"], values.var(axis=(0, 1)), rtol=1e-5)
  jax.tree.map(lambda mean, each: np.testing.assert_allclose(mean, np.mean(each, axis=0), atol=1e-6),
               whole.params, agents.params)
  said = answers.make_examiner(society.design)(
      {"federated": agents}, np.zeros((3, 28, 28, 1), np.uint8))
  assert said["federated"].shape == (3, 4)


def test_the_best_is_kept_and_taken(society):
  stage = society.stages["specialists"]
  once, _ = society.step("specialists")
  twice, _ = society.step("specialists", once, at=1)
  state = training.keep(society.state, "specialists", jnp.array([50., 50.]))
  state = training.keep(state._replace(parts=once.parts), "specialists", jnp.array([60., 50.]))
  state = training.keep(state._replace(parts=twice.parts), "specialists", jnp.array([60., 70.]))
  ended = training.cross(society.design, state, stage, society.stages["collaboration"],
                         jax.random.PRNGKey(1))
  of = lambda state, i: jax.tree.map(lambda x: x[i], state.parts["specialists"][:2])
  _assert_same(of(ended, 0), of(once, 0))
  _assert_same(of(ended, 1), of(twice, 1))


def test_nothing_makes_a_step_be_compiled_again(society):
  """Types, weak ones told apart, are those of the start whatever happens between two steps."""
  types = lambda state: jax.tree.map(lambda x: (x.shape, x.dtype, x.weak_type), state)
  stages = list(society.stages.values())
  kept = jax.eval_shape(lambda state: training.keep(state, "specialists", jnp.ones(2)), society.state)
  assert types(kept) == types(society.state)
  for ended, begun in zip(stages, stages[1:]):
    crossed = jax.eval_shape(lambda state: training.cross(
        society.design, state, ended, begun, jax.random.PRNGKey(1)), society.state)
    assert types(crossed) == types(society.state)


@pytest.mark.parametrize("kind", ["fresh", "owner_head", "student"])
def test_heads_of_those_who_grow(society, kind):
  changed = society if kind == "fresh" else _Society(**{"altruism.init": kind})
  begun = training.cross(changed.design, changed.state, changed.stages["collaboration"],
                         changed.stages["altruism"], jax.random.PRNGKey(1))
  heads, student = begun.parts["experts"].params["head"], begun.parts["student"].params
  if kind == "owner_head":
    _assert_same(heads, student["helpers"])
  elif kind == "student":
    for agent in range(2):
      _assert_same(jax.tree.map(lambda x: x[agent], heads), student["head"])
  else:
    weights = heads["linear"]["w"]
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], changed.state.parts["experts"].params["head"][
        "linear"]["w"][0])


def test_grown_agents_teach_the_next_round():
  society = _Society(rounds=2)
  state = society.state
  first, second = (society.stages[f"collaboration {i}"] for i in (1, 2))
  images = society.design.show(society.constants["images"][:4], None)
  begun = training.cross(society.design, state, society.stages["altruism 1"], second,
                         jax.random.PRNGKey(1))
  student = state.parts["student"]
  elders = answers.make_examiner(society.design)(
      {"student": student, "experts": state.parts["experts"]}, society.constants["images"][:4])
  said = training.teachers_say(society.design, second, begun, images)
  np.testing.assert_allclose(said, elders["experts"], rtol=1e-4, atol=1e-5)
  specialists = training.teachers_say(society.design, first, state, images)
  assert not np.allclose(specialists, said)
  # What they say does not change while the student learns.
  moved, _ = society.step("collaboration 2", begun)
  np.testing.assert_array_equal(training.teachers_say(society.design, second, moved, images), said)


def test_a_state_survives_a_checkpoint(society):
  moved, _ = society.step("specialists")
  restored = plain_trees.from_plain(plain_trees.to_slots(moved), plain_trees.to_plain(moved))
  _assert_same(restored, moved)
