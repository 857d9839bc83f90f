"""The speaker: reads one input, says a message of `T` symbols.

Torso -> linear map to the core's first state -> `T` steps of (embed the previous symbol, core,
policy head). Three modes that are three functions, so that none can be taken for another: `sample`
draws each symbol, `greedy` takes the likeliest, `forced` follows the symbols it is given.

Shapes: `B` batch, `T` message length, `V` vocabulary, `H` hidden size.
Source: Chaabouni et al. 2022, "Emergent Communication at Scale", section 3.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import haiku as hk
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning.agents import cores
from socialized_learning.agents import heads
from socialized_learning.agents import torsos


class SpeakerOutput(NamedTuple):
  """One message per input, and what the speaker thought of it at each step."""
  actions: chex.Array  # [B, T] int32, the symbols
  log_probs: chex.Array  # [B, T], of the symbols said, nats
  entropies: chex.Array  # [B, T], of the policy at each step, nats
  logits: chex.Array  # [B, T, V]
  values: chex.Array | None  # [B, T], expected reward
  q_values: chex.Array | None  # [B, T, V], expected reward of each symbol


class Speaker(NamedTuple):
  """A speaker as pure functions of its parameters.

  init(key, inputs) -> params; sample(params, inputs, keys [B, 2]); greedy(params, inputs);
  forced(params, inputs, actions [B, T]); the last three return a `SpeakerOutput`.
  """
  init: Callable[..., Any]
  sample: Callable[..., SpeakerOutput]
  greedy: Callable[..., SpeakerOutput]
  forced: Callable[..., SpeakerOutput]


class _SpeakerModule(hk.Module):
  """Parameters and unrolling of one speaker."""

  def __init__(self, config: config_dict.ConfigDict, message: config_dict.ConfigDict):
    super().__init__(name="speaker")
    self._length, self._unroll = message.length, config.unroll
    self._start_symbol = message.vocab_size
    self._torso = torsos.make_torso(config.torso.kind, hidden_sizes=config.torso.hidden_sizes,
                                    vocab_size=config.torso.vocab_size,
                                    embed_dim=config.torso.embed_dim)
    # One row more than there are symbols: the last embeds the start of a message.
    self._embed = hk.Embed(message.vocab_size + 1, config.embed_dim, name="embed")
    self._core = cores.make_core(config.core.kind, config.core.hidden_size)
    self._adapt = cores.make_state_adapter(self._core)
    self._head = heads.SpeakerHead(config.head, message.vocab_size)

  def speak(self, inputs: chex.Array, noise: chex.Array | None) -> SpeakerOutput:
    """Says argmax(logits + noise) at each step; Gumbel noise [T, B, V] makes that a sample."""

    def step(carry, noise_t):
      symbol, state = carry
      features, state = self._core(self._embed(symbol), state)
      # No gradient passes through the choice: the heads below see the same features again.
      scores = jax.lax.stop_gradient(self._head.policy(features))
      if noise is not None:
        scores += noise_t
      symbol = jnp.argmax(scores, axis=-1).astype(jnp.int32)
      return (symbol, state), (features, symbol)

    start = jnp.full(inputs.shape[:1], self._start_symbol, jnp.int32)
    xs = jnp.zeros((self._length, 0)) if noise is None else noise
    _, (features, actions) = cores.scan(step, (start, self._adapt(self._torso(inputs))), xs,
                                        unroll=self._unroll)
    return _output(self._head(features), actions)

  def follow(self, inputs: chex.Array, actions: chex.Array) -> SpeakerOutput:
    """Teacher forcing: every symbol is known, so only the core has to be unrolled."""
    actions = actions.T
    start = jnp.full((1, actions.shape[1]), self._start_symbol, actions.dtype)
    previous = jnp.concatenate([start, actions[:-1]])
    features = cores.unroll_core(self._core, self._embed(previous), self._adapt(self._torso(inputs)),
                                 unroll=self._unroll)
    return _output(self._head(features), actions)


def _output(head: heads.PolicyOutput, actions: chex.Array) -> SpeakerOutput:
  """Time-major head output [T, B, ...] and symbols [T, B] -> batch-major `SpeakerOutput`."""
  log_policy = jax.nn.log_softmax(head.logits)
  log_probs = jnp.take_along_axis(log_policy, actions[..., None], axis=-1)[..., 0]
  entropies = -jnp.sum(jnp.exp(log_policy) * log_policy, axis=-1)
  output = SpeakerOutput(actions, log_probs, entropies, head.logits, head.values, head.q_values)
  return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), output)


def make_speaker(config: config_dict.ConfigDict, message: config_dict.ConfigDict) -> Speaker:
  """Builds a speaker.

  Args:
    config: `torso` (kind, hidden_sizes, vocab_size, embed_dim), `core` (kind, hidden_size),
      `embed_dim`, `head`, and `unroll`, the number of steps compiled into one loop iteration.
    message: `vocab_size` V and `length` T.
  """

  def forward(inputs, noise=None, actions=None):
    module = _SpeakerModule(config, message)
    if actions is None:
      return module.speak(inputs, noise)
    return module.follow(inputs, actions)

  init, apply = hk.without_apply_rng(hk.transform(forward))

  def sample(params, inputs, keys):
    chex.assert_equal_shape_prefix([inputs, keys], 1)
    shape = (message.length, message.vocab_size)
    noise = jax.vmap(lambda key: jax.random.gumbel(key, shape))(keys)  # [B, T, V]
    return apply(params, inputs, jnp.swapaxes(noise, 0, 1))

  def forced(params, inputs, actions):
    chex.assert_shape(actions, (inputs.shape[0], message.length))
    return apply(params, inputs, None, actions)

  return Speaker(init, sample, apply, forced)
