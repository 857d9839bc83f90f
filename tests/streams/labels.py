"""Labels to plan streams of: those of the true MNIST, and small made ones."""

import numpy as np

# Images of each digit in MNIST.
TRAIN_COUNTS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
TEST_COUNTS = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)


def shuffled(counts, seed=0):
  """Labels with these counts, in a mixed order [n] int64."""
  labels = np.repeat(np.arange(len(counts)), counts)
  return np.random.default_rng(seed).permutation(labels)


def mnist():
  """Training and test labels with the counts of MNIST."""
  return shuffled(TRAIN_COUNTS), shuffled(TEST_COUNTS, seed=1)


def even(num_classes, num_train, num_test):
  """Training and test labels with so many images of every class."""
  return shuffled([num_train] * num_classes), shuffled([num_test] * num_classes, seed=1)
