"""The plain way to train a population on the Lewis game, for `lewis_step` to compare with.

The same game, agents and arithmetic, written as published systems write it: agents are lists of
parameter dictionaries; pairs learn in a Python loop of one jitted call each, and the host waits for
every accuracy; recurrent cells are unrolled by Python; all distances are taken from one [B, B, K]
array of differences; and the gradient with respect to the target speaker is taken and not used.

Shapes: `B` batch, `D` features, `T` message length, `K` projection.
Source: Chaabouni et al. 2022, "Emergent Communication at Scale", section 3.
"""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np
import optax

from benchmarks import measure

Params = dict[str, Any]
Config = config_dict.ConfigDict
Update = Callable[[Params, Params, chex.Array, chex.PRNGKey], tuple[Params, Params, Params]]


def _truncated_normal(key: chex.PRNGKey, shape: tuple[int, ...], std: float) -> chex.Array:
  return std * jax.random.truncated_normal(key, -2.0, 2.0, shape)


def _init_linear(key: chex.PRNGKey, num_inputs: int, num_outputs: int) -> Params:
  return {"w": _truncated_normal(key, (num_inputs, num_outputs), num_inputs**-0.5),
          "b": jnp.zeros(num_outputs)}


def init_speaker(key: chex.PRNGKey, num_inputs: int, config: Config) -> Params:
  """Parameters of one speaker of vectors [num_inputs]."""
  vocab, embed = config.message.vocab_size, config.speaker.embed_dim
  hidden = config.speaker.core.hidden_size
  keys = jax.random.split(key, 7)
  return {
      "embed": _truncated_normal(keys[0], (vocab + 1, embed), 1.0),  # The last: start of message.
      "adapter": _init_linear(keys[1], num_inputs, 2 * hidden),
      "lstm": _init_linear(keys[2], embed + hidden, 4 * hidden),
      "policy": _init_linear(keys[3], hidden, vocab),
      "value": _init_linear(keys[4], hidden, 1),
      "state_value": _init_linear(keys[5], hidden, 1),
      "advantage": _init_linear(keys[6], hidden, vocab),
  }


def init_listener(key: chex.PRNGKey, num_inputs: int, config: Config) -> Params:
  """Parameters of one listener of candidates [num_inputs]."""
  hidden, embed = config.listener.core.hidden_size, config.listener.embed_dim
  projection, = config.listener.head.hidden_sizes
  keys = jax.random.split(key, 4)
  return {
      "embed": _truncated_normal(keys[0], (config.message.vocab_size, embed), 1.0),
      "lstm": _init_linear(keys[1], embed + hidden, 4 * hidden),
      "message": _init_linear(keys[2], hidden, projection),
      "target": _init_linear(keys[3], num_inputs, projection),
  }


def _linear(params: Params, x: chex.Array) -> chex.Array:
  return x @ params["w"] + params["b"]


def _lstm(params: Params, x: chex.Array, hidden: chex.Array, cell: chex.Array
         ) -> tuple[chex.Array, chex.Array]:
  gates = _linear(params, jnp.concatenate([x, hidden], axis=-1))
  write, new, keep, read = jnp.split(gates, 4, axis=-1)
  cell = jax.nn.sigmoid(keep + 1) * cell + jax.nn.sigmoid(write) * jnp.tanh(new)
  return jax.nn.sigmoid(read) * jnp.tanh(cell), cell


def speak(params: Params, inputs: chex.Array, config: Config, *, key: chex.PRNGKey | None = None,
          actions: chex.Array | None = None) -> dict[str, chex.Array]:
  """Says a message about each input [B, D]: sampled with `key`, or following `actions` [B, T]."""
  hidden, cell = jnp.split(_linear(params["adapter"], inputs), 2, axis=-1)
  symbol = jnp.full(inputs.shape[0], config.message.vocab_size)
  steps = []
  for t in range(config.message.length):
    hidden, cell = _lstm(params["lstm"], params["embed"][symbol], hidden, cell)
    logits = _linear(params["policy"], hidden)
    advantage = _linear(params["advantage"], hidden)
    q_values = _linear(params["state_value"], hidden)
    q_values = q_values + advantage - advantage.mean(axis=-1, keepdims=True)
    if actions is None:
      symbol = jax.random.categorical(jax.random.fold_in(key, t), logits)
    else:
      symbol = actions[:, t]
    log_policy = jax.nn.log_softmax(logits)
    steps.append({
        "actions": symbol,
        "log_policy": log_policy,
        "log_probs": jnp.take_along_axis(log_policy, symbol[:, None], axis=-1)[:, 0],
        "entropies": -jnp.sum(jnp.exp(log_policy) * log_policy, axis=-1),
        "values": _linear(params["value"], hidden)[:, 0],
        "q_values": q_values,
    })
  return jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *steps)


def _unit(x: chex.Array) -> chex.Array:
  return x / jnp.sqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-12)


