"""How much each parameter matters for what a network says of some examples.

`sum_n w_n p_n (d log p_n / d theta)^2`, p_n the probability of example n's label, which is no more
than a weight: neither the empirical Fisher information, which has no p_n, nor the true one, which
sums over all outputs. The caller divides. Source: Sarfraz et al. 2022, "SYNERgy between SYNaptic
consolidation and Experience Replay", and its online EWC (Schwarz et al. 2018).

Shapes: `n` examples, `c` of them in a chunk, `ins` and `outs` of a linear layer.
"""

from collections.abc import Callable
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp

from socialized_learning.agents.batch_norm import BatchNorm
from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import steps

FIDELITIES = ("clean", "reference")

# Examples at once. In closed form the cost is that of matrix products; otherwise each example of a
# chunk has a gradient of its own, as large as the network: on a CPU one by one is twice as fast.
_DENSE_CHUNK = 1000
_CHUNK = {"cpu": 1, "others": 8}

# positions [c] int32 -> (images [c, H, W, C], labels [c] int32)
Show = Callable[[chex.Array], tuple[chex.Array, chex.Array]]


def make_importance(classifier: Classifier, fidelity: str, *, axis_name: str | None = None,
                    chunk_size: int | None = None
                    ) -> Callable[[Net, Show, chex.Array], tuple[Any, Any]]:
  """Builds the estimate, which goes over the examples chunk by chunk.

  A network of linear layers, which has no batch normalisation, has one way: in closed form, without
  a gradient per example. Others have two. "clean": gradients of the function that is tested,
  running statistics in use and left alone. "reference": each image is a batch of its own in
  training mode and moves the running statistics, in the order of the examples, as in the published
  code.

  Args:
    classifier: the kind of network.
    fidelity: one of `FIDELITIES`.
    axis_name: the devices' axis, over which the examples are shared out where their order does not
      matter; None for none. All devices must be given the same examples.
    chunk_size: c; None for a size that suits the network.

  Returns:
    (net, show, weights [n], 0 for what is no example) -> (a tree like the parameters, the
    statistics afterwards).

  Raises:
    ValueError: no such fidelity; or, when called, "reference" with batch normalisation on several
      devices, which would count each image once for every device.
  """
  if fidelity not in FIDELITIES:
    raise ValueError(f"fidelity {fidelity!r}: one of {FIDELITIES}")
  size = _CHUNK["cpu" if jax.default_backend() == "cpu" else "others"]
  shared = axis_name
  if classifier.taps is not None:
    of_chunk, size = functools.partial(_in_closed_form, classifier.taps), _DENSE_CHUNK
  elif fidelity == "clean":
    of_chunk = functools.partial(_tested, classifier)
  else:
    of_chunk, shared = functools.partial(_one_by_one, classifier, axis_name), None
  return functools.partial(_over_chunks, of_chunk, chunk_size or size, shared)


def average_filters(importance: Any) -> Any:
  """One value for each filter: kernels [H, W, I, O] become their mean over H, W, I; the rest stays.

  Args:
    importance: like the parameters of one network (a population's has one axis more).
  """
  mean = lambda x: jnp.broadcast_to(x.mean(axis=(0, 1, 2), keepdims=True), x.shape)
  return jax.tree.map(lambda x: mean(x) if x.ndim == 4 else x, importance)


def _over_chunks(of_chunk: Callable, most: int, axis_name: str | None, net: Net, show: Show,
                 weights: chex.Array) -> tuple[Any, Any]:
  """The sum over all examples, those of other devices too, and the statistics afterwards."""

  def add(carry, chunk):
    total, stats = carry
    at, weights = chunk
    part, stats = of_chunk(net._replace(stats=stats), *show(at), weights)
    return (jax.tree.map(jnp.add, total, part), stats), None

  start = (jax.tree.map(jnp.zeros_like, net.params), net.stats)
  (total, stats), _ = jax.lax.scan(add, start, _chunks(weights, most, axis_name))
  return total if axis_name is None else jax.lax.psum(total, axis_name), stats


