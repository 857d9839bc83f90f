"""The Lewis game: a speaker describes one input, a listener recognises it from the description.

The channel between them (`channel.kind`): `sampled` symbols, from which the speaker learns by the
listener's success; or relaxed ones through which the listener's own gradient reaches the speaker,
`gumbel_softmax` (distributions over the vocabulary) and `straight_through` (one-hot symbols that have
the gradient of such distributions). Greedy messages, and so every evaluation, are the same for all.

Shapes: `B` batch on this device, `T` message length.
Source: Chaabouni et al. 2022, "Emergent Communication at Scale", section 3; relaxed channels: Jang et
al. 2017, "Categorical Reparameterization with Gumbel-Softmax".
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
from ml_collections import config_dict

from socialized_learning import agents
from socialized_learning.agents import messages
from socialized_learning.games import listener_losses
from socialized_learning.games import speaker_losses

Params = Any
CHANNELS = ("sampled", "gumbel_softmax", "straight_through")


class View(NamedTuple):
  """What the players see of one batch."""
  speaker_inputs: chex.Array  # [B, ...]
  listener_inputs: chex.Array  # [B, ...], the candidates: perhaps another noisy view
  labels: dict[str, chex.Array]  # label -> [B] int32
  positions: chex.Array  # [B] int32, index of each game in the batch over all devices


class Pair(NamedTuple):
  """One speaker's and one listener's share of anything: parameters, gradients, …"""
  speaker: Params
  listener: Params


class Episode(NamedTuple):
  """One batch of games, played."""
  speaker: agents.SpeakerOutput
  target: agents.SpeakerOutput | None
  listener: agents.ListenerOutput


class Game(NamedTuple):
  """The Lewis game as pure functions.

  init(key, view) -> Pair of parameters. play(params, target_params, view, keys [B, 2]) -> Episode,
  with random messages. score(episode, view, keys [B, 2]) -> (loss, metrics), the loss of both
  players, means over the batch on this device.
  """
  init: Callable[[chex.PRNGKey, View], Pair]
  play: Callable[[Pair, Params, View, chex.Array], Episode]
  score: Callable[[Episode, View, chex.Array], tuple[chex.Array, dict[str, chex.Array]]]


def make_lewis_game(speaker: agents.Speaker, listener: agents.Listener,
                    config: config_dict.ConfigDict, *, axis_name: str | None) -> Game:
  """Builds the game.

  Args:
    speaker: the kind of agent that speaks.
    listener: the kind of agent that listens.
    config: `message`, `channel`, `speaker_loss` and `listener_loss`.
    axis_name: the devices' axis, or None where there is none.
  """
  channel, length_cost = config.channel, config.speaker_loss.length_cost
  speaker_loss = speaker_losses.make_speaker_loss(config.speaker_loss, channel=channel.kind)
  listener_loss = listener_losses.make_listener_loss(config.listener_loss, axis_name)
  is_relaxed = channel.kind != "sampled"
  needs_target = config.speaker_loss.kl != 0 and (
      is_relaxed or config.speaker_loss.kind == "reinforce")

  def init(key, view):
    speaker_key, listener_key = jax.random.split(key)
    speaker_params = speaker.init(speaker_key, view.speaker_inputs)
    said = jax.eval_shape(speaker.greedy, speaker_params, view.speaker_inputs).actions
    said = jax.numpy.zeros(said.shape, said.dtype)
    return Pair(speaker_params, listener.init(listener_key, said, view.listener_inputs))

  def play(params, target_params, view, keys):
    spoken, said = speak(speaker, channel, params.speaker, view.speaker_inputs, keys)
    target = None
    if needs_target:
      target = speaker.forced(jax.lax.stop_gradient(target_params), view.speaker_inputs,
                              jax.lax.stop_gradient(said))
    return Episode(spoken, target, listener.apply(params.listener, said, view.listener_inputs))

  def score(episode, view, keys):
    crowd = listener_losses.Crowd(view.positions, keys)
    verdict = listener_loss(episode.listener, view.labels, crowd)
    reward = listener_losses.reward(verdict, config.listener_loss.reward)
    lengths = messages.lengths(episode.speaker.actions) if config.message.variable_length else None
    if length_cost and not is_relaxed:
      reward -= length_cost * lengths
    loss_of_speaker, terms = speaker_loss(episode.speaker, episode.target, reward)
    loss_of_listener = verdict.loss.mean()
    loss = loss_of_speaker + loss_of_listener
    return loss, {
        "loss": loss,
        "listener_loss": loss_of_listener,
        "speaker_loss": loss_of_speaker,
        "accuracy": verdict.accuracy.mean(),
        "reward": reward.mean(),
        "entropy": episode.speaker.entropies.mean(),
        **terms,
        **({} if lengths is None else {"message_length": lengths.astype(loss.dtype).mean()}),
    }

  return Game(init, play, score)


def speak(speaker: agents.Speaker, channel: config_dict.ConfigDict, params: Params,
          inputs: chex.Array, keys: chex.Array) -> tuple[agents.SpeakerOutput, chex.Array]:
  """What a speaker says of inputs [B, …], and its words as they pass the channel.

  Returns:
    The speaker's output, and whole symbols [B, T] or relaxed ones [B, T, V].
  """
  if channel.kind == "sampled":
    spoken = speaker.sample(params, inputs, keys)
    return spoken, spoken.actions
  spoken = speaker.relaxed(params, inputs, keys, temperature=channel.temperature,
                           straight_through=channel.kind == "straight_through")
  return spoken, spoken.symbols
