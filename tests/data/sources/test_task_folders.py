"""Folders of images, a folder for each task."""

import shutil

import numpy as np
import pytest

from socialized_learning.data import sources
from tests.data.sources import files

# Task -> classes; images of training and test.
_TASKS = {0: ("10", "apple"), 1: ("2", "bee"), 2: ("apple",)}
_ORDER = ["10", "2", "apple", "bee"]  # As text.


def _image(task, name, number):
  return np.full((4, 5, 3), [task, _ORDER.index(name), number], np.uint8)


def _folder(root, split, task, name):
  return root / f"Task_{task}" / f"{split}data_{task}" / name


@pytest.fixture(scope="module", name="written")
def _written(tmp_path_factory):
  """Two training images and a test image of each class of each task."""
  root = tmp_path_factory.mktemp("tasks")
  for task, names in _TASKS.items():
    for name in names:
      for split, numbers in (("train", (0, 1)), ("test", (7,))):
        folder = _folder(root, split, task, name)
        folder.mkdir(parents=True)
        for number in numbers:
          # PNG by its content: so that pixels can be compared.
          (folder / f"{number}.{'JPG' if number else 'png'}").write_bytes(
              files.encoded(_image(task, name, number)))
  # What is not read: files that are no images, classes without any, the union of all tasks.
  (_folder(root, "train", 0, "10") / "Thumbs.db").write_bytes(b"x")
  (_folder(root, "train", 0, "10").parent / "readme.txt").write_text("x")
  _folder(root, "train", 1, "apple").mkdir()
  _folder(root, "train", 100, "cow").mkdir(parents=True)
  return root


@pytest.fixture(name="root")
def _root(written, tmp_path):
  """A copy to damage."""
  return shutil.copytree(written, tmp_path / "tasks")


def test_images_and_global_labels(written):
  found = sources.load("task_folders", data_dir=written)
  places = [(task, name) for task, names in _TASKS.items() for name in names]
  expected = [(_image(*place, number), _ORDER.index(place[1])) for place in places
              for number in (0, 1)]
  files.check(found.train, *map(np.stack, zip(*expected, strict=True)))
  expected = [(_image(*place, 7), _ORDER.index(place[1])) for place in places]
  files.check(found.test, *map(np.stack, zip(*expected, strict=True)))
  assert (found.name, found.num_classes) == ("task_folders", 4)
  assert found.kind == "images of 4 classes in folders"
  assert found.tasks == ((0, 2), (1, 3), (2,))
  assert sources.load("task_folders", data_dir=str(written)) is found


def test_names_that_begin_with_a_dot_do_not_count(root):
  """Neither a notebook's copies, which would be a class, nor what macOS stores beside images."""
  image = files.encoded(_image(0, "10", 0))
  for path in (_folder(root, "train", 0, ".ipynb_checkpoints") / "0-checkpoint.png",
               _folder(root, "test", 1, "bee") / "._7.png", root / ".Task_3" / "x.png",
               _folder(root, "train", 0, "10") / ".ipynb_checkpoints" / "0-checkpoint.png"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image if "checkpoint" in path.name else b"attributes")
  test_images_and_global_labels(root)


def test_grey_images_become_coloured(root):
  path = _folder(root, "train", 0, "10") / "0.png"
  path.write_bytes(files.encoded(np.full((4, 5), 9, np.uint8)))
  found = sources.load("task_folders", data_dir=root)
  np.testing.assert_array_equal(found.train.images[0], np.full((4, 5, 3), 9))


@pytest.mark.parametrize("damage", ["half", "garbage"])
def test_an_unreadable_image_is_named(root, damage):
  path = _folder(root, "test", 1, "bee") / "7.JPG"
  whole = path.read_bytes()
  path.write_bytes(whole[:len(whole) // 2] if damage == "half" else b"x" * 99)
  assert f"{path}: cannot be read" in files.error("task_folders", root)


def test_an_image_of_another_size_is_named(root):
  path = _folder(root, "train", 2, "apple") / "1.JPG"
  path.write_bytes(files.encoded(np.zeros((5, 4, 3), np.uint8)))
  assert f"{path}: is 5 x 4 pixels, the first image is 4 x 5" in files.error("task_folders", root)


def test_what_is_missing(root, tmp_path):
  error = lambda folder: files.error("task_folders", folder)
  assert "nowhere: cannot be listed" in error(tmp_path / "nowhere")
  (tmp_path / "empty").mkdir()
  assert "empty: holds no Task_0; expected Task_0/traindata_0/CLASS" in error(tmp_path / "empty")
  shutil.rmtree(_folder(root, "test", 2, "apple"))
  assert "testdata_2: holds no images, expected CLASS" in error(root)
  shutil.rmtree(root / "Task_2" / "testdata_2")
  assert "testdata_2: is missing; expected Task_0" in error(root)
  shutil.rmtree(root / "Task_1")
  assert f"{root}: holds Task_2 but no Task_1; number the tasks from 0 on" in error(root)


def test_a_class_that_is_only_tested(root):
  folder = _folder(root, "train", 1, "bee")
  shutil.rmtree(folder)
  path = _folder(root, "test", 1, "bee")
  assert f"{path}: no task has training images of this class" in files.error("task_folders", root)
