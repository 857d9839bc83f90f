"""MNIST-360, against the published code's batches (golden_synergy.md, section 7)."""

import itertools

import numpy as np
import pytest

from socialized_learning import streams
from socialized_learning.platform.errors import UserError
from socialized_learning.streams import mnist360
from tests.streams import labels

_COUNTS = labels.TRAIN_COUNTS[:9]


@pytest.fixture(scope="module", name="batches")
def _batches():
  return list(mnist360.batches(_COUNTS, 16))


@pytest.fixture(scope="module", name="stream")
def _stream():
  return _make()


def _make(**options):
  return streams.make("mnist-360", *labels.mnist(), batch_size=16, num_epochs=1, seed=0,
                      options=options)


def _angles(stream, number, digit):
  """Angles of a digit's images in a batch, counted from 1."""
  train, _ = labels.mnist()
  views = stream.plan.view[number - 1][stream.plan.valid[number - 1]]
  digits = train[stream.plan.index[number - 1][stream.plan.valid[number - 1]]]
  return stream.views.degrees[views][digits == digit]


def test_every_image_has_its_turn(batches):
  assert len(batches) == 3387
  served = np.zeros(9, int)
  for batch in batches:
    for digit, count in zip(batch.digits, batch.counts):
      served[digit] += count
  assert served.tolist() == list(_COUNTS) and served.sum() == 54051


def test_batches_of_each_pair(batches):
  groups = [(pair, len(list(group)))
            for pair, group in itertools.groupby(batches, key=lambda batch: batch.digits)]
  assert [pair for pair, _ in groups] == [(j, (j + 1) % 9) for j in range(9)] * 3
  assert [count for _, count in groups] == [
      132, 132, 126, 125, 118, 118, 127, 126, 123, 132, 133, 126, 125, 118, 119, 127, 127, 123,
      132, 133, 126, 125, 118, 119, 127, 127, 123]


def test_sizes_of_batches(batches):
  counts = [batch.counts for batch in batches]
  assert counts[:8] == [(7, 9)] * 8
  assert counts[8:30] == [(8, 8), (7, 9)] * 11
  assert counts[130:133] == [(8, 8), (4, 5), (9, 7)]
  assert batches[132].digits == (1, 2)
  assert counts[-5:] == [(8, 8), (7, 9), (8, 8), (7, 9), (6, 6)]
  assert {number: count for number, count in enumerate(counts, 1) if sum(count) < 16} == {
      132: (4, 5), 390: (7, 8), 515: (5, 5), 633: (2, 1), 751: (7, 8), 878: (5, 6), 1127: (6, 6),
      1392: (3, 3), 1643: (6, 6), 1761: (3, 3), 1880: (1, 2), 2134: (3, 2), 2257: (6, 6),
      2522: (3, 3), 2773: (6, 6), 2891: (3, 3), 3010: (1, 2), 3264: (3, 2), 3387: (6, 6)}


@pytest.mark.parametrize("batch_size, num_batches, num_images, first", [
    (4, 13516, 54048, (2, 2)), (1, 54024, 54024, (0, 1)), (10, 5416, 54047, None)])
def test_other_sizes_of_batches(batch_size, num_batches, num_images, first):
  counts = [batch.counts for batch in mnist360.batches(_COUNTS, batch_size)]
  assert len(counts) == num_batches and np.sum(counts) == num_images
  assert first is None or counts[:40] == [first] * 40


def test_chunks():
  assert mnist360.chunk_sizes(5923) == [988] * 5 + [983]
  assert mnist360.chunk_sizes(6) == [2, 2, 2, 0, 0, 0]
  for size in range(36, 200):
    assert sum(mnist360.chunk_sizes(size)) == size and min(mnist360.chunk_sizes(size)) > 0
  assert min(mnist360.chunk_sizes(35)) == 5 and min(mnist360.chunk_sizes(29)) == 4
  assert min(mnist360.chunk_sizes(30)) == 0


