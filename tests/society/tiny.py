"""A network in the shape of a VGG that compiles in no time: two dense blocks and a linear head.

What matters to a society is there: statistics that training moves, activations at the input of every
block, dropout in the head.
"""

import jax
import jax.numpy as jnp

from socialized_learning.agents.classifiers import Net
from socialized_learning.agents.vgg import Seen
from socialized_learning.agents.vgg import Vgg

_DECAY = 0.9


def make_vgg(size: int, num_inputs: int, num_outputs: int) -> Vgg:
  """Blocks of `size` units for images of so many pixels."""

  def init_backbone(key, images):
    del images
    first, second = jax.random.split(key)
    params = {"block_0": jax.random.normal(first, (num_inputs, size)) / num_inputs**0.5,
              "block_1": jax.random.normal(second, (size, size)) / size**0.5}
    return Net(params, {"norm": {"mean": jnp.zeros(size), "var": jnp.ones(size)}})

  def backbone(net, x, *, is_training, weights=None, first_block=0):
    del weights
    inputs = []
    x = x.reshape(x.shape[0], 1, 1, -1)
    for block in range(first_block, 2):
      inputs.append(x)
      x = jnp.tanh(x @ net.params[f"block_{block}"])
    features = x[:, 0, 0]
    if not is_training:
      return Seen(features - net.stats["norm"]["mean"], tuple(inputs)), net.stats
    mean = features.mean(axis=0)
    moved = _DECAY * net.stats["norm"]["mean"] + (1 - _DECAY) * jax.lax.stop_gradient(mean)
    return Seen(features - mean, tuple(inputs)), {"norm": net.stats["norm"] | {"mean": moved}}

  def init_head(key):
    return {"linear": {"w": jax.random.normal(key, (size, num_outputs)) / size**0.5,
                       "b": jnp.zeros(num_outputs)}}

  def head(params, features, kept=None):
    if kept is not None:
      features = jnp.where(kept[0], 2 * features, 0)
    return features @ params["linear"]["w"] + params["linear"]["b"]

  draw = lambda key: jax.random.bernoulli(key, 0.5, (1, size))
  return Vgg(init_backbone, backbone, init_head, head, jax.vmap(draw, out_axes=1), (size, size))
