"""Folders of images, a folder for each task, as MASC's released code reads them.

    Task_0/traindata_0/CLASS/*.png      training images of the first agent; also .jpg, .jpeg
    Task_0/testdata_0/CLASS/*.png       its test images
    Task_1/traindata_1/CLASS/*.png      …

Tasks are numbered from 0 without a gap. `Task_100`, where the authors kept all images a second
time, is not read. A class may have images in several tasks, and a class without training images is
not of that task.

Names that begin with a dot do not count.

Labels are global: the place of a class's name among the names of all tasks, sorted as text, so that
"10" comes before "2". That is the order of torchvision's ImageFolder, in which published networks
have learnt their outputs. (There a label was the place in its own task, the same number for
different classes.) Images are in colour, all of one size, ordered by task, class and name.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from emcom_datasets import listing
from emcom_datasets.listing import File
from emcom_datasets.listing import Folder
import numpy as np

from socialized_learning.data.sources import class_folders
from socialized_learning.data.sources.source import checked
from socialized_learning.data.sources.source import ImageSet
from socialized_learning.data.sources.source import Part
from socialized_learning.data.sources.source import stack
from socialized_learning.platform.errors import UserError

NAME = "task_folders"
_ALL_TASKS = 100  # Number of the authors' folder of all images.
_SPLITS = ("train", "test")
_EXPECTED = "Task_0/traindata_0/CLASS/*.png and Task_0/testdata_0/CLASS/*.png, and so on for each task"


class _Image(NamedTuple):
  """An image that is there."""
  file: File
  task: int
  class_name: str


def load(root: Path) -> ImageSet:
  """Returns the images of all tasks, read-only.

  Raises:
    UserError: no such folders, a folder without images, a class that is only tested, or an image
      that cannot be read or is of another size; it is named.
  """
  # Both lists before the first image: what is missing is said at once.
  train, test = (_images(root, split) for split in _SPLITS)
  labels = _labels(train)
  for image in test:
    if image.class_name not in labels:
      raise UserError(f"{image.file.path.parent}: no task has training images of this class; add "
                      "some, or take the folder away")
  num_classes = len(labels)
  first = _part(train, labels, None, root)
  shape = first.images.shape[1:]
  parts = [checked(part, shape, num_classes) for part in (first, _part(test, labels, shape, root))]
  tasks = tuple(tuple(sorted({labels[image.class_name] for image in train if image.task == task}))
                for task in range(train[-1].task + 1))
  return ImageSet(NAME, class_folders.kind(num_classes), *parts, num_classes, tasks)


def _labels(images: Sequence[_Image]) -> dict[str, int]:
  return {name: label for label, name in enumerate(sorted({image.class_name for image in images}))}


def _images(root: Path, split: str) -> list[_Image]:
  """All images of one split, in order."""
  found = []
  for task, of_task in enumerate(_tasks(root)):
    name = f"{split}data_{task}"
    folder = of_task.folder(name)
    if folder is None:
      raise UserError(f"{of_task.path / name}: is missing; expected {_EXPECTED}")
    images = [_Image(file, task, class_name) for class_name, of_class in folder.folders.items()
              for file in class_folders.images_of(of_class)]
    if not images:
      raise UserError(f"{folder.path}: holds no images, expected CLASS/*.png or .jpg")
    found += images
  return found


def _tasks(root: Path) -> list[Folder]:
  """The folders of the tasks."""
  parts = [(name.lower().partition("_"), folder)
           for name, folder in listing.on_disk(root).folders.items()]
  found = {int(number): folder for (prefix, _, number), folder in parts if prefix == "task"
           and number.isdecimal() and int(number) != _ALL_TASKS}
  if not found:
    raise UserError(f"{root}: holds no Task_0; expected {_EXPECTED}")
  absent = next(i for i in range(len(found) + 1) if i not in found)
  if absent < len(found):
    raise UserError(f"{root}: holds Task_{max(found)} but no Task_{absent}; number the tasks from "
                    "0 on")
  return [found[task] for task in range(len(found))]


def _part(images: Sequence[_Image], labels: Mapping[str, int], shape: Sequence[int] | None,
          root: Path) -> Part:
  """The images of one split."""
  codes = np.array([labels[image.class_name] for image in images], np.int32)
  return Part(stack([image.file for image in images], shape=shape), codes, root)
