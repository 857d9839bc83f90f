"""Joint training: a stream whose tasks are all trained on at once."""

import numpy as np

from socialized_learning.streams.types import Plan
from socialized_learning.streams.types import Stream


def all_at_once(stream: Stream, batch_size: int, num_epochs: int, seed: int) -> Stream:
  """The stream with all tasks trained on at once, in shuffled batches, the short last one kept."""
  index = np.concatenate([task.index for task in stream.train_of_task])
  view = np.concatenate([task.view for task in stream.train_of_task])
  per_epoch = -(-len(index) // batch_size)
  parts = []
  for epoch in range(num_epochs):
    order = np.random.default_rng((seed, epoch)).permutation(len(index))
    valid = np.arange(per_epoch * batch_size) < len(order)
    order = np.pad(order, (0, len(valid) - len(order)))
    parts.append([np.where(valid, x[order], 0).astype(np.int32) for x in (index, view)] + [valid])
  shape = (num_epochs * per_epoch, batch_size)
  index, view, valid = (np.concatenate(x).reshape(shape) for x in zip(*parts, strict=True))
  ends = np.zeros_like(stream.plan.task_ends)
  ends[-1] = len(index)
  return stream._replace(plan=Plan(index, view, valid, ends))
