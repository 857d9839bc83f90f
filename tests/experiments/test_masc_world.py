"""Whose images are whose, of folders with a task for each agent."""

import numpy as np
import pytest

from socialized_learning.configs import masc_config
from socialized_learning.experiments import masc_checks
from socialized_learning.experiments import masc_world
from socialized_learning.platform.errors import UserError
from tests.data.sources import files

_TASKS = (("cat", "owl"), ("ant", "bee", "elk"))  # As sorted: 2 4, 0 1 3.


@pytest.fixture(name="root", scope="module")
def _root(tmp_path_factory):
  root = tmp_path_factory.mktemp("tasks")
  for task, names in enumerate(_TASKS):
    for name in names:
      for split in ("train", "test"):
        folder = root / f"Task_{task}" / f"{split}data_{task}" / name
        folder.mkdir(parents=True)
        for number in range(4):
          (folder / f"{number}.png").write_bytes(files.encoded(files.pixels(number, 8, 8, 3)))
  return root


def _load(root, **changes):
  config = masc_config.get_config("mnist5k")
  config.update_from_flattened_dict({
      "data.name": "task_folders", "data.dir": str(root), "data.validation": 0.25,
      "groups.split": "tasks", "groups.num_agents": 2} | changes)
  return masc_world.load(masc_checks.resolved(config))


def test_each_task_is_the_group_of_an_agent(root):
  world = _load(root)
  np.testing.assert_array_equal(world.groups, [[0, 0, 1, 0, 1], [1, 1, 0, 1, 0]])
  labels = world.train.labels
  for owned, classes in zip(world.owned, ([2, 4], [0, 1, 3]), strict=True):
    np.testing.assert_array_equal(np.bincount(labels[owned], minlength=5)[classes], 3)
    assert len(owned) == 3 * len(classes)
  np.testing.assert_array_equal(np.bincount(labels[world.held_out]), 1)
  assert world.kind == "images of 5 classes in folders"


@pytest.mark.parametrize("changes, message", [
    ({"groups.num_agents": 3}, "groups.num_agents=3: task_folders comes in 2 tasks, .* use 2"),
    ({"data.name": "mnist5k"}, "groups.split='tasks': mnist5k does not come in tasks, use ordered"),
    ({"groups.split": "task"}, "ordered, seeded, given, tasks")])
def test_refusals(root, changes, message):
  with pytest.raises(UserError, match=message) as caught:
    _load(root, **changes)
  assert "\n" not in str(caught.value)


def test_images_in_folders_of_classes_are_divided_as_those_of_other_sets(tmp_path):
  for split in ("train", "test"):
    for name in ("ant", "bee", "cat", "owl"):
      folder = tmp_path / split / name
      folder.mkdir(parents=True)
      for number in range(4):
        (folder / f"{number}.png").write_bytes(files.encoded(files.pixels(number, 8, 8, 3)))
  world = _load(tmp_path, **{"data.name": "class_folders", "groups.split": "ordered"})
  np.testing.assert_array_equal(world.groups, [[1, 1, 0, 0], [0, 0, 1, 1]])
  assert world.kind == "images of 4 classes in folders" and len(world.owned[1]) == 2 * 3
