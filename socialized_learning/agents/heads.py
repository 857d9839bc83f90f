"""Heads: what speakers and listeners read off their cores.

Shapes: leading axes `...` (time and batch), `H` features, `V` vocabulary, `B` batch, `K` projection,
`C` channels of an image.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import chex
import haiku as hk
import jax
import jax.numpy as jnp

from socialized_learning.agents.convolutions import PatchConv2D
from socialized_learning.agents.torsos import flatten

SPEAKER_HEADS = ("policy", "policy_q_value", "policy_q_value_dueling")
LISTENER_HEADS = ("cpc", "multi_mlp")


class PolicyOutput(NamedTuple):
  """Scores of the next symbol, and estimates of the reward where the head has them."""
  logits: chex.Array  # [..., V]
  values: chex.Array | None  # [...]
  q_values: chex.Array | None  # [..., V]


class SpeakerHead(hk.Module):
  """Policy, state value and action values as linear maps of the core's output.

  policy: logits only. policy_q_value: value and action values share one dueling head, so that the
  value is the dueling head's. policy_q_value_dueling (default): a value head of its own beside the
  dueling head. Dueling: `Q = V + A - mean(A)` (Wang et al. 2016, equation 9).
  """

  def __init__(self, kind: str, vocab_size: int, name: str = "head"):
    super().__init__(name=name)
    self._kind = kind
    self._policy = hk.Linear(vocab_size, name="policy")
    if kind != "policy":
      self._state_value = hk.Linear(1, name="dueling_state_value")
      self._advantage = hk.Linear(vocab_size, name="dueling_advantage")
    if kind == "policy_q_value_dueling":
      self._value = hk.Linear(1, name="value")

  def policy(self, features: chex.Array) -> chex.Array:
    """Logits [..., V] of features [..., H]."""
    return self._policy(features)

  def __call__(self, features: chex.Array) -> PolicyOutput:
    logits = self._policy(features)
    if self._kind == "policy":
      return PolicyOutput(logits, None, None)
    state_value = self._state_value(features)
    advantage = self._advantage(features)
    q_values = state_value + advantage - advantage.mean(axis=-1, keepdims=True)
    value = self._value(features) if self._kind == "policy_q_value_dueling" else state_value
    return PolicyOutput(logits, value[..., 0], q_values)


class CpcHead(hk.Module):
  """Projects a message and a candidate to one space, each by an MLP (ReLU between layers)."""

  def __init__(self, hidden_sizes: Sequence[int], name: str = "cpc"):
    super().__init__(name=name)
    self._message = hk.nets.MLP(hidden_sizes, name="message_projection")
    self._target = hk.nets.MLP(hidden_sizes, name="target_projection")

  def __call__(self, features: chex.Array, candidates: chex.Array
              ) -> tuple[chex.Array, chex.Array]:
    """Features [B, H] and candidates [B, ...] -> two projections [B, K]."""
    return self._message(features), self._target(flatten(candidates))


class MultiMlpHead(hk.Module):
  """One MLP per label: logits [B, classes] for each entry of `num_classes`."""

  def __init__(self, hidden_sizes: Sequence[int], num_classes: Mapping[str, int],
               name: str = "multi_mlp"):
    super().__init__(name=name)
    self._mlps = {label: hk.nets.MLP([*hidden_sizes, width], name=f"label_{label}")
                  for label, width in num_classes.items()}

  def __call__(self, features: chex.Array) -> dict[str, chex.Array]:
    return {label: mlp(features) for label, mlp in self._mlps.items()}


class ImageHead(hk.Module):
  """Draws an image [B, 32, 32, C], values in (-1, 1).

  A linear map to 4 x 4 x 128, then four times twice the size (nearest neighbour) and a 3 x 3
  convolution without padding and bias to 64, 32, 16, 16 channels, each with ReLU; a last such
  convolution (with bias) and tanh.
  Source: Chaabouni et al. 2022, appendix on transfer tasks.
  """

  SIZE = 32

  def __init__(self, num_channels: int, name: str = "image"):
    super().__init__(name=name)
    self._linear = hk.Linear(4 * 4 * 128, name="linear")
    self._convolutions = [PatchConv2D(channels, 3, with_bias=False, name=f"conv_{i}")
                          for i, channels in enumerate((64, 32, 16, 16))]
    self._last = PatchConv2D(num_channels, 3, with_bias=True, name="conv_last")

  def __call__(self, features: chex.Array) -> chex.Array:
    x = jax.nn.relu(self._linear(features)).reshape(-1, 4, 4, 128)
    for convolution in self._convolutions:
      x = jax.nn.relu(convolution(jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)))
    return jnp.tanh(self._last(x))
