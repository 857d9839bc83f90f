"""What the layers of a network read, and how much what they give matters.

From the two come gradients example by example: that of a kernel is the sum over places of what its
layer reads there times the slope of what it gives there. Convolutions are matrix products of patches
here: XLA's own cost many times as much inside of a loop or a branch on a CPU (see `convolutions`).

Shapes: `B` batch, `H W C` height, width and channels of an image, `O` outputs; `...` places in
space, `ins` and `outs` of a layer.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import haiku as hk
import jax
import jax.numpy as jnp

from socialized_learning.agents.layers import GlorotLinear
from socialized_learning.agents.layers import TorchConv2D
from socialized_learning.agents.layers import TorchLinear

KERNEL = "w"  # The parameter that `reads` and `slopes` stand for.
_LAYERS = (GlorotLinear, TorchConv2D, TorchLinear)


class Taps(NamedTuple):
  """What a pass with a score shows, by module."""
  score: chex.Array
  reads: dict[str, chex.Array]  # [B, ..., ins], of linear layers and of convolutions (patches)
  slopes: dict[str, chex.Array]  # [B, ..., outs], d score / d what the layer gives
  vectors: dict[str, dict[str, chex.Array]]  # d score / d each parameter but the kernels
  stats: Any  # Running statistics after the pass.


def make(forward: Callable[[chex.Array, bool], chex.Array]) -> Callable[..., Taps]:
  """Builds `Classifier.taps` of a network, images [B, H, W, C], is_training -> logits [B, O]."""

  def tapped(images, is_training, nudges):
    reads, gives = {}, {}

    def tap(call, args, kwargs, context):
      layer = context.module
      if context.method_name != "__call__" or not isinstance(layer, _LAYERS):
        return call(*args, **kwargs)
      is_linear, name = not isinstance(layer, TorchConv2D), layer.module_name
      reads[name] = args[0] if is_linear else layer.patches(*args)
      gives[name] = call(*args) if is_linear else layer.of_patches(reads[name])
      return gives[name] + nudges.get(name, 0)

    with hk.intercept_methods(tap):
      return forward(images, is_training), reads, gives

  apply = hk.without_apply_rng(hk.transform_with_state(tapped)).apply

  def taps(net, images, score, *, is_training):
    """`score` is a function logits [B, O] -> number."""
    vectors = {module: {name: x for name, x in leaves.items() if name != KERNEL}
               for module, leaves in net.params.items()}

    def run(nudges, vectors):
      params = {module: leaves | vectors[module] for module, leaves in net.params.items()}
      (logits, reads, gives), stats = apply(params, net.stats, images, is_training, nudges)
      return score(logits), (reads, gives, stats)

    _, (_, gives, _) = jax.eval_shape(run, {}, vectors)
    nudges = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), gives)
    (value, (reads, _, stats)), (slopes, of_vectors) = jax.value_and_grad(
        run, argnums=(0, 1), has_aux=True)(nudges, vectors)
    return Taps(value, reads, slopes, of_vectors, stats)

  return taps
