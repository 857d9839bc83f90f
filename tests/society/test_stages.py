"""Stages and the order of images, by hand."""

import numpy as np
import pytest

from socialized_learning.society import stages as stages_lib

_OWNED = (np.array([3, 5, 8], np.int32), np.array([0, 1, 2, 4, 6, 7, 9], np.int32))


def _plan(**options):
  values = {"rounds": 1, "has_baselines": False} | options
  return stages_lib.plan([3, 7], 4, (2, 3, 1), **values)


def test_plan_by_hand():
  # An epoch of agents is as long as seven images take in batches of four; of all, ten.
  assert [(s.name, s.part, s.kind, s.steps_per_epoch, s.first, s.last) for s in _plan()] == [
      ("specialists", "specialists", "alone", 2, 0, 4),
      ("collaboration", "student", "taught", 3, 4, 13),
      ("altruism", "experts", "grown", 2, 13, 15)]


def test_rounds_and_baselines():
  stages = _plan(rounds=2, has_baselines=True)
  assert [(s.name, s.round, s.backbone, s.is_population) for s in stages] == [
      ("specialists", 0, "", True), ("collaboration 1", 0, "", False),
      ("altruism 1", 0, "student", True), ("collaboration 2", 1, "", False),
      ("altruism 2", 1, "student", True), ("federated", 0, "", True), ("joint", 0, "", False),
      ("joint altruism", 0, "joint", True)]
  assert all(a.last == b.first for a, b in zip(stages, stages[1:]))


def test_which_stage_makes_a_step():
  stages = _plan()
  assert [stages_lib.at(stages, step).name for step in (0, 3, 4, 12, 13, 15)] == [
      "specialists", "specialists", "collaboration", "collaboration", "altruism", "altruism"]


def test_what_a_stage_under_way_changes_is_not_whole():
  # Specialists to 4, student to 13, experts to 15, student again to 24, experts again to 26.
  stages = _plan(rounds=2)
  assert [stage.last for stage in stages] == [4, 13, 15, 24, 26]
  old, all_ = {"specialists", "student"}, {"specialists", "student", "experts"}
  wanted = {0: set(), 3: set(), 4: {"specialists"}, 5: {"specialists"}, 13: old, 14: old, 15: all_,
            16: {"specialists"}, 23: {"specialists"}, 24: old, 25: old, 26: all_}
  assert {step: stages_lib.trained(stages, step) for step in wanted} == wanted
  # Heads that were grown on another backbone stay.
  more = _plan(has_baselines=True)
  assert stages_lib.trained(more, more[-1].last - 1) == all_ | {"federated", "joint"}
  assert stages_lib.trained(more, more[-1].last) == {stage.part for stage in more}


@pytest.fixture(name="order")
def _order():
  return stages_lib.Order(_OWNED, batch_size=4, seed=0, same_every_epoch=False)


def test_every_image_once_an_epoch_and_batches_run_on(order):
  specialists, collaboration, _ = _plan()
  seen = order.indices(specialists, 0, 7)
  assert seen.shape == (7, 4, 2) and seen.dtype == np.int32
  for agent, images in enumerate(_OWNED):
    of_agent = seen[..., agent].ravel()
    for start in range(0, 28 - len(images), len(images)):
      assert sorted(of_agent[start:start + len(images)]) == images.tolist()
  everyone = order.indices(collaboration, 0, 5)
  assert everyone.shape == (5, 4)
  assert sorted(everyone.ravel()[:10]) == sorted(everyone.ravel()[10:]) == list(range(10))
  assert everyone.ravel()[:10].tolist() != everyone.ravel()[10:].tolist()


def test_a_step_is_the_same_wherever_one_begins(order):
  stage = _plan()[1]
  whole = order.indices(stage, 0, 9)
  np.testing.assert_array_equal(np.concatenate([order.indices(stage, 0, 4),
                                                order.indices(stage, 4, 5)]), whole)
  again = stages_lib.Order(_OWNED, batch_size=4, seed=0, same_every_epoch=False)
  np.testing.assert_array_equal(again.indices(stage, 3, 2), whole[3:5])
  other = stages_lib.Order(_OWNED, batch_size=4, seed=1, same_every_epoch=False)
  assert not np.array_equal(other.indices(stage, 0, 9), whole)


def test_the_released_order_is_that_of_the_first_epoch():
  order = stages_lib.Order(_OWNED, batch_size=4, seed=0, same_every_epoch=True)
  seen = order.indices(_plan()[1], 0, 9)
  np.testing.assert_array_equal(seen[3:6], seen[:3])
  np.testing.assert_array_equal(seen[6:], seen[:3])
