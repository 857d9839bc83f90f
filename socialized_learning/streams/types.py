"""What a stream is: a plan of everything that is seen, made once on the host.

A plan holds positions of images and numbers of views, never images: those stay where they are, one
uint8 array on the device for everybody.

Shapes: `S` steps, `B` batch, `T` tasks, `M` views, `P` pixels, `C` outputs, `n` images.
"""

import hashlib
from typing import NamedTuple

import numpy as np

CLASS_IL = "class_il"
DOMAIN_IL = "domain_il"
GENERAL = "general"

PLAIN = "plain"
ROTATION = "rotation"
PERMUTATION = "permutation"


class Views(NamedTuple):
  """How images are looked at; a view is a row of the table."""
  kind: str
  # plain: [1, 0]. rotation: [M, 6] int32, see `rotation.table`. permutation: [M, P] int32, the
  # source pixel of each output pixel.
  table: np.ndarray
  degrees: np.ndarray | None = None  # rotation: [M] float64, counter-clockwise.


class Examples(NamedTuple):
  """Some images, each looked at in some way."""
  index: np.ndarray  # [n] int32, position in the training or test images.
  view: np.ndarray  # [n] int32, row of the views' table.


class Plan(NamedTuple):
  """All that is seen in training, step by step."""
  index: np.ndarray  # [S, B] int32, position in the training images; 0 where not valid.
  view: np.ndarray  # [S, B] int32; 0 where not valid.
  valid: np.ndarray  # [S, B] bool; False at the end of a short batch.
  task_ends: np.ndarray  # [T] int64, steps made when each task ends; a task may have none.


class TestSets(NamedTuple):
  """What each task is examined on, filled up to the largest."""
  __test__ = False  # Not for pytest.
  index: np.ndarray  # [T, n] int32, position in the test images; 0 where not valid.
  view: np.ndarray  # [T, n] int32; 0 where not valid.
  valid: np.ndarray  # [T, n] bool.
  from_train: bool  # With validation: positions are those of training images, never trained on.
  # [T, C] bool, outputs of each test set, where every set is part of the next; None where not.
  nested: np.ndarray | None = None


class Stream(NamedTuple):
  """A stream, the same for every method."""
  name: str
  setting: str  # One of `SETTINGS`.
  num_outputs: int  # Units of the head, C.
  label_map: np.ndarray  # [source's classes] int32: output of each label, -1 if it never occurs.
  task_classes: np.ndarray | None  # [T, C] bool, outputs of each task; None: no task-incremental.
  views: Views
  augment: str  # One of `augmentation.AUGMENTATIONS`.
  normalise: tuple[tuple[float, ...], tuple[float, ...]] | None  # Mean and std of each channel.
  plan: Plan
  tests: TestSets
  # Every (image, view) of each task once, whatever the batches drop: for methods that go over it.
  train_of_task: tuple[Examples, ...]


def fingerprint(stream: Stream) -> str:
  """Sixteen hexadecimal digits that two streams share if and only if all their arrays do."""
  digest = hashlib.sha256()
  parts = (stream.label_map, stream.task_classes, stream.views.table, stream.views.degrees,
           *stream.plan, *stream.tests[:3], *(x for task in stream.train_of_task for x in task))
  for part in parts:
    array = np.zeros(0) if part is None else np.ascontiguousarray(part)
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    digest.update(array.tobytes())
  return digest.hexdigest()[:16]
