"""The speaker: reads one input, says a message of `T` symbols.

Torso -> linear map to the core's first state -> `T` steps of (embed the previous symbol, core,
policy head). Four modes that are four functions, so that none can be taken for another: `sample`
draws each symbol, `greedy` takes the likeliest, `forced` follows the symbols it is given, `relaxed`
says Gumbel-softmax symbols through which gradients pass.

Shapes: `B` batch, `T` message length, `V` vocabulary, `H` hidden size.
Source: Chaabouni et al. 2022, "Emergent Communication at Scale", section 3; relaxed symbols: Jang et
al. 2017, Maddison et al. 2017. `messages` says what it means that a message ends.
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
from socialized_learning.agents import messages
from socialized_learning.agents import torsos


class SpeakerOutput(NamedTuple):
  """One message per input, and what the speaker thought of it at each step."""
  actions: chex.Array  # [B, T] int32, the symbols
  log_probs: chex.Array  # [B, T], of the symbols said, nats; 0 after the end
  entropies: chex.Array  # [B, T], of the policy at each step, nats; 0 after the end
  logits: chex.Array  # [B, T, V]
  values: chex.Array | None  # [B, T], expected reward
  q_values: chex.Array | None  # [B, T, V], expected reward of each symbol
  spoken: chex.Array | None = None  # [B, T], 0 after the end; None where no message ends early
  symbols: chex.Array | None = None  # [B, T, V], what a relaxed speaker said


class Speaker(NamedTuple):
  """A speaker as pure functions of its parameters.

  init(key, inputs) -> params; sample(params, inputs, keys [B, 2]); greedy(params, inputs);
  forced(params, inputs, symbols [B, T] or relaxed [B, T, V]); relaxed(params, inputs, keys [B, 2],
  temperature=, straight_through=), the same symbols as `sample` in the limit of temperature 0, and
  if straight-through at any temperature; the last four return a `SpeakerOutput`.
  """
  init: Callable[..., Any]
  sample: Callable[..., SpeakerOutput]
  greedy: Callable[..., SpeakerOutput]
  forced: Callable[..., SpeakerOutput]
  relaxed: Callable[..., SpeakerOutput]


class _SpeakerModule(hk.Module):
  """Parameters and unrolling of one speaker."""

  def __init__(self, config: config_dict.ConfigDict, message: config_dict.ConfigDict):
    super().__init__(name="speaker")
    self._length, self._unroll = message.length, config.unroll
    self._ends = message.variable_length
    self._start_symbol = message.vocab_size
    self._torso = torsos.make_torso(config.torso.kind, hidden_sizes=config.torso.hidden_sizes,
                                    activate_final=config.torso.activate_final,
                                    vocab_size=config.torso.vocab_size,
                                    embed_dim=config.torso.embed_dim)
    # One row more than there are symbols: the last embeds the start of a message.
    self._embed = hk.Embed(message.vocab_size + 1, config.embed_dim, name="embed")
    self._core = cores.make_core(config.core.kind, config.core.hidden_size)
    self._adapt = cores.make_state_adapter(self._core)
    self._head = heads.SpeakerHead(config.head, message.vocab_size)

  def speak(self, inputs: chex.Array, noise: chex.Array | None) -> SpeakerOutput:
    """Says argmax(logits + noise) at each step; Gumbel noise [T, B, V] makes that a sample."""

    def choose(scores):  # No gradient passes: the heads will see the same features again.
      return jnp.argmax(jax.lax.stop_gradient(scores), axis=-1).astype(jnp.int32)

    features, actions = self._unroll_choices(inputs, noise, choose)
    return self._output(features, actions)

  def relax(self, inputs: chex.Array, noise: chex.Array, temperature: float,
            straight_through: bool) -> SpeakerOutput:
    """Says softmax((logits + noise) / temperature) at each step.

    Straight-through: one-hot symbols that have the gradient of the relaxed ones.
    """

    def choose(scores):
      soft = jax.nn.softmax(scores / temperature)
      if not straight_through:
        return soft
      hard = jax.nn.one_hot(jnp.argmax(scores, axis=-1), soft.shape[-1], dtype=soft.dtype)
      return hard + (soft - jax.lax.stop_gradient(soft))  # In this order it is one-hot exactly.

    features, symbols = self._unroll_choices(inputs, noise, choose)
    return self._output(features, jnp.argmax(symbols, axis=-1).astype(jnp.int32), symbols)

  def follow(self, inputs: chex.Array, symbols: chex.Array) -> SpeakerOutput:
    """Teacher forcing: every symbol is known, so only the core has to be unrolled."""
    symbols = jnp.swapaxes(symbols, 0, 1)
    embedded = jnp.concatenate([self._start(inputs)[None], messages.embed(self._embed, symbols[:-1])])
    features = cores.unroll_core(self._core, embedded, self._adapt(self._torso(inputs)),
                                 unroll=self._unroll)
    if symbols.ndim == 2:
      return self._output(features, symbols)
    return self._output(features, jnp.argmax(symbols, axis=-1).astype(jnp.int32), symbols)

  def _start(self, inputs: chex.Array) -> chex.Array:
    """The embedded start symbol, [B, E]."""
    return self._embed(jnp.full(inputs.shape[:1], self._start_symbol, jnp.int32))

  def _unroll_choices(self, inputs: chex.Array, noise: chex.Array | None,
                      choose: Callable[[chex.Array], chex.Array]) -> tuple[chex.Array, chex.Array]:
    """Core outputs [T, B, H] and what `choose` made of the scores [B, V] at each step."""

    def step(carry, noise_t):
      previous, state = carry
      features, state = self._core(previous, state)
      scores = self._head.policy(features)
      symbol = choose(scores if noise is None else scores + noise_t)
      return (messages.embed(self._embed, symbol), state), (features, symbol)

    xs = jnp.zeros((self._length, 0)) if noise is None else noise
    carry = (self._start(inputs), self._adapt(self._torso(inputs)))
    return cores.scan(step, carry, xs, unroll=self._unroll)[1]

  def _output(self, features: chex.Array, actions: chex.Array,
              symbols: chex.Array | None = None) -> SpeakerOutput:
    """Core outputs [T, B, H] and symbols [T, B] -> batch-major `SpeakerOutput`."""
    head = self._head(features)
    log_policy = jax.nn.log_softmax(head.logits)
    log_probs = jnp.take_along_axis(log_policy, actions[..., None], axis=-1)[..., 0]
    entropies = -jnp.sum(jnp.exp(log_policy) * log_policy, axis=-1)
    output = SpeakerOutput(actions, log_probs, entropies, head.logits, head.values, head.q_values,
                           symbols=symbols)
    output = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), output)
    if not self._ends:
      return output
    spoken = messages.spoken(output.actions)
    return output._replace(
        actions=jnp.where(spoken > 0, output.actions, messages.END), spoken=spoken,
        log_probs=output.log_probs * spoken, entropies=output.entropies * spoken)


def make_speaker(config: config_dict.ConfigDict, message: config_dict.ConfigDict) -> Speaker:
  """Builds a speaker.

  Args:
    config: `torso` (kind, hidden_sizes, vocab_size, embed_dim), `core` (kind, hidden_size),
      `embed_dim`, `head`, and `unroll`, the number of steps compiled into one loop iteration.
    message: `vocab_size` V, `length` T and `variable_length`.
  """

  def forward(inputs, noise=None, symbols=None, relaxation=None):
    module = _SpeakerModule(config, message)
    if symbols is not None:
      return module.follow(inputs, symbols)
    if relaxation is not None:
      return module.relax(inputs, noise, **relaxation)
    return module.speak(inputs, noise)

  init, apply = hk.without_apply_rng(hk.transform(forward))

  def gumbel(inputs, keys):
    chex.assert_equal_shape_prefix([inputs, keys], 1)
    shape = (message.length, message.vocab_size)
    noise = jax.vmap(lambda key: jax.random.gumbel(key, shape))(keys)  # [B, T, V]
    return jnp.swapaxes(noise, 0, 1)

  def sample(params, inputs, keys):
    return apply(params, inputs, gumbel(inputs, keys))

  def relaxed(params, inputs, keys, *, temperature, straight_through):
    relaxation = {"temperature": temperature, "straight_through": straight_through}
    return apply(params, inputs, gumbel(inputs, keys), relaxation=relaxation)

  def forced(params, inputs, symbols):
    chex.assert_shape(symbols, (inputs.shape[0], message.length, ...))
    return apply(params, inputs, symbols=symbols)

  return Speaker(init, sample, lambda params, inputs: apply(params, inputs), forced, relaxed)
