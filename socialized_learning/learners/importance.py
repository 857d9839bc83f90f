"""How much each parameter matters for what a network says of some examples.

`sum_n w_n p_n (d log p_n / d theta)^2`, p_n the probability of example n's label, which is no more
than a weight: neither the empirical Fisher information, which has no p_n, nor the true one, which
sums over all outputs. The caller divides. Source: Sarfraz et al. 2022, "SYNERgy between SYNaptic
consolidation and Experience Replay", and its online EWC (Schwarz et al. 2018).

Shapes: `n` examples, `c` of them in a chunk; `...` places in space, `ins` and `outs` of a layer.
"""

from collections.abc import Callable
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp

from socialized_learning.agents import taps as taps_lib
from socialized_learning.agents import batch_norm
from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import steps

FIDELITIES = ("clean", "reference")

# Examples at once. Linear layers never write down a gradient of an example; convolutions do, for
# all examples of a chunk: on a CPU more of them are no faster.
_DENSE_CHUNK = 1000
_CHUNK = {"cpu": 4, "others": 16}

# positions [c] int32 -> (images [c, H, W, C], labels [c] int32)
Show = Callable[[chex.Array], tuple[chex.Array, chex.Array]]


def make_importance(classifier: Classifier, fidelity: str, *, axis_name: str | None = None,
                    chunk_size: int | None = None
                    ) -> Callable[[Net, Show, chex.Array], tuple[Any, Any]]:
  """Builds the estimate, which goes over the examples chunk by chunk.

  Each image is a pass of its own. "clean": of the function that is tested, running statistics in
  use and left alone. "reference": in training mode, each image a batch of its own that moves the
  running statistics, in the order of the examples, as in the published code. Without batch
  normalisation the two are the same.

  Args:
    classifier: the kind of network, which must have `taps`.
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
  if fidelity == "clean":
    of_chunk, shared = functools.partial(_tested, classifier), axis_name
  else:
    of_chunk, shared = functools.partial(_one_by_one, classifier, axis_name), None
  return functools.partial(_over_chunks, of_chunk, chunk_size, shared)


def average_filters(importance: Any) -> Any:
  """One value for each filter: kernels [H, W, I, O] become their mean over H, W, I; the rest stays.

  Args:
    importance: like the parameters of one network (a population's has one axis more).
  """
  mean = lambda x: jnp.broadcast_to(x.mean(axis=(0, 1, 2), keepdims=True), x.shape)
  return jax.tree.map(lambda x: mean(x) if x.ndim == 4 else x, importance)


def _over_chunks(of_chunk: Callable, most: int | None, axis_name: str | None, net: Net, show: Show,
                 weights: chex.Array) -> tuple[Any, Any]:
  """The sum over all examples, those of other devices too, and the statistics afterwards."""
  most = most or _chunk_size(net.params)

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


def _chunk_size(params: Any) -> int:
  if all(leaf.ndim < 4 for leaf in jax.tree.leaves(params)):
    return _DENSE_CHUNK
  return _CHUNK["cpu" if jax.default_backend() == "cpu" else "others"]


def _of_examples(classifier: Classifier, is_training: bool, net: Net, images: chex.Array,
                 labels: chex.Array, weights: chex.Array) -> tuple[Any, Any]:
  """The sum over a chunk; also the statistics after each image alone, leaves [c, ...]."""

  def one(image, label):
    likelihood = lambda logits: -steps.cross_entropy(logits, label[None])[0]
    return classifier.taps(net, image[None], likelihood, is_training=is_training)

  found = jax.vmap(one)(images, labels)
  weights = weights * jnp.exp(found.score)
  total = {}
  for module, leaves in net.params.items():
    total[module] = {name: weights @ jnp.square(x) for name, x in found.vectors[module].items()}
    if taps_lib.KERNEL in leaves:
      kernel = _of_kernel(found.reads[module], found.slopes[module], weights)
      total[module][taps_lib.KERNEL] = kernel.reshape(leaves[taps_lib.KERNEL].shape)
  return total, found.stats


def _of_kernel(reads: chex.Array, slopes: chex.Array, weights: chex.Array) -> chex.Array:
  """`sum_n w_n (reads_n^T slopes_n)^2`: [c, ..., ins], [c, ..., outs], [c] -> [ins, outs]."""
  reads, slopes = (x.reshape(len(weights), -1, x.shape[-1]) for x in (reads, slopes))
  if reads.shape[1] == 1:  # The square of a product of two numbers is the product of their squares.
    return jnp.square(reads[:, 0]).T @ (weights[:, None] * jnp.square(slopes[:, 0]))
  of_each = jnp.einsum("npi,npo->nio", reads, slopes)
  return jnp.tensordot(weights, jnp.square(of_each), 1)


def _tested(classifier, net, images, labels, weights):
  """`_of_examples` of the function that is tested."""
  return _of_examples(classifier, False, net, images, labels, weights)[0], net.stats


def _one_by_one(classifier, axis_name, net, images, labels, weights):
  """`_of_examples` in training mode; returns the statistics after one image after another.

  What an image leaves behind does not depend on what was there before: from statistics of 0 each
  yields its own contribution, which then fades with each image that follows.
  """
  if net.stats and axis_name is not None and jax.lax.axis_size(axis_name) > 1:
    raise ValueError("fidelity 'reference' takes images one by one: use one device")
  still = jax.tree.map(jnp.zeros_like, net.stats)
  found, left = _of_examples(classifier, True, net._replace(stats=still), images, labels, weights)
  counts = weights > 0
  following = jnp.cumsum(counts[::-1])[::-1] - counts
  keep = 1 - batch_norm.MOMENTUM

  def follow(old, new):
    shares = jnp.where(counts, keep**following, 0).astype(old.dtype)
    return keep**counts.sum() * old + jnp.tensordot(shares, new, 1)

  return found, jax.tree.map(follow, net.stats, left)
