"""Channels kept, arithmetic left and overlap of classes, by hand."""

import numpy as np
import pytest

from socialized_learning.metrics import sparsity

# Of base width 32 with 3 image channels and 10 outputs, from the published sizes.
_PUBLISHED = {
    (28, 28): (677_376, 28_901_376, 25_690_112, 4_016_128, 59_285_632),
    (32, 32): (884_736, 37_748_736, 33_554_432, 5_244_928, 77_433_472),
}


@pytest.mark.parametrize("size", _PUBLISHED)
def test_dense_macs(size):
  macs = sparsity.dense_macs(sparsity.Geometry(*size, 3, 32, 4, 10))
  assert (macs.stem, macs.first_stage, sum(macs.gated), macs.agents, macs.total) == _PUBLISHED[size]
  assert macs.head == 640
  # Mean over space first: each agent's 1 x 1 convolution once an image, and its bottleneck.
  assert macs.agents_at_inference == 32 * 64 + 3 * 64 * 64 + 4 * 2 * 64 * 4


def test_odd_sizes_are_halved_upwards():
  macs = sparsity.dense_macs(sparsity.Geometry(5, 3, 1, 1, 1, 2))
  assert macs.gated == (9 * 6 * 2, 9 * 6 * 4, 9 * 6 * 4, 9 * 6 * 4, 6 * 2)


def test_gated_macs_of_two_images():
  macs = sparsity.Macs(0, 0, (100, 1000, 10_000, 100_000, 7), 0, 0, 0)
  # One keeps all, the other 1/2, 0, 1/4, 1/2 of its channels.
  shares = np.array([[1, 1, 1, 1], [0.5, 0, 0.25, 0.5]])
  neighbours = shares[:, :-1] * shares[:, 1:]
  of_each = sparsity.gated_macs(macs, shares, neighbours)
  np.testing.assert_allclose(of_each, [111_107, 50 + 0 + 0 + 12_500 + 0])
  of_both = sparsity.gated_macs(macs, shares.mean(axis=0), neighbours.mean(axis=0))
  np.testing.assert_allclose(of_both, of_each.mean())
  # The mean of products is not the product of means.
  mean = shares.mean(axis=0)
  assert sparsity.gated_macs(macs, mean, mean[1:] * mean[:-1]) != of_both


# Three classes of 4, 2 and no images; two agents of two channels.
_KEPT = np.array([[[4, 0], [2, 1]], [[2, 0], [0, 1]], [[0, 0], [0, 0]]])
_IMAGES = np.array([4, 2, 0])


def test_profiles():
  expected = [[1, 0, 0.5, 0.25], [1, 0, 0, 0.5], [np.nan] * 4]
  np.testing.assert_array_equal(sparsity.profiles(_KEPT, _IMAGES), expected)
  both = sparsity.profiles(np.stack([_KEPT, 0 * _KEPT]), np.stack([_IMAGES, _IMAGES]))
  np.testing.assert_array_equal(both[0], expected)
  np.testing.assert_array_equal(both[1, :2], np.zeros((2, 4)))


def test_overlap_of_classes():
  profile = sparsity.profiles(_KEPT, _IMAGES)
  cosine = (1 + 0.125) / np.sqrt((1 + 0.25 + 0.0625) * (1 + 0.25))
  np.testing.assert_allclose(sparsity.cosine_overlap(profile), [
      [1, cosine, np.nan], [cosine, 1, np.nan], [np.nan] * 3])
  # The first class has channels 0 and 2, the second 0 and 3.
  np.testing.assert_allclose(sparsity.jaccard_overlap(profile), [
      [1, 1 / 3, np.nan], [1 / 3, 1, np.nan], [np.nan] * 3])
  np.testing.assert_allclose(sparsity.jaccard_overlap(profile, threshold=0.6)[0, 1], 1)


def test_classes_that_keep_nothing_have_no_overlap():
  nothing = np.zeros((2, 3))
  assert np.isnan(sparsity.cosine_overlap(nothing)).all()
  assert np.isnan(sparsity.jaccard_overlap(nothing)).all()
