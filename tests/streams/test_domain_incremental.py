"""Rotated and permuted digits."""

import numpy as np
import pytest

from socialized_learning import streams
from socialized_learning.streams import rotation
from tests.streams import labels


def _make(name, seed=0, num_tasks=0, num_epochs=1, **options):
  return streams.make(name, *labels.mnist(), batch_size=128, num_epochs=num_epochs, seed=seed,
                      options={"num_tasks": num_tasks} | options)


@pytest.mark.parametrize("name", ["rot-mnist", "perm-mnist"])
def test_steps_and_looks_of_the_tasks(name):
  stream = _make(name)
  np.testing.assert_array_equal(stream.plan.task_ends, 469 * np.arange(1, 21))
  sizes = stream.plan.valid.sum(axis=1).reshape(20, 469)
  assert np.all(sizes[:, :-1] == 128) and np.all(sizes[:, -1] == 96)
  views = stream.plan.view.reshape(20, 469, 128)
  valid = stream.plan.valid.reshape(20, 469, 128)
  for task in range(20):
    assert np.all(views[task][valid[task]] == task)
    seen = stream.plan.index.reshape(20, 469, 128)[task][valid[task]]
    np.testing.assert_array_equal(np.sort(seen), np.arange(60000))
  assert stream.tests.index.shape == (20, 10000) and stream.tests.valid.all()
  assert np.all(stream.tests.view == np.arange(20)[:, None])
  assert stream.num_outputs == 10 and stream.task_classes is None


def test_short_batches_can_be_dropped():
  stream = _make("rot-mnist", num_tasks=2, short_batch="drop")
  assert stream.plan.task_ends.tolist() == [468, 936] and stream.plan.valid.all()


def test_angles():
  degrees = _make("rot-mnist").views.degrees
  assert degrees.shape == (20,) and degrees.min() >= 0 and degrees.max() < 180
  assert len(set(degrees)) == 20 and degrees.min() < 45 and degrees.max() > 135
  np.testing.assert_array_equal(_make("rot-mnist").views.table, rotation.table(degrees, 28, 28))
  assert np.all(degrees != _make("rot-mnist", seed=1).views.degrees)
  # The angle of a task does not depend on how many there are, nor does it on the data.
  np.testing.assert_array_equal(_make("rot-mnist", num_tasks=3).views.degrees, degrees[:3])
  np.testing.assert_array_equal(
      streams.make("rot-mnist5k", *labels.even(10, 5, 2), batch_size=9, num_epochs=2, seed=0
                  ).views.degrees, degrees)


def test_permutations():
  table = _make("perm-mnist").views.table
  assert table.shape == (20, 784) and table.dtype == np.int32
  np.testing.assert_array_equal(np.sort(table, axis=1), np.tile(np.arange(784), (20, 1)))
  assert len({row.tobytes() for row in table}) == 20
  assert not np.array_equal(table[0], np.arange(784))  # The first task is permuted too.
  np.testing.assert_array_equal(_make("perm-mnist", num_tasks=3).views.table, table[:3])
  assert np.any(_make("perm-mnist", seed=1).views.table != table)