def listen(params: Params, messages: chex.Array, inputs: chex.Array) -> chex.Array:
  """Scores [B, B] of every message [B, T] against every input [B, D]: minus squared distances."""
  hidden = cell = jnp.zeros((messages.shape[0], params["lstm"]["w"].shape[1] // 4))
  for t in range(messages.shape[1]):
    hidden, cell = _lstm(params["lstm"], params["embed"][messages[:, t]], hidden, cell)
  message = _unit(_linear(params["message"], hidden))
  target = _unit(_linear(params["target"], inputs))
  difference = message[:, None, :] - target[None, :, :]  # [B, B, K]
  return -jnp.sum(jnp.square(difference), axis=-1)


def pair_loss(speaker: Params, listener: Params, target: Params, inputs: chex.Array, config: Config,
              *, key: chex.PRNGKey | None = None, actions: chex.Array | None = None
              ) -> tuple[chex.Array, Params]:
  """Loss of both players of one pair over a batch [B, D], and what to log of it."""
  said = speak(speaker, inputs, config, key=key, actions=actions)
  wanted = speak(target, inputs, config, actions=said["actions"])
  scores = listen(listener, said["actions"], inputs)
  listener_loss = -jnp.mean(jnp.diagonal(jax.nn.log_softmax(scores)))
  reward = jnp.float32(jnp.argmax(scores, axis=1) == jnp.arange(scores.shape[0]))[:, None]
  advantage = reward - jax.lax.stop_gradient(said["values"])
  policy_loss = -jnp.mean(advantage * said["log_probs"])
  value_loss = jnp.mean(jnp.square(reward - said["values"]))
  kl = jnp.sum(jnp.exp(said["log_policy"]) * (said["log_policy"] - wanted["log_policy"]), axis=-1)
  weights = config.speaker_loss
  speaker_loss = (policy_loss + value_loss + weights.kl * kl.mean()
                  - weights.entropy * said["entropies"].mean())
  loss = speaker_loss + listener_loss
  return loss, {"loss": loss, "accuracy": reward.mean()}


def _adam(config: Config) -> optax.GradientTransformation:
  return optax.adam(config.learning_rate, config.b1, config.b2, config.eps)


def make_update(config: Config) -> Update:
  """Returns the jitted update of one pair: (speaker, listener, inputs, key) -> both and metrics."""
  speaker_adam, listener_adam = _adam(config.speaker_optimiser), _adam(config.listener_optimiser)

  def loss(*args, key):
    return pair_loss(*args, config, key=key)

  @jax.jit
  def update(speaker, listener, inputs, key):
    # The third, the target's, is not used: JAX drops it again when it compiles.
    grads, metrics = jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(
        speaker["params"], listener["params"], speaker["target"], inputs, key=key)
    speaker, listener = (
        agent | dict(zip(("params", "opt_state"), _descend(adam, agent, gradient), strict=True))
        for agent, gradient, adam in ((speaker, grads[0], speaker_adam),
                                      (listener, grads[1], listener_adam)))
    decay = config.target_decay
    target = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, speaker["target"],
                          speaker["params"])
    return speaker | {"target": target}, listener, metrics

  return update


def _descend(adam: optax.GradientTransformation, agent: Params, gradient: Params
            ) -> tuple[Params, Any]:
  updates, opt_state = adam.update(gradient, agent["opt_state"], agent["params"])
  return optax.apply_updates(agent["params"], updates), opt_state


def new_speaker(key: chex.PRNGKey, num_inputs: int, config: Config) -> Params:
  """A speaker with its target and what Adam remembers of it."""
  params = init_speaker(key, num_inputs, config)
  return {"params": params, "target": params,
          "opt_state": _adam(config.speaker_optimiser).init(params)}


def new_listener(key: chex.PRNGKey, num_inputs: int, config: Config) -> Params:
  """A listener with what Adam remembers of it."""
  params = init_listener(key, num_inputs, config)
  return {"params": params, "opt_state": _adam(config.listener_optimiser).init(params)}


class Population:
  """Speakers and listeners in two lists."""

  def __init__(self, config: Config, num_inputs: int):
    self._key = jax.random.PRNGKey(config.random_seed)
    self._random = np.random.default_rng(config.random_seed)
    self._update = make_update(config)
    speaker = jax.jit(lambda key: new_speaker(key, num_inputs, config))
    listener = jax.jit(lambda key: new_listener(key, num_inputs, config))
    sizes = config.population
    self.speakers = [speaker(self._next_key()) for _ in range(sizes.num_speakers)]
    self.listeners = [listener(self._next_key()) for _ in range(sizes.num_listeners)]

  def _next_key(self) -> chex.PRNGKey:
    self._key, key = jax.random.split(self._key)
    return key

  def step(self, inputs: chex.Array, num_pairs: int) -> list[float]:
    """`num_pairs` random pairs learn from a batch [B, D], one after another; their accuracies."""
    inputs = jnp.asarray(inputs)
    accuracies = []
    for _ in range(num_pairs):
      i, j = self._random.integers((len(self.speakers), len(self.listeners)))
      self.speakers[i], self.listeners[j], metrics = self._update(
          self.speakers[i], self.listeners[j], inputs, self._next_key())
      accuracies.append(float(metrics["accuracy"]))
    return accuracies


def build(config: Config, inputs: chex.Array, num_pairs: int) -> measure.System:
  """A population that learns from one batch [B, D]; a call makes `num_pairs` of a step's pairs."""
  population = Population(config, inputs.shape[1])
  share = num_pairs / config.population.num_pairs
  return measure.System(lambda: population.step(inputs, num_pairs),
                        lambda: config.population.num_pairs * count_flops(config, inputs), share)


def count_flops(config: Config, inputs: chex.Array) -> float:
  """Floating-point operations of one pair's update, by XLA's count (there is no loop in it)."""
  return lower(config, inputs).cost_analysis()["flops"]


def lower(config: Config, inputs: chex.Array) -> jax.stages.Lowered:
  """The update of one pair by a batch [B, D], lowered and not compiled."""
  key = jax.random.PRNGKey(0)
  speaker, listener = (jax.eval_shape(lambda new=new: new(key, inputs.shape[1], config))
                       for new in (new_speaker, new_listener))
  return make_update(config).lower(speaker, listener, inputs, key)
