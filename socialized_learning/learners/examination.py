"""What a network knows of a test set: one pass, all counts.

Shapes: `N` members, `n` test images, `O` outputs, `M` bins of confidence, `t` test sets.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.population import randomness

NUM_BINS = 15
_CHUNK = 500  # Images of one forward pass.


class Counts(NamedTuple):
  """Whole numbers, but for the sum of confidences."""
  total: chex.Array  # Test images.
  correct: chex.Array  # Right among all outputs.
  correct_in_task: chex.Array  # Right among the outputs of the task, if it is told.
  confusion: chex.Array  # [O, O], label by answer.
  calibration: chex.Array  # [M, 3], per bin of confidence: images, sum of confidence, right ones.


def of_nested(counts: Counts, outputs: chex.Array) -> Counts:
  """Counts of test sets of which each is part of the next, from those of the last alone.

  Args:
    counts: of the last test set, leaves [N, ...], where all outputs count.
    outputs: [t, O] bool, the labels of each set.

  Returns:
    Leaves [N, t, ...]. Of confusion and calibration each set has what it has beside the one before,
    so that they can be added; all of the calibration is in the first.
  """
  of_label, right = counts.confusion.sum(axis=2), np.diagonal(counts.confusion, axis1=1, axis2=2)
  correct = right @ outputs.T
  is_new = outputs & ~np.roll(outputs, 1, axis=0)
  is_new[0] = outputs[0]
  confusion = np.where(is_new[:, :, None], counts.confusion[:, None], 0)
  calibration = np.zeros((len(right), len(outputs), *counts.calibration.shape[1:]), np.float32)
  calibration[:, 0] = counts.calibration
  return Counts(of_label @ outputs.T, correct, correct, confusion, calibration)


# (index [n], view [n] or one for all) -> images [n, H, W, C] as a network reads them.
Show = Callable[[chex.Array, chex.Array], chex.Array]


def examine(classifier: Classifier, net: Net, show: Show, labels: chex.Array, index: chex.Array,
            view: chex.Array, valid: chex.Array, outputs: chex.Array) -> Counts:
  """Asks one network about one test set, in evaluation mode.

  Args:
    classifier: the kind of network.
    net: the network.
    show: shows test images.
    labels: of all test images.
    index: [n], the images of this test set.
    view: [n], how they are looked at; or one number for all.
    valid: [n] bool.
    outputs: [O] bool, the outputs of the task.
  """
  def ask(index, view, valid, key):
    output, _ = classifier.apply(net, show(index, view), is_training=False, key=key)
    return _count(output.logits, labels[index], valid, outputs)

  return in_chunks(ask, index, view, valid)


def in_chunks(ask: Callable[..., Any], index: chex.Array, view: chex.Array, valid: chex.Array
             ) -> Any:
  """The sum over chunks of a test set of `ask(index [m], view [m] or one, valid [m], key)`."""
  num_chunks = -(-index.shape[0] // _CHUNK)
  padding = num_chunks * _CHUNK - index.shape[0]
  alike = view.ndim == 0
  chunks = jax.tree.map(lambda x: jnp.pad(x, (0, padding)).reshape(num_chunks, _CHUNK),
                        (index, valid) if alike else (index, valid, view))
  # The same in every examination: what changes is the network, not the luck of its agents.
  keys = randomness.each(randomness.named(jax.random.PRNGKey(0), "examination"),
                         jnp.arange(num_chunks))

  def ask_chunk(chunk):
    (index, valid, *views), key = chunk
    return ask(index, view if alike else views[0], valid, key)

  counts = jax.lax.map(ask_chunk, (chunks, keys))
  return jax.tree.map(lambda x: x.sum(axis=0), counts)


def _count(logits: chex.Array, labels: chex.Array, valid: chex.Array, outputs: chex.Array) -> Counts:
  """Counts of one chunk."""
  answers = jnp.argmax(logits, axis=-1)
  right = (answers == labels) & valid
  in_task = jnp.argmax(jnp.where(outputs, logits, -jnp.inf), axis=-1)
  num_outputs = logits.shape[-1]
  of_label = jax.nn.one_hot(labels, num_outputs) * valid[:, None]
  confusion = of_label.T @ jax.nn.one_hot(answers, num_outputs)
  confidence = jax.nn.softmax(logits).max(axis=-1)
  # Bins (m / M, (m + 1) / M], as in `metrics.calibration`.
  bins = jnp.clip(jnp.ceil(confidence * NUM_BINS).astype(jnp.int32) - 1, 0, NUM_BINS - 1)
  in_bin = jax.nn.one_hot(bins, NUM_BINS) * valid[:, None]
  calibration = in_bin.T @ jnp.stack(
      [jnp.ones_like(confidence), confidence, right.astype(confidence.dtype)], axis=1)
  return Counts(valid.sum(), right.sum(), ((in_task == labels) & valid).sum(),
                confusion.astype(jnp.int32), calibration)
