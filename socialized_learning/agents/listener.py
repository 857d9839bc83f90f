"""The listener: reads a message and recognises what it is about.

Embedding -> core from the zero state -> last output -> head. The `cpc` head projects the message and
each candidate to one space, where the game compares them; the `multi_mlp` head answers with logits
for every label.

Shapes: `B` batch, `T` message length, `K` projection.
Source: Chaabouni et al. 2022, "Emergent Communication at Scale", section 3.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import chex
import haiku as hk
from ml_collections import config_dict

from socialized_learning.agents import cores
from socialized_learning.agents import heads


class ListenerOutput(NamedTuple):
  """What a listener made of a message: projections (`cpc`) or logits (`multi_mlp`)."""
  message: chex.Array | None = None  # [B, K]
  target: chex.Array | None = None  # [B, K], of the candidates
  logits: dict[str, chex.Array] | None = None  # label -> [B, classes]


class Listener(NamedTuple):
  """A listener as pure functions: init(key, messages, candidates) -> params, apply(params, …)."""
  init: Callable[..., Any]
  apply: Callable[..., ListenerOutput]


class _ListenerModule(hk.Module):
  """Parameters and unrolling of one listener."""

  def __init__(self, config: config_dict.ConfigDict, message: config_dict.ConfigDict,
               num_classes: Mapping[str, int]):
    super().__init__(name="listener")
    self._unroll = config.unroll
    self._embed = hk.Embed(message.vocab_size, config.embed_dim, name="embed")
    self._core = cores.make_core(config.core.kind, config.core.hidden_size)
    if config.head.kind == "cpc":
      self._head = heads.CpcHead(config.head.hidden_sizes)
    else:
      self._head = heads.MultiMlpHead(config.head.hidden_sizes, num_classes)

  def __call__(self, messages: chex.Array, candidates: chex.Array) -> ListenerOutput:
    state = self._core.initial_state(messages.shape[0])
    features = cores.unroll_core(self._core, self._embed(messages.T), state,
                                 unroll=self._unroll)[-1]
    if isinstance(self._head, heads.CpcHead):
      message, target = self._head(features, candidates)
      return ListenerOutput(message=message, target=target)
    return ListenerOutput(logits=self._head(features))


def make_listener(config: config_dict.ConfigDict, message: config_dict.ConfigDict,
                  num_classes: Mapping[str, int]) -> Listener:
  """Builds a listener.

  Args:
    config: `core` (kind, hidden_size), `embed_dim`, `head` (kind, hidden_sizes), `unroll`.
    message: `vocab_size` V and `length` T.
    num_classes: the labels a `multi_mlp` head answers for, and how many classes each has.
  """

  def forward(messages, candidates):
    chex.assert_rank(messages, 2)
    return _ListenerModule(config, message, num_classes)(messages, candidates)

  return Listener(*hk.without_apply_rng(hk.transform(forward)))
