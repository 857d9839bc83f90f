"""GCIL-CIFAR-100: the phases of the published sampler, drawn up front."""

import numpy as np
import pytest

from socialized_learning import streams
from socialized_learning.platform.errors import UserError
from socialized_learning.streams import gcil
from tests.streams import labels

# Seed 1993, equal weights (the specification's section 3.6).
_CLASSES = [34, 40, 25, 30, 1, 38, 11, 20, 16, 28, 6, 50, 47, 3, 28, 39, 17, 15, 41, 17]
_IMAGES = [1000] * 4 + [500] + [1000] * 9 + [993] + [1000] * 4 + [971]
_SEEN = [34, 66, 76, 80, 81, 90, 92, 93, 94, 94, 95, 98, 98, 98, 98, 99, 99, 99, 100, 100]


def _cifar100():
  return labels.even(100, 500, 100)


def _make(seed=0, num_epochs=1, batch_size=32, **options):
  return streams.make("gcil-cifar100", *_cifar100(), batch_size=batch_size, num_epochs=num_epochs,
                      seed=seed, options=options)


@pytest.fixture(scope="module", name="stream")
def _stream():
  return _make()


def test_vector_of_the_specification(stream):
  train, _ = _cifar100()
  phases = gcil.draw_phases(train, 20, streams.Options())
  assert [len(phase.classes) for phase in phases] == _CLASSES
  assert [len(phase.places) for phase in phases] == _IMAGES
  _, first = np.unique(train, return_index=True)
  order = train[np.sort(first)].tolist()  # Classes by their first image.
  assert [order.index(label) for label in phases[0].classes[:5]] == [68, 56, 78, 8, 23]
  assert [len(task.index) for task in stream.train_of_task] == _IMAGES


def test_no_image_is_used_twice_and_phases_hold_their_classes(stream):
  train, _ = _cifar100()
  used = np.concatenate([task.index for task in stream.train_of_task])
  assert len(set(used)) == len(used) == sum(_IMAGES)
  assert [len(set(train[task.index])) for task in stream.train_of_task] == _CLASSES


def test_outputs_are_in_the_order_of_first_appearance(stream):
  train, _ = _cifar100()
  assert stream.num_outputs == 100 and sorted(stream.label_map) == list(range(100))
  phases = gcil.draw_phases(train, 20, streams.Options())
  np.testing.assert_array_equal(stream.label_map[phases[0].classes], np.arange(34))
  for task, seen in zip(stream.train_of_task, _SEEN):
    assert stream.label_map[train[task.index]].max() < seen
  few = _make(num_tasks=2)
  assert (few.label_map >= 0).sum() == 66 and few.num_outputs == 100
  np.testing.assert_array_equal(few.label_map[few.label_map >= 0],
                                stream.label_map[few.label_map >= 0])


def test_examinations_are_cumulative(stream):
  _, test = _cifar100()
  assert (stream.tests.valid.sum(axis=1) // 100).tolist() == _SEEN
  for index, valid, seen in zip(stream.tests.index, stream.tests.valid, _SEEN):
    assert set(stream.label_map[test[index[valid]]]) == set(range(seen))
  assert stream.tests.nested.tolist() == [[output < seen for output in range(100)]
                                          for seen in _SEEN]


def test_steps(stream):
  np.testing.assert_array_equal(np.diff(stream.plan.task_ends, prepend=0), np.array(_IMAGES) // 32)
  large = _make(batch_size=999)  # Phases that are too small have no step.
  np.testing.assert_array_equal(np.diff(large.plan.task_ends, prepend=0),
                                [size >= 999 for size in _IMAGES])


def test_classes_and_images_hang_on_their_own_seed_the_order_on_the_runs(stream):
  other = _make(seed=1)
  for mine, its in zip(stream.train_of_task, other.train_of_task):
    np.testing.assert_array_equal(mine.index, its.index)
  assert np.any(stream.plan.index != other.plan.index)
  assert [len(task.index) for task in _make(gcil_seed=1).train_of_task] != _IMAGES
  held = [_make(seed=seed, validation=0.1, num_tasks=3) for seed in (0, 1)]
  np.testing.assert_array_equal(held[0].tests.index, held[1].tests.index)


def test_the_long_tail():
  train, _ = _cifar100()
  counts = np.zeros(100)
  for seed in range(5):
    options = streams.Options(gcil_weights="longtail", gcil_max_classes=100, gcil_seed=seed)
    for phase in gcil.draw_phases(train, 8, options):
      counts += np.bincount(train[phase.places], minlength=100)
  assert counts[:20].sum() > 2 * counts[-20:].sum()  # Weights differ by a factor of 3.6.


@pytest.mark.parametrize("options, message", [
    ({"gcil_phase_size": 20}, "gcil_phase_size=20 is too small for the .. classes of phase"),
    ({"gcil_phase_size": 60}, "gcil_phase_size=60 is too small for the .. classes of phase"),
    ({"num_tasks": 500}, "num_tasks=500: after .* phases no images are left; use at most"),
    ({"gcil_weights": "noise"}, "choose one of unif, longtail"),
    ({"gcil_max_classes": 0}, "gcil_max_classes=0: must be a whole number, at least 1")])
def test_phases_that_cannot_be(options, message):
  with pytest.raises(UserError, match=message):
    _make(**options)
