"""A 1 x 1 convolution from one network's activations to the channels that another reads.

Shapes: `B` batch, `H W` height and width, `C` channels of the one and of the other.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import haiku as hk
import jax.numpy as jnp

from socialized_learning.agents.layers import TorchLinear


class Adapter(NamedTuple):
  """An adapter as pure functions: init(key) -> params; apply(params, x) -> x, [B, H, W, C] each."""
  init: Callable[[chex.PRNGKey], Any]
  apply: Callable[[Any, chex.Array], chex.Array]


def make_adapter(num_inputs: int, num_outputs: int) -> Adapter:
  """Builds an adapter: a linear layer over the channels, with PyTorch's initialisation."""
  init, apply = hk.without_apply_rng(hk.transform(
      lambda x: TorchLinear(num_outputs, name="adapter")(x)))
  return Adapter(lambda key: init(key, jnp.zeros((1, num_inputs))), apply)