def test_angles(stream):
  zeros = [300, 300.0608, 300.1216, 300.1823, 300.2431, 300.3039, 300.3647]
  ones = [0, 0.0534, 0.1068, 0.1602, 0.2136, 0.2670, 0.3204, 0.3738, 0.4272]
  close = lambda actual, desired: np.testing.assert_allclose(actual, desired, atol=5.1e-5)
  close(_angles(stream, 1, 0), zeros)
  close(_angles(stream, 1, 1), ones)
  close(_angles(stream, 2, 0)[[0, -1]], [300.4255, 300.7901])
  close(_angles(stream, 2, 1)[[0, -1]], [0.4806, 0.9077])
  close(_angles(stream, 600, 4),
        [282.5402, 282.6018, 282.6635, 282.7251, 282.7867, 282.8483, 282.9100, 282.9716])
  close(_angles(stream, 600, 5),
        [283.2983, 283.3647, 283.4311, 283.4975, 283.5639, 283.6303, 283.6967, 283.7631])
  close(_angles(stream, 3387, 8), [59.6308, 59.6924, 59.7539, 59.8154, 59.8769, 59.9385])
  close(_angles(stream, 3387, 0), [299.6353, 299.6961, 299.7569, 299.8177, 299.8784, 299.9392])


def test_the_first_digit_of_a_pair_comes_first(stream, batches):
  train, _ = labels.mnist()
  for step in (0, 131, 599, 3386):
    digits = train[stream.plan.index[step][stream.plan.valid[step]]]
    expected = np.repeat(batches[step].digits, batches[step].counts)
    np.testing.assert_array_equal(digits, expected)


def test_an_epoch_serves_every_image_once_from_the_last_chunk_to_the_first(stream):
  train, _ = labels.mnist()
  seen = stream.plan.index[stream.plan.valid]
  assert len(set(seen)) == 54051 and stream.plan.task_ends.tolist() == [3387]
  zeros = seen[train[seen] == 0]
  images = np.flatnonzero(train == 0)
  np.testing.assert_array_equal(np.sort(zeros[:983]), images[5 * 988:])
  np.testing.assert_array_equal(np.sort(zeros[983:983 + 988]), images[4 * 988:5 * 988])
  assert np.any(np.diff(zeros[:983]) < 0)
  np.testing.assert_array_equal(np.sort(zeros[-988:]), images[:988])


def test_the_reference_form_draws_with_replacement(stream):
  reference = _make(mnist360_form="reference")
  np.testing.assert_array_equal(reference.plan.valid, stream.plan.valid)
  np.testing.assert_array_equal(reference.plan.view, stream.plan.view)
  train, _ = labels.mnist()
  seen = reference.plan.index[reference.plan.valid]
  np.testing.assert_array_equal(train[seen], train[stream.plan.index[stream.plan.valid]])
  assert 0.62 < len(set(seen)) / len(seen) < 0.645  # 1 - 1 / e
  zeros = seen[train[seen] == 0]
  assert zeros[:983].min() >= np.flatnonzero(train == 0)[5 * 988]


def test_examination(stream):
  train, test = labels.mnist()
  assert stream.tests.index.shape == (1, 8991) and stream.tests.valid.all()
  degrees = stream.views.degrees[stream.tests.view[0]]
  for digit in range(9):
    chosen = test[stream.tests.index[0]] == digit
    np.testing.assert_array_equal(stream.tests.index[0][chosen], np.flatnonzero(test == digit))
    count = labels.TEST_COUNTS[digit]
    np.testing.assert_allclose(degrees[chosen], np.arange(count) * 360 / count)
  assert len(stream.views.table) == 54051 + 8991
  held = _make(validation=0.1)
  assert 9 not in train[held.tests.index[0]] and 5300 < held.tests.valid.sum() < 5500


def test_outputs(stream):
  np.testing.assert_array_equal(stream.label_map, [*range(9), -1])
  assert stream.num_outputs == 10 and stream.setting == "general" and stream.task_classes is None
  assert _make(mnist360_outputs=9).num_outputs == 9


@pytest.mark.parametrize("missing, left, message", [
    (4, 0, "has 0 images of digit 4 to train on: .* at least 36 of each digit from 0 to 8"),
    (8, 35, "has 35 images of digit 8 to train on")])
def test_digits_that_are_missing(missing, left, message):
  counts = [40] * 10
  counts[missing] = left
  train, test = labels.shuffled(counts), labels.shuffled([2] * 10)
  with pytest.raises(UserError, match=message):
    streams.make("mnist5k-360", train, test, batch_size=4, num_epochs=1, seed=0)
  streams.make("mnist5k-360", labels.shuffled([40] * 9), test, batch_size=4, num_epochs=1, seed=0)
  with pytest.raises(UserError, match=f"has 0 images of digit {missing} to be examined on"):
    streams.make("mnist5k-360", labels.shuffled([40] * 9), test[test != missing], batch_size=4,
                 num_epochs=1, seed=0)
