"""Batches: their order is a function of the seed and the step."""

from unittest import mock

import emcom_datasets
import jax
import numpy as np
import pytest

from socialized_learning.data import feeder
from socialized_learning.platform.errors import UserError


def _feeder(seed=0, batch_size=100, labels=()):
  return feeder.Feeder(emcom_datasets.load("dummy", "train"), batch_size=batch_size, seed=seed,
                       labels=labels)


def test_an_epoch_has_every_item_at_most_once_and_no_batch_spans_two():
  feed = _feeder(batch_size=60)  # 256 items: four batches, 16 items are left out.
  for epoch in range(3):
    items = np.concatenate([feed.indices(4 * epoch + i) for i in range(4)])
    assert len(set(items)) == 240
  assert not np.array_equal(feed.indices(0), feed.indices(4))


def test_the_order_depends_on_nothing_but_seed_and_step():
  forward = [_feeder().indices(step) for step in range(6)]
  feed = _feeder()
  backward = [feed.indices(step) for step in reversed(range(6))][::-1]
  np.testing.assert_array_equal(forward, backward)
  assert not np.array_equal(forward[0], _feeder(seed=1).indices(0))


def test_resident_and_streamed_sets_give_the_same_batches():
  split = emcom_datasets.load("dummy", "train")
  resident = _feeder(labels=("shape",))

  on_demand = mock.MagicMock(resident=False, take=split.take, __len__=lambda _: len(split))
  streamed = feeder.Feeder(on_demand, batch_size=100, seed=0, labels=("shape",))
  assert streamed.constants == {}
  for step in (0, 2, 4, 3):  # In order, and after a jump.
    batches = resident.batches(step, 2)
    for update in range(2):
      expected = feeder.rows_of({"index": batches["index"][update]}, resident.constants)
      streamed_batch = jax.tree.map(lambda x: x[update], streamed.batches(step, 2))
      jax.tree.map(np.testing.assert_array_equal, feeder.rows_of(streamed_batch, {}), expected)


def test_batch_larger_than_the_split():
  with pytest.raises(UserError, match="batch_size=300 is more than the 256 items"):
    _feeder(batch_size=300)
