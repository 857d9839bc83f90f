"""Batches of a data set in an order that depends on nothing but the seed and the step.

The position in the data is therefore the step itself, and resuming needs no more than that number.
A set that is in memory goes to the devices once and is indexed there; one that is read on demand
comes batch by batch, the next one read in the background while the devices work.

Shapes: `n` items, `B` batch over all processes, `b` this process's share, `K` updates of one call.
"""

from collections.abc import Sequence
from concurrent import futures
from typing import Any

from emcom_datasets import Rows
from emcom_datasets import Split
import jax
import numpy as np

from socialized_learning.platform.errors import UserError


def arrays(rows: Rows, labels: Sequence[str]) -> dict[str, Any]:
  """Inputs and the named labels or attributes of some rows."""
  answers = rows.labels | rows.attributes
  return {"inputs": rows.inputs, "labels": {name: answers[name] for name in labels}}


class Feeder:
  """Feeds the training steps of one process."""

  def __init__(self, split: Split, *, batch_size: int, seed: int, labels: Sequence[str] = ()):
    if batch_size > len(split):
      raise UserError(f"batch_size={batch_size} is more than the {len(split)} items of the "
                      f"{split.split} split of {split.name}: use at most {len(split)}")
    self._split = split
    self._labels = tuple(labels)
    self._batch_size = batch_size
    self._seed = seed
    self._order = (-1, np.empty(0, np.int64))
    self._reader = futures.ThreadPoolExecutor(1)
    self._ahead: tuple[int, int, futures.Future] | None = None

  @property
  def constants(self) -> dict[str, Any]:
    """What every step needs beside its batch: the whole set if it is in memory, else nothing."""
    if not self._split.resident:
      return {}
    return arrays(self._split.rows, self._labels)

  def indices(self, step: int) -> np.ndarray:
    """The items [B] of one step's batch. No batch reaches into the next epoch: its items differ."""
    per_epoch = len(self._split) // self._batch_size
    epoch, place = divmod(step, per_epoch)
    if self._order[0] != epoch:
      order = np.random.default_rng((self._seed, epoch)).permutation(len(self._split))
      self._order = (epoch, order)
    return self._order[1][place * self._batch_size:(place + 1) * self._batch_size]

  def batches(self, step: int, num_updates: int) -> dict[str, Any]:
    """What this process feeds to the updates from `step` on: leaves [K, b, …].

    For a set in memory the items' indices, otherwise their inputs and labels.
    """
    if self._split.resident:
      return self._read(step, num_updates)
    if self._ahead is None or self._ahead[:2] != (step, num_updates):
      self._ahead = (step, num_updates, self._reader.submit(self._read, step, num_updates))
    batches = self._ahead[2].result()
    step += num_updates
    self._ahead = (step, num_updates, self._reader.submit(self._read, step, num_updates))
    return batches

  def _read(self, step: int, num_updates: int) -> dict[str, Any]:
    share = self._batch_size // jax.process_count()
    start = share * jax.process_index()
    chosen = np.stack([self.indices(step + i)[start:start + share] for i in range(num_updates)])
    if self._split.resident:
      return {"index": chosen.astype(np.int32)}
    batch = arrays(self._split.take(chosen.reshape(-1)), self._labels)
    return jax.tree.map(lambda x: x.reshape(num_updates, share, *x.shape[1:]), batch)


def rows_of(batch: dict[str, Any], constants: dict[str, Any]) -> dict[str, Any]:
  """Inputs and labels of one batch, inside a step: indexed on the device or as they came."""
  if "index" not in batch:
    return batch
  return jax.tree.map(lambda table: table[batch["index"]], constants)
