"""What holds for every stream of the table."""

import dataclasses

import jax
from ml_collections import config_dict
import numpy as np
import pytest

from socialized_learning import streams
from socialized_learning.platform.errors import UserError
from socialized_learning.streams import augmentation
from socialized_learning.streams import transforms
from socialized_learning.streams import types
from tests.streams import labels

_GCIL = {"num_tasks": 4, "gcil_phase_size": 300}
_ALL = pytest.mark.parametrize("name", list(streams.STREAMS))


def _labels(name):
  return labels.even(streams.STREAMS[name].source.num_classes, 64, 7)


def _make(name, *, seed=3, **options):
  small = {"gcil": _GCIL, "perm": {"num_tasks": 3}, "rot-": {"num_tasks": 3}}.get(name[:4], {})
  num_epochs = 1 if streams.STREAMS[name].setting == types.GENERAL else 2
  return streams.make(name, *_labels(name), batch_size=20, num_epochs=num_epochs, seed=seed,
                      options=small | options)


@_ALL
def test_plan(name):
  stream = _make(name)
  index, view, valid, task_ends = stream.plan
  train, _ = _labels(name)
  assert index.dtype == view.dtype == np.int32 and valid.dtype == bool
  assert index.shape == view.shape == valid.shape == (task_ends[-1], 20)
  assert np.all(np.diff(task_ends) >= 0) and valid.any(axis=1).all()
  # Images first, then what is filled up.
  assert np.all(valid[:, :-1] >= valid[:, 1:])
  assert not index[~valid].any() and not view[~valid].any()
  assert 0 <= index.min() and index.max() < len(train)
  assert 0 <= view.min() and view.max() < len(stream.views.table)
  outputs = stream.label_map[train[index[valid]]]
  assert 0 <= outputs.min() and outputs.max() < stream.num_outputs


@_ALL
def test_what_a_task_trains_on_is_listed_once(name):
  stream = _make(name)
  starts = [0, *stream.plan.task_ends[:-1]]
  assert len(stream.train_of_task) == len(stream.plan.task_ends)
  for start, end, task in zip(starts, stream.plan.task_ends, stream.train_of_task):
    assert task.index.dtype == task.view.dtype == np.int32
    listed = set(zip(task.index.tolist(), task.view.tolist()))
    assert len(listed) == len(task.index) > 0
    index, view, valid = (array[start:end] for array in stream.plan[:3])
    assert set(zip(index[valid].tolist(), view[valid].tolist())) <= listed


@_ALL
def test_examinations(name):
  stream = _make(name)
  index, view, valid, from_train, _ = stream.tests
  _, test = _labels(name)
  assert index.dtype == view.dtype == np.int32 and valid.dtype == bool and from_train is False
  assert index.shape == view.shape == valid.shape == (len(stream.train_of_task), index.shape[1])
  assert valid.any(axis=1).all() and not index[~valid].any() and not view[~valid].any()
  assert np.all(stream.label_map[test[index[valid]]] >= 0)
  assert 0 <= view.min() and view.max() < len(stream.views.table)
  for row, there in zip(index, valid):  # Every image once.
    assert len(set(row[there])) == there.sum()


@_ALL
def test_outputs_and_looks(name):
  stream, definition = _make(name), streams.STREAMS[name]
  source = definition.source
  assert stream.name == name and stream.setting == definition.setting
  assert stream.label_map.shape == (source.num_classes,) and stream.label_map.dtype == np.int32
  used = stream.label_map[stream.label_map >= 0]
  assert len(set(used)) == len(used) and used.max() < stream.num_outputs
  assert stream.augment == source.augment in augmentation.AUGMENTATIONS
  if stream.normalise is not None:
    assert np.shape(stream.normalise) == (2, source.image_shape[-1])
  if stream.task_classes is not None:
    tests = stream.tests
    for task, row, there in zip(stream.task_classes, tests.index, tests.valid):
      assert set(stream.label_map[_labels(name)[1][row[there]]]) == set(np.flatnonzero(task))
  views = transforms.DeviceViews(stream.views.table, stream.views.kind)
  images = np.random.default_rng(0).integers(0, 256, (4, *source.image_shape), dtype=np.uint8)
  looked = jax.jit(transforms.look)(views, images, stream.plan.view[0, :4])
  assert looked.shape == images.shape and looked.dtype == np.uint8


