"""The order of a set's images does not depend on the files that hold them."""

import numpy as np
import pytest

from socialized_learning import streams
from socialized_learning.data import fingerprints
from socialized_learning.data import sources
from socialized_learning.data.sources import order
from socialized_learning.streams import gcil
from tests.data.sources import files


def _made(num_classes, num_of_each, shape=(3, 3, 1)):
  """Images of a set sorted by class, all different."""
  labels = np.repeat(np.arange(num_classes, dtype=np.int32), num_of_each)
  return sources.Images(files.pixels(0, len(labels), *shape), labels)


def _permuted(images, seed=0):
  permutation = np.random.default_rng(seed).permutation(len(images.labels))
  return sources.Images(*(array[permutation] for array in images))


def test_the_same_images_in_another_order_become_the_same_arrays():
  made = _made(4, 50)
  found = order.by_content(made)
  for other in (made._replace(images=made.images[::-1], labels=made.labels[::-1]), _permuted(made)):
    again = order.by_content(other)
    files.check(again, *found)
    assert fingerprints.of_arrays(again) == fingerprints.of_arrays(found)
    assert fingerprints.of_arrays(other) != fingerprints.of_arrays(made)
  pairs = lambda images: sorted((image.tobytes(), label) for image, label in zip(*images))
  assert pairs(found) == pairs(made)


def test_the_order_says_nothing_about_what_is_seen():
  made = _made(4, 500)
  found = order.by_content(made)
  for number in (found.labels, found.images.reshape(len(found.images), -1)[:, 0]):
    assert abs(np.corrcoef(np.arange(2000), number)[0, 1]) < 0.1


def test_equal_images_are_ordered_by_label():
  images = np.concatenate([np.full((4, 2, 2, 3), 7, np.uint8), files.pixels(1, 2, 2, 2, 3)])
  labels = np.int32([5, 1, 5, 0, 9, 8])
  for permutation in ([0, 1, 2, 3, 4, 5], [3, 5, 2, 0, 4, 1], [2, 1, 4, 3, 5, 0]):
    found = order.by_content(sources.Images(images[permutation], labels[permutation]))
    assert found.labels[(found.images == 7).all(axis=(1, 2, 3))].tolist() == [0, 1, 5, 5]


def test_two_formats_of_a_set(tmp_path):
  (tmp_path / "npz").mkdir()
  train, test = _permuted(_made(10, 4, (28, 28))), _made(10, 2, (28, 28))
  files.write_mnist_npz(tmp_path / "npz", x_train=train.images, y_train=train.labels.astype(np.uint8),
                        x_test=test.images, y_test=test.labels.astype(np.uint8))
  for part, images in (("train", _permuted(train, 1)), ("t10k", _permuted(test, 2))):
    for name, array in (("images-idx3", images.images), ("labels-idx1", images.labels)):
      (tmp_path / f"{part}-{name}-ubyte").write_bytes(files.idx(array))
  load = lambda folder, **kwargs: sources.load("mnist", data_dir=folder, **kwargs)
  npz, idx = load(tmp_path / "npz", order="content"), load(tmp_path, order="content")
  files.check(idx.train, *npz.train)
  files.check(idx.test, *npz.test)
  assert idx is load(tmp_path, order="content")  # Read once.
  files.check(load(tmp_path / "npz", order="files").train, train.images[..., None], train.labels)
  assert files.error("mnist", tmp_path, order="size") == (
      "data.order='size': choose one of content, files")


_STREAMS = {
    "seq-mnist": {}, "rot-mnist": {"num_tasks": 2}, "mnist-360": {},
    "gcil-cifar100": {"num_tasks": 4, "gcil_phase_size": 300, "gcil_weights": "longtail"}}


@pytest.mark.parametrize("validation", [0.0, 0.1])
@pytest.mark.parametrize("name", _STREAMS)
def test_a_plan_is_of_the_same_images(name, validation):
  num_classes = streams.STREAMS[name].source.num_classes
  train, test = _made(num_classes, 48), _made(num_classes, 6)

  def shown(train, test):
    """What is seen in training and in tests, as pixels."""
    made = streams.make(name, train.labels, test.labels, batch_size=20, num_epochs=1, seed=3,
                        options=_STREAMS[name] | {"validation": validation})
    tested = train if validation else test
    return (train.images[made.plan.index[made.plan.valid]], made.plan.view[made.plan.valid],
            tested.images[made.tests.index[made.tests.valid]], made.tests.view[made.tests.valid])

  sorted_by_class, mixed = (train, test), (_permuted(train), _permuted(test))
  in_files = [shown(*parts) for parts in (sorted_by_class, mixed)]
  assert any(not np.array_equal(*pair) for pair in zip(*in_files, strict=True))
  by_content = [shown(*map(order.by_content, parts)) for parts in (sorted_by_class, mixed)]
  for mine, theirs in zip(*by_content, strict=True):
    np.testing.assert_array_equal(mine, theirs)


def test_the_first_phase_of_gcil():
  made = _made(100, 500, (1, 4))
  options = streams.Options(gcil_weights="longtail")
  first = lambda images: gcil.draw_phases(images.labels, 1, options)[0].classes[:6].tolist()
  # In the order of the files it is these places in the order of the classes' first images.
  assert first(made) == [68, 56, 78, 8, 23, 84]
  mixed = _permuted(made)
  _, places = np.unique(mixed.labels, return_index=True)
  assert first(mixed) == mixed.labels[np.sort(places)][[68, 56, 78, 8, 23, 84]].tolist() != first(made)
  assert first(order.by_content(made)) == first(order.by_content(mixed))
