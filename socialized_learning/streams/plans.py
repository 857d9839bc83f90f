"""What streams of separate tasks share: epochs of batches, and test sets of one size.

Shapes: `S` steps, `B` batch, `T` tasks, `n` images.
"""

from collections.abc import Sequence

import numpy as np

from socialized_learning.platform.errors import UserError
from socialized_learning.streams import pools
from socialized_learning.streams.definitions import Request
from socialized_learning.streams.types import Examples
from socialized_learning.streams.types import PLAIN
from socialized_learning.streams.types import Plan
from socialized_learning.streams.types import TestSets
from socialized_learning.streams.types import Views

# One view, the image as it is.
AS_IT_IS = Views(PLAIN, np.zeros((1, 0), np.int32))


def seen_as(index: np.ndarray, view: int) -> Examples:
  """Images [n], all looked at in the same way."""
  return Examples(index.astype(np.int32), np.full(len(index), view, np.int32))


def of_epochs(tasks: Sequence[Examples], request: Request, *, may_be_empty: bool = False) -> Plan:
  """Every task's images, `num_epochs` times each, in an order of (seed, task, epoch).

  Args:
    tasks: what each task trains on.
    request: batch size, epochs, seed, and what is done with a short last batch.
    may_be_empty: whether a task may have no step.

  Raises:
    UserError: a task has fewer images than a step needs.
  """
  parts, num_steps = [], []
  for number, task in enumerate(tasks):
    if not may_be_empty:
      _check_size(len(task.index), number, request)
    parts.append(_of_task(task, number, request))
    num_steps.append(len(parts[-1].index))
  if not sum(num_steps):
    raise UserError(f"batch_size={request.batch_size} is more than any task of {request.name} has "
                    f"images: use at most {max(len(task.index) for task in tasks)}")
  index, view, valid = (np.concatenate(arrays) for arrays in zip(*(part[:3] for part in parts)))
  return Plan(index, view, valid, np.cumsum(num_steps, dtype=np.int64))


def _check_size(size: int, number: int, request: Request) -> None:
  if not size:
    raise UserError(f"task {number + 1} of {request.name} has no training images: use fewer tasks "
                    "or a smaller validation share")
  if request.drop_short and size < request.batch_size:
    raise UserError(
        f"batch_size={request.batch_size} is more than the {size} training images of task "
        f"{number + 1} of {request.name}, and short batches are dropped: use at most {size}, or "
        "stream.short_batch=keep")


def _of_task(task: Examples, number: int, request: Request) -> Plan:
  size, batch = len(task.index), request.batch_size
  num_steps = size // batch if request.drop_short else -(-size // batch)
  places = np.full((request.num_epochs, num_steps * batch), -1)
  for epoch in range(request.num_epochs):
    order = np.arange(size)
    if request.options.shuffle:
      order = pools.generator(request.seed, "order", number, epoch).permutation(size)
    used = min(size, num_steps * batch)
    places[epoch, :used] = order[:used]
  places = places.reshape(-1, batch)
  valid = places >= 0
  rows = lambda column: np.where(valid, column[places] if size else 0, 0).astype(np.int32)
  return Plan(rows(task.index), rows(task.view), valid, np.array([len(places)]))


def test_sets(tasks: Sequence[Examples], request: Request) -> TestSets:
  """Examinations of all tasks, filled up to the largest.

  Raises:
    UserError: a task has nothing to be examined on.
  """
  sizes = np.array([len(task.index) for task in tasks])
  if not sizes.all():
    raise UserError(f"task {np.argmin(sizes) + 1} of {request.name} has no images to be examined "
                    "on: use fewer tasks or a larger validation share")
  valid = np.arange(sizes.max()) < sizes[:, None]
  index, view = np.zeros(valid.shape, np.int32), np.zeros(valid.shape, np.int32)
  index[valid] = np.concatenate([task.index for task in tasks])
  view[valid] = np.concatenate([task.view for task in tasks])
  return TestSets(index, view, valid, request.tests_from_train)