@_ALL
def test_equal_seeds_give_equal_plans_whatever_the_global_state(name):
  np.random.seed(1)
  first = _make(name)
  np.random.seed(2)
  before = np.random.get_state()[1].copy()
  second = _make(name)
  np.testing.assert_array_equal(np.random.get_state()[1], before)
  assert types.fingerprint(first) == types.fingerprint(second)
  assert types.fingerprint(_make(name, seed=4)) != types.fingerprint(first)


@_ALL
def test_validation_holds_training_images_back(name):
  stream = _make(name, validation=0.25)
  train, _ = _labels(name)
  assert stream.tests.from_train is True
  held = set(stream.tests.index[stream.tests.valid])
  trained = set(np.concatenate([task.index for task in stream.train_of_task]))
  assert held and not held & trained
  if name[:4] in ("seq-", "rot-", "perm"):
    assert len(held) == round(0.25 * len(train)) and len(held | trained) == len(train)
  if name[:4] != "gcil":  # Whose classes hang on a seed of their own.
    assert held != set(_make(name, validation=0.25, seed=4).tests.index.ravel())


@_ALL
def test_without_shuffling_images_come_in_the_order_of_the_data_set(name):
  index = _make(name, shuffle=False).plan.index
  if name.startswith(("seq", "rot", "perm")):
    assert np.all(np.diff(index[:2].ravel()) > 0)
  assert types.fingerprint(_make(name, shuffle=False)) != types.fingerprint(_make(name))


# Whoever changes one of these changes published results: say so in the results' notes.
_FINGERPRINTS = {
    "seq-mnist": "b7673564003d2e72",
    "seq-mnist5k": "b7673564003d2e72",
    "seq-svhn": "b7673564003d2e72",
    "seq-cifar10": "b7673564003d2e72",
    "seq-cifar100": "026d5863ee549f20",
    "seq-tinyimg": "dec1923bb594ba6a",
    "perm-mnist": "c35cea7a30e51e92",
    "perm-mnist5k": "c35cea7a30e51e92",
    "rot-mnist": "d38a778f56117cb3",
    "rot-mnist5k": "d38a778f56117cb3",
    "mnist-360": "3323556e61d87d6f",
    "mnist5k-360": "3323556e61d87d6f",
    "gcil-cifar100": "0211c6d1ab1877c9",
}


@_ALL
def test_fingerprints(name):
  assert types.fingerprint(_make(name)) == _FINGERPRINTS[name]


def test_every_array_is_in_the_fingerprint():
  stream = _make("rot-mnist")
  plan, tests = stream.plan, stream.tests
  changed = [
      stream._replace(label_map=stream.label_map[::-1]),
      stream._replace(task_classes=np.eye(10, dtype=bool)),
      stream._replace(views=stream.views._replace(table=stream.views.table + 1)),
      stream._replace(plan=plan._replace(index=plan.index[::-1])),
      stream._replace(plan=plan._replace(task_ends=plan.task_ends - 1)),
      stream._replace(tests=tests._replace(view=tests.view + 1)),
      stream._replace(train_of_task=stream.train_of_task[1:]),
  ]
  marks = [types.fingerprint(each) for each in (stream, *changed)]
  assert len(set(marks)) == len(marks)


def test_a_config_dict_will_do():
  config = config_dict.ConfigDict(dataclasses.asdict(streams.Options()))
  config.num_tasks = 3
  made = streams.make("rot-mnist", *_labels("rot-mnist"), batch_size=20, num_epochs=2, seed=3,
                      options=config)
  assert types.fingerprint(made) == types.fingerprint(_make("rot-mnist"))
  plain = streams.make("rot-mnist", *_labels("rot-mnist"), batch_size=20, num_epochs=1, seed=3)
  assert len(plain.plan.task_ends) == 20


