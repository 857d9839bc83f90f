"""Counts of an examination, and of test sets that hold each other."""

import jax
import jax.numpy as jnp
import numpy as np

from socialized_learning.agents import classifiers
from socialized_learning.learners import examination

_NUM_OUTPUTS = 3
_ALL = jnp.ones(_NUM_OUTPUTS, bool)


def _says(images):
  """A network whose logits are the image."""
  return classifiers.Classification(images, images), {}


_CLASSIFIER = classifiers.Classifier(None, lambda net, images, is_training, key: _says(images))


def _examine(logits, labels, valid, outputs=_ALL):
  logits, labels = jnp.asarray(logits, jnp.float32), jnp.asarray(labels, jnp.int32)
  return jax.device_get(examination.examine(
      _CLASSIFIER, classifiers.Net({}, {}), lambda index, view: logits[index], labels,
      jnp.arange(len(labels)), jnp.int32(0), jnp.asarray(valid), outputs))


def test_counts_by_hand():
  logits = [[4, 0, 0], [0, 1, 2], [0, 3, 0], [9, 0, 0]]
  counts = _examine(logits, [0, 1, 1, 2], [True, True, True, False], jnp.array([True, True, False]))
  assert (counts.total, counts.correct, counts.correct_in_task) == (3, 2, 3)
  assert counts.confusion.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
  confidences = [np.exp(logit.max()) / np.exp(logit).sum() for logit in np.array(logits[:3], float)]
  expected = np.zeros((examination.NUM_BINS, 3))
  for confidence, right in zip(confidences, [1, 0, 1]):
    expected[int(np.ceil(confidence * examination.NUM_BINS)) - 1] += 1, confidence, right
  np.testing.assert_allclose(counts.calibration, expected, rtol=1e-6)


def test_sets_that_hold_each_other_need_one_pass():
  random = np.random.default_rng(0)
  labels = random.integers(_NUM_OUTPUTS, size=1100)  # More than a pass of the network.
  logits = random.normal(size=(1100, _NUM_OUTPUTS)) + 2 * np.eye(_NUM_OUTPUTS)[labels]
  outputs = np.array([[False, True, False], [False, True, False], [True, True, False], [True] * 3])
  one_by_one = [_examine(logits, labels, of_set[labels]) for of_set in outputs]
  together = examination.of_nested(
      jax.tree.map(lambda x: x[None], _examine(logits, labels, np.ones(1100, bool))), outputs)
  for i, alone in enumerate(one_by_one):
    for name in ("total", "correct", "correct_in_task"):
      assert getattr(together, name)[0, i] == getattr(alone, name), (i, name)
    np.testing.assert_array_equal(together.confusion[0, :i + 1].sum(axis=0), alone.confusion)
  np.testing.assert_array_equal(together.calibration[0].sum(axis=0), one_by_one[-1].calibration)
