"""Folders of images, a folder for each task, as MASC's released code reads them.

    Task_0/traindata_0/CLASS/*.png      training images of the first agent; also .jpg, .jpeg
    Task_0/testdata_0/CLASS/*.png       its test images
    Task_1/traindata_1/CLASS/*.png      …

Tasks are numbered from 0 without a gap. `Task_100`, where the authors kept all images a second
time, is not read. A class may have images in several tasks, and a class without training images is
not of that task.

Labels are global: the place of a class's name among the names of all tasks, sorted as text, so that
"10" comes before "2". That is the order of torchvision's ImageFolder, in which published networks
have learnt their outputs. (There a label was the place in its own task, the same number for
different classes.) Images are in colour, all of one size, ordered by task, class and name.
"""

from collections.abc import Sequence
import functools
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from socialized_learning.data.sources.source import checked
from socialized_learning.data.sources.source import damaged
from socialized_learning.data.sources.source import decode
from socialized_learning.data.sources.source import ImageSet
from socialized_learning.data.sources.source import Part
from socialized_learning.platform.errors import UserError

NAME = "task_folders"
_ALL_TASKS = 100  # Number of the authors' folder of all images.
_SPLITS = ("train", "test")
_ENDINGS = (".png", ".jpg", ".jpeg")


class _File(NamedTuple):
  """An image that is there."""
  path: Path
  task: int
  class_name: str


def load(root: Path) -> ImageSet:
  """Returns the images of all tasks; the same arrays, read-only, each time it is asked for.

  Raises:
    UserError: no such folders, a folder without images, a class that is only tested, or an image
      that cannot be read or is of another size; it is named.
  """
  return _load(root.absolute())


@functools.cache
def _load(root: Path) -> ImageSet:
  # Both lists before the first image: what is missing is said at once.
  train, test = (_files(root, split) for split in _SPLITS)
  labels = _labels(train)
  for file in test:
    if file.class_name not in labels:
      raise UserError(f"{file.path.parent}: no task has training images of this class; add some, "
                      "or take the folder away")
  shape = _decoded(train[0].path).shape
  num_classes = len(labels)
  parts = [checked(_part(files, labels, shape, root), shape, num_classes)
           for files in (train, test)]
  tasks = tuple(tuple(sorted({labels[file.class_name] for file in train if file.task == task}))
                for task in range(train[-1].task + 1))
  return ImageSet(NAME, f"images of {num_classes} classes in folders", *parts, num_classes, tasks)


def _labels(files: Sequence[_File]) -> dict[str, int]:
  return {name: label for label, name in enumerate(sorted({file.class_name for file in files}))}


def _files(root: Path, split: str) -> list[_File]:
  """All images of one split, in order."""
  found = []
  for task in _tasks(root):
    folder = root / f"Task_{task}" / f"{split}data_{task}"
    of_task = [_File(images / name, task, images.name)
               for images in map(folder.joinpath, _names(folder)) if images.is_dir()
               for name in _names(images) if name.lower().endswith(_ENDINGS)]
    if not of_task:
      raise UserError(f"{folder}: holds no images, expected CLASS/*.png or .jpg")
    found += of_task
  return found


def _tasks(root: Path) -> range:
  """The numbers of the tasks."""
  parts = [name.partition("_") for name in _names(root)]
  numbers = sorted(int(number) for prefix, _, number in parts if prefix == "Task"
                   and number.isdecimal() and int(number) != _ALL_TASKS)
  if not numbers:
    raise UserError(f"{root}: holds no Task_0; expected Task_0/traindata_0/CLASS/*.png and "
                    "Task_0/testdata_0/CLASS/*.png, and so on for each task")
  if numbers != list(range(len(numbers))):
    absent = next(i for i, number in enumerate(numbers) if i != number)
    raise UserError(f"{root}: holds Task_{numbers[-1]} but no Task_{absent}; number the tasks from "
                    "0 on")
  return range(len(numbers))


def _names(folder: Path) -> list[str]:
  try:
    return sorted(os.listdir(folder))
  except OSError as error:
    raise UserError(f"{folder}: cannot be looked into ({error.strerror}); expected "
                    "Task_0/traindata_0/CLASS/*.png and so on") from error


def _part(files: Sequence[_File], labels: dict[str, int], shape: tuple[int, ...], root: Path
         ) -> Part:
  """The images of one split."""
  images = np.empty((len(files), *shape), np.uint8)
  for row, file in enumerate(files):
    image = _decoded(file.path)
    if image.shape != shape:
      raise UserError(f"{file.path}: is {image.shape[0]} x {image.shape[1]} pixels, the first "
                      f"image is {shape[0]} x {shape[1]}; all must be of one size")
    images[row] = image
  return Part(images, np.array([labels[file.class_name] for file in files], np.int32), root)


def _decoded(path: Path) -> np.ndarray:
  try:
    return decode(path)
  except Exception as error:  # Pillow raises many kinds.
    raise damaged(path, error) from error
