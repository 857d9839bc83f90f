"""Which classes are whose, and what is said of groups that cannot be."""

import numpy as np
import pytest

from socialized_learning.platform.errors import UserError
from socialized_learning.society import groups


def _classes(masks):
  return [np.flatnonzero(mask).tolist() for mask in masks]


def test_ordered_groups_are_the_published_ones():
  found = groups.split("ordered", 4, 100)
  assert _classes(found) == [list(range(25 * i, 25 * i + 25)) for i in range(4)]
  np.testing.assert_array_equal(groups.owners(found), np.arange(100) // 25)
  assert groups.owners(found).dtype == np.int32


def test_groups_of_unequal_size():
  assert _classes(groups.split("ordered", 4, 10)) == [[0, 1, 2], [3, 4, 5], [6, 7], [8, 9]]
  assert _classes(groups.split("ordered", 1, 3)) == [[0, 1, 2]]


def test_seeded_groups():
  found = groups.split("seeded", 5, 10, seed=3)
  assert found.sum(axis=1).tolist() == [2] * 5 and found.sum(axis=0).tolist() == [1] * 10
  np.testing.assert_array_equal(groups.split("seeded", 5, 10, seed=3), found)
  others = {tuple(groups.owners(groups.split("seeded", 5, 10, seed=seed))) for seed in range(6)}
  assert len(others) == 6 and tuple(np.arange(10) // 2) not in others


def test_given_groups():
  found = groups.split("given", 3, 6, given=((5, 0), (1,), (4, 2, 3)))
  assert _classes(found) == [[0, 5], [1], [2, 3, 4]]
  np.testing.assert_array_equal(groups.owners(found), [0, 1, 2, 2, 2, 0])


@pytest.mark.parametrize("given, message", [
    (((0, 1), (2, 3, 1)), "agent 1 is given class 1 too, as agent 0 is: name every class once"),
    (((0, 1, 1), (2, 3)), "agent 0 is given class 1 twice"),
    (((0, 1), (3,)), "no agent is given class 2: every class needs an agent"),
    (((0,), ()), "agent 1 is given no classes"),
    (((0, 1), (2, 4)), "agent 1 is given class 4: classes are 0 to 3"),
    (((0, 1), (2, -1)), "agent 1 is given class -1: classes are 0 to 3"),
    (((0, 1), (2, 2.5)), "agent 1 is given class 2.5: classes are 0 to 3"),
    (((0, 1, 2, 3),), "groups.given has classes for 1 agents, and groups.num_agents is 2"),
    ((), "groups.given has classes for 0 agents")])
def test_groups_that_cannot_be(given, message):
  with pytest.raises(UserError, match=message) as caught:
    groups.split("given", 2, 4, given=given)
  assert "\n" not in str(caught.value)


def test_many_left_out_classes_are_not_all_named():
  with pytest.raises(UserError, match="no agent is given class 2, 3, 4, 5, 6 and 93 more"):
    groups.split("given", 2, 100, given=((0,), (1,)))


@pytest.mark.parametrize("num_agents", [0, -1, 11])
def test_agents_without_classes(num_agents):
  with pytest.raises(UserError, match=f"groups.num_agents={num_agents}: 10 classes cannot be divided"):
    groups.split("ordered", num_agents, 10)


def test_other_mistakes():
  with pytest.raises(UserError, match="split='random': choose one of ordered, seeded, given"):
    groups.split("random", 2, 4)
  groups.check_agent(3, 4)
  for agent in (-1, 4):
    with pytest.raises(UserError, match=f"evaluation.agent={agent}: there are 4, counted from 0 to 3"):
      groups.check_agent(agent, 4)