def _chunks(weights: chex.Array, most: int, axis_name: str | None
           ) -> tuple[chex.Array, chex.Array]:
  """This device's positions and weights [chunks, c], filled up with weight 0; c <= `most`."""
  num_examples = weights.shape[0]
  num_devices = 1 if axis_name is None else jax.lax.axis_size(axis_name)
  num_chunks = num_devices * -(-num_examples // (most * num_devices))
  size = -(-num_examples // num_chunks)
  missing = num_chunks * size - num_examples
  positions = jnp.pad(jnp.arange(num_examples, dtype=jnp.int32), (0, missing))
  chunks = (positions.reshape(-1, size), jnp.pad(weights, (0, missing)).reshape(-1, size))
  if axis_name is None:
    return chunks
  share = num_chunks // num_devices
  start = jax.lax.axis_index(axis_name) * share
  return jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, start, share), chunks)


def _in_closed_form(taps: Callable, net: Net, images: chex.Array, labels: chex.Array,
                    weights: chex.Array) -> tuple[Any, Any]:
  """Of linear layers: example n's gradient is a_n d_n^T, so that its square is a_n^2 (d_n^2)^T.

  a_n is what the layer reads, d_n the gradient with respect to what it gives: that of a nudge of 0.
  """
  nudges = {module: jnp.zeros((images.shape[0], *leaves["b"].shape), leaves["b"].dtype)
            for module, leaves in net.params.items()}

  def likelihood(nudges):
    logits, inputs = taps(net, images, nudges)
    each = -steps.cross_entropy(logits, labels)
    return each.sum(), (each, inputs)

  slopes, (each, inputs) = jax.grad(likelihood, has_aux=True)(nudges)
  weights = weights * jnp.exp(each)
  found = {}
  for module in net.params:
    of_outs = weights[:, None] * jnp.square(slopes[module])  # [c, outs]
    found[module] = {"w": jnp.square(inputs[module]).T @ of_outs, "b": of_outs.sum(axis=0)}
  return found, net.stats


def _per_example(classifier: Classifier, is_training: bool, net: Net, images: chex.Array,
                 labels: chex.Array, weights: chex.Array) -> tuple[Any, Any]:
  """A gradient per example; returns also the statistics after each alone, leaves [c, ...]."""

  def likelihood(params, image, label):
    output, stats = classifier.apply(net._replace(params=params), image[None],
                                     is_training=is_training)
    return -steps.cross_entropy(output.logits, label[None])[0], stats

  of_each = jax.vmap(jax.value_and_grad(likelihood, has_aux=True), in_axes=(None, 0, 0))
  (each, stats), grads = of_each(net.params, images, labels)
  weights = weights * jnp.exp(each)
  return jax.tree.map(lambda g: jnp.tensordot(weights, jnp.square(g), 1), grads), stats


def _tested(classifier, net, images, labels, weights):
  """`_per_example` of the function that is tested."""
  return _per_example(classifier, False, net, images, labels, weights)[0], net.stats


def _one_by_one(classifier, axis_name, net, images, labels, weights):
  """`_per_example` in training mode; returns the statistics after one image after another.

  What an image leaves behind does not depend on what was there before: from statistics of 0 each
  yields its own contribution, which then fades with each image that follows.
  """
  if net.stats and axis_name is not None and jax.lax.axis_size(axis_name) > 1:
    raise ValueError("fidelity 'reference' takes images one by one: use one device")
  still = jax.tree.map(jnp.zeros_like, net.stats)
  found, left = _per_example(classifier, True, net._replace(stats=still), images, labels, weights)
  counts = weights > 0
  following = jnp.cumsum(counts[::-1])[::-1] - counts
  keep = 1 - BatchNorm.MOMENTUM

  def follow(old, new):
    shares = jnp.where(counts, keep**following, 0).astype(old.dtype)
    return keep**counts.sum() * old + jnp.tensordot(shares, new, 1)

  return found, jax.tree.map(follow, net.stats, left)
