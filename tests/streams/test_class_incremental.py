"""Class-incremental streams."""

import numpy as np
import pytest

from socialized_learning import streams
from tests.streams import labels


def _mnist(batch_size, num_epochs=1, **options):
  return streams.make("seq-mnist", *labels.mnist(), batch_size=batch_size, num_epochs=num_epochs,
                      seed=0, options=options)


def test_short_batches_are_dropped():
  stream = _mnist(10)
  sizes = np.array([12665, 12089, 11263, 12183, 11800])
  assert [len(task.index) for task in stream.train_of_task] == sizes.tolist()
  np.testing.assert_array_equal(stream.plan.task_ends, np.cumsum(sizes // 10))
  assert stream.plan.valid.all()
  assert stream.tests.valid.sum() == 10000 and stream.tests.index.shape == (5, 2115)


def test_or_kept_as_dynamos_has_them():
  stream = _mnist(10, short_batch="keep")
  np.testing.assert_array_equal(np.diff(stream.plan.task_ends, prepend=0),
                                [1267, 1209, 1127, 1219, 1180])
  assert stream.plan.task_ends[-1] == 6002 and stream.plan.valid.sum() == 60000
  # The short batches are filled with 5, 9, 3, 3 images; 11,800 is a multiple of ten.
  assert stream.plan.valid[stream.plan.task_ends - 1].sum(axis=1).tolist() == [5, 9, 3, 3, 10]


def test_steps_of_svhn_as_dynamos_has_them():
  sizes = [18809, 19082, 14340, 11322, 9704]
  counts = [part for size in sizes for part in (size // 2, size - size // 2)]
  stream = streams.make("seq-svhn", labels.shuffled(counts), np.arange(10), batch_size=16,
                        num_epochs=2, seed=0, options={"short_batch": "keep"})
  np.testing.assert_array_equal(np.diff(stream.plan.task_ends, prepend=0),
                                2 * np.array([1176, 1193, 897, 708, 607]))


@pytest.mark.parametrize("name, num_train, steps", [
    ("seq-cifar10", 5000, 312), ("seq-tinyimg", 500, 312), ("seq-cifar100", 500, 312)])
def test_steps_of_an_epoch(name, num_train, steps):
  definition = streams.STREAMS[name]
  stream = streams.make(name, *labels.even(definition.source.num_classes, num_train, 2),
                        batch_size=32, num_epochs=1, seed=0)
  num_tasks = {"seq-tinyimg": 10}.get(name, 5)
  np.testing.assert_array_equal(stream.plan.task_ends, steps * np.arange(1, num_tasks + 1))
  assert stream.augment == "crop_flip" and stream.num_outputs == definition.source.num_classes
  mean = 0.4802 if name == "seq-tinyimg" else 0.4914  # CIFAR-100 has the constants of CIFAR-10.
  assert stream.normalise[0][0] == mean


def test_every_epoch_sees_every_image_of_its_task_once_in_another_order():
  train, _ = labels.even(10, 48, 7)
  stream = streams.make("seq-mnist", train, train, batch_size=32, num_epochs=2, seed=0)
  epochs = stream.plan.index.reshape(5, 2, 96)
  for task, orders in enumerate(epochs):
    expected = np.flatnonzero(train // 2 == task)
    for order in orders:
      np.testing.assert_array_equal(np.sort(order), expected)
    assert np.any(orders[0] != orders[1])


def test_the_order_of_an_epoch_hangs_on_nothing_but_seed_task_and_epoch():
  train, test = labels.even(10, 48, 7)
  make = lambda num_epochs, **options: streams.make(
      "seq-mnist", train, test, batch_size=32, num_epochs=num_epochs, seed=0, options=options)
  long = make(3).plan.index.reshape(5, 3, -1)
  np.testing.assert_array_equal(long[:, :1], make(1).plan.index.reshape(5, 1, -1))
  np.testing.assert_array_equal(long[:2], make(3, num_tasks=2).plan.index.reshape(2, 3, -1))


def test_fewer_tasks_and_other_sizes():
  stream = streams.make("seq-cifar100", *labels.even(100, 8, 2), batch_size=4, num_epochs=1, seed=0,
                        options={"num_tasks": 3, "classes_per_task": 10})
  assert stream.num_outputs == 30 and stream.task_classes.shape == (3, 30)
  np.testing.assert_array_equal(stream.label_map, [*range(30), *[-1] * 70])
  np.testing.assert_array_equal(stream.task_classes.argmax(axis=1), [0, 10, 20])
  assert np.all(stream.task_classes.sum(axis=1) == 10)


def test_the_embedded_digits():
  stream = streams.make("seq-mnist5k", *labels.even(10, 350, 100), batch_size=10, num_epochs=1,
                        seed=0)
  np.testing.assert_array_equal(stream.plan.task_ends, 70 * np.arange(1, 6))
  assert stream.tests.index.shape == (5, 200) and stream.tests.valid.all()