_WRONG = [
    ("no-mnist", {}, {}, "no stream 'no-mnist': choose one of seq-mnist, .*gcil-cifar100"),
    ("rot-mnist", {"tasks": 3}, {}, "no option 'tasks': choose among validation, shuffle, num_t"),
    ("rot-mnist", {"validation": 1.0}, {}, r"validation=1.0: .* below 1"),
    ("rot-mnist", {"validation": -0.1}, {}, "validation=-0.1"),
    ("rot-mnist", {"validation": float("nan")}, {}, "validation=nan"),
    ("rot-mnist", {"validation": 1e-9}, {}, "of 480 training images are 0: both parts"),
    ("rot-mnist", {"num_tasks": -1}, {}, "num_tasks=-1: must be a whole number, at least 0"),
    ("rot-mnist", {"num_tasks": 2.5}, {}, "num_tasks=2.5"),
    ("rot-mnist", {"short_batch": "fill"}, {}, "'fill': choose one of stream, drop, keep"),
    ("rot-mnist", {"classes_per_task": 2}, {}, "classes_per_task=2 means nothing to rot-mnist"),
    ("seq-mnist", {"gcil_seed": 1}, {}, "gcil_seed=1 means nothing to seq-mnist: leave it at 1993"),
    ("rot-mnist", {}, {"batch_size": 0}, "batch_size=0: a stream needs at least 1"),
    ("rot-mnist", {}, {"num_epochs": 0}, "num_epochs=0: a stream needs at least 1"),
    ("rot-mnist", {}, {"seed": -1}, "seed=-1: a stream needs at least 0"),
    ("seq-mnist", {"num_tasks": 6}, {}, "need 12 classes, mnist has 10: use fewer tasks"),
    ("seq-mnist", {"classes_per_task": 11}, {}, "need 55 classes, mnist has 10"),
    ("seq-mnist", {}, {"batch_size": 97}, "=97 .* 96 training images of task 1 of seq-mnist"),
    ("rot-mnist", {"short_batch": "drop"}, {"batch_size": 481}, "use at most 480, or stream.short_batch"),
    ("gcil-cifar100", _GCIL, {"batch_size": 301}, "more than any task of gcil-cifar100"),
    ("mnist-360", {}, {"num_epochs": 2}, "mnist-360 is one pass .* use num_epochs=1, not 2"),
    ("mnist-360", {"mnist360_form": "reference", "shuffle": False}, {}, "leave stream.shuffle at True"),
    ("mnist-360", {"mnist360_form": "new"}, {}, "choose one of epoch, reference"),
]


@pytest.mark.parametrize("name, options, others, message", _WRONG)
def test_what_cannot_be_made_is_refused_in_one_line(name, options, others, message):
  arguments = {"batch_size": 20, "num_epochs": 1, "seed": 3} | others
  source = streams.STREAMS.get(name, streams.STREAMS["seq-mnist"]).source
  with pytest.raises(UserError, match=message) as raised:
    streams.make(name, *labels.even(source.num_classes, 48, 7), options=options, **arguments)
  assert "\n" not in str(raised.value)


@pytest.mark.parametrize("train, message", [
    (np.arange(11), "train_labels go from 0 to 10: must be within 0 to 9"),
    (np.arange(-1, 9), "train_labels go from -1"),
    (np.zeros((9, 2), int), r"shape \(9, 2\): must be whole numbers in one row"),
    (np.zeros(9), "train_labels are float64"),
    (np.arange(8), "task 5 of seq-mnist has no training images"),
])
def test_labels_that_are_none(train, message):
  with pytest.raises(UserError, match=message):
    streams.make("seq-mnist", train, np.arange(10), batch_size=2, num_epochs=1, seed=0)


def test_a_task_without_an_examination():
  with pytest.raises(UserError, match="task 5 of seq-mnist has no images to be examined on"):
    streams.make("seq-mnist", np.arange(10), np.arange(8), batch_size=2, num_epochs=1, seed=0)
