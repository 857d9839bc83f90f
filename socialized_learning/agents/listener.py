"""The listener: reads a message and recognises what it is about.

Embedding -> core from the zero state -> output at the message's end -> head. The `cpc` head projects
the message and each candidate to one space, where the game compares them; the `multi_mlp` head
answers with logits for every label; the `image` head draws.

Shapes: `B` batch, `T` message length, `K` projection.
Source: Chaabouni et al. 2022, "Emergent Communication at Scale", section 3.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import chex
import haiku as hk
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning.agents import cores
from socialized_learning.agents import heads
from socialized_learning.agents import messages


class ListenerOutput(NamedTuple):
  """What a listener made of a message: projections (`cpc`), logits (`multi_mlp`), an `image`."""
  message: chex.Array | None = None  # [B, K]
  target: chex.Array | None = None  # [B, K], of the candidates
  logits: dict[str, chex.Array] | None = None  # label -> [B, classes]
  image: chex.Array | None = None  # [B, 32, 32, C]


class Listener(NamedTuple):
  """A listener as pure functions: init(key, symbols, candidates) -> params, apply(params, …).

  Symbols are whole, [B, T], or relaxed, [B, T, V].
  """
  init: Callable[..., Any]
  apply: Callable[..., ListenerOutput]


class _ListenerModule(hk.Module):
  """Parameters and unrolling of one listener."""

  def __init__(self, config: config_dict.ConfigDict, message: config_dict.ConfigDict,
               num_classes: Mapping[str, int]):
    super().__init__(name="listener")
    self._unroll, self._ends = config.unroll, message.variable_length
    self._embed = hk.Embed(message.vocab_size, config.embed_dim, name="embed")
    self._core = cores.make_core(config.core.kind, config.core.hidden_size)
    if config.head.kind == "cpc":
      self._head = heads.CpcHead(config.head.hidden_sizes)
    elif config.head.kind == "multi_mlp":
      self._head = heads.MultiMlpHead(config.head.hidden_sizes, num_classes)
    else:
      self._head = heads.ImageHead(num_classes["image"])

  def __call__(self, symbols: chex.Array, candidates: chex.Array) -> ListenerOutput:
    features = self._read(symbols)
    if isinstance(self._head, heads.CpcHead):
      message, target = self._head(features, candidates)
      return ListenerOutput(message=message, target=target)
    if isinstance(self._head, heads.MultiMlpHead):
      return ListenerOutput(logits=self._head(features))
    return ListenerOutput(image=self._head(features))

  def _read(self, symbols: chex.Array) -> chex.Array:
    """What is left of a message once it is read, [B, H]."""
    embedded = messages.embed(self._embed, jnp.swapaxes(symbols, 0, 1))
    features = cores.unroll_core(self._core, embedded, self._core.initial_state(symbols.shape[0]),
                                 unroll=self._unroll)
    if not self._ends or hk.running_init():  # At initialisation the core runs for one step.
      return features[-1]
    return jnp.einsum("bt,tbh->bh", messages.reading_weights(symbols), features)


def make_listener(config: config_dict.ConfigDict, message: config_dict.ConfigDict,
                  num_classes: Mapping[str, int]) -> Listener:
  """Builds a listener.

  Args:
    config: `core` (kind, hidden_size), `embed_dim`, `head` (kind, hidden_sizes), `unroll`.
    message: `vocab_size` V and `variable_length`.
    num_classes: the labels a `multi_mlp` head answers for, and how many classes each has; for an
      `image` head the number of channels, under `image`.
  """

  def forward(symbols, candidates):
    chex.assert_rank(symbols, {2, 3})  # Whole symbols or relaxed ones.
    return _ListenerModule(config, message, num_classes)(symbols, candidates)

  return Listener(*hk.without_apply_rng(hk.transform(forward)))
