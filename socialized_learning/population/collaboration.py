"""Pairs of a population play and learn: one pure update for all of them.

Everything is written for one pair and mapped once, here: over pairs by `vmap` or, where one pair
fills the machine, by `lax.map` (`matching`, `independent`); or one pair after another by `scan`, each
with what the pairs before it have learnt (`sequential`, the published order).

Shapes: `N` speakers, `M` listeners, `P` pairs, `B` batch on this device.
Source: Chaabouni et al. 2022, section 3.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import optax

from socialized_learning.games import Game
from socialized_learning.games import Pair
from socialized_learning.games import View
from socialized_learning.population import mapping
from socialized_learning.population import pairing
from socialized_learning.population import randomness
from socialized_learning.population import stack

Metrics = dict[str, chex.Array]


class Society(NamedTuple):
  """All that changes in a population of speakers and listeners."""
  speakers: stack.AgentState  # [N, …]
  targets: Any  # [N, …] parameters: slow averages of the speakers'
  scores: stack.Score  # [N], of the speakers
  listeners: stack.AgentState  # [M, …]


class Collaboration(NamedTuple):
  """init(key, view) -> Society; update(society, view, key) -> (Society, metrics)."""
  init: Callable[[chex.PRNGKey, View], Society]
  update: Callable[[Society, View, chex.PRNGKey], tuple[Society, Metrics]]


class _Lessons(NamedTuple):
  """What one pair, one speaker and one listener do in a step; mapped by those below."""
  gradients: Callable[..., tuple[Pair, Metrics]]  # (pair's params, target, view, key)
  speaker: Callable[..., tuple[stack.AgentState, Any, stack.Score]]
  listener: Callable[[stack.AgentState, Any], stack.AgentState]


def make_collaboration(game: Game, optimisers: Pair, config: config_dict.ConfigDict, *,
                       axis_name: str | None) -> Collaboration:
  """Builds the update of a population by play.

  Args:
    game: what pairs play.
    optimisers: of the speakers and of the listeners.
    config: `population` (num_speakers, num_listeners, num_pairs, pairing, mapping, score) and
      `target_decay`, the share of itself a target network keeps in an update.
    axis_name: the devices' axis, over which gradients and metrics are averaged; None for none.
  """
  sizes = config.population
  lessons = _make_lessons(game, optimisers, config, axis_name)
  make_update = _in_turn if sizes.pairing == "sequential" else _together

  def init(key, view):
    one_view = jax.tree.map(lambda x: x[:1], view)

    def agents(name, half, optimiser, count):
      params = stack.stack_init(lambda k: getattr(game.init(k, one_view), half),
                                randomness.named(key, name), count)
      return stack.AgentState(params, jax.vmap(optimiser.init)(params))

    speakers = agents("speakers", "speaker", optimisers.speaker, sizes.num_speakers)
    listeners = agents("listeners", "listener", optimisers.listener, sizes.num_listeners)
    return Society(speakers, stack.copy(speakers.params), stack.initial_score(sizes.num_speakers),
                   listeners)

  return Collaboration(init, make_update(lessons, config))


def _make_lessons(game: Game, optimisers: Pair, config: config_dict.ConfigDict,
                  axis_name: str | None) -> _Lessons:
  def average(tree):
    return tree if axis_name is None else jax.lax.pmean(tree, axis_name)

  def gradients(params, target, view, key):
    """Gradients and metrics of one pair, over the games of all devices."""
    message_keys = randomness.each(randomness.named(key, "messages"), view.positions)
    score_keys = randomness.each(randomness.named(key, "distractors"), view.positions)

    def loss(params):
      episode = game.play(params, target, view, message_keys)
      return game.score(episode, view, score_keys)

    grads, metrics = average(jax.grad(loss, has_aux=True)(params))
    return grads, metrics | {"speaker_grad_norm": optax.tree.norm(grads.speaker),
                             "listener_grad_norm": optax.tree.norm(grads.listener)}

  def learn_speaker(agent, target, score, grads, accuracy):
    """One optimiser step of one speaker; its target and its score follow."""
    settings = config.population.score
    agent = stack.descend(optimisers.speaker, agent, grads)
    return (agent, stack.ema(target, agent.params, config.target_decay),
            stack.update_score(score, accuracy, kind=settings.kind, decay=settings.decay))

  def learn_listener(agent, grads):
    """One optimiser step of one listener."""
    return stack.descend(optimisers.listener, agent, grads)

  return _Lessons(gradients, learn_speaker, learn_listener)


def _draw(key: chex.PRNGKey, sizes: config_dict.ConfigDict) -> tuple[pairing.Pairs, chex.Array]:
  """The pairs of a step, and a key for each."""
  pairs = pairing.draw_pairs(
      randomness.named(key, "pairs"), num_speakers=sizes.num_speakers,
      num_listeners=sizes.num_listeners, num_pairs=sizes.num_pairs, kind=sizes.pairing)
  return pairs, randomness.each(randomness.named(key, "pair"), jnp.arange(sizes.num_pairs))


def _together(lessons: _Lessons, config: config_dict.ConfigDict):
  """All pairs at once; an agent met more than once takes one step along its mean gradient."""
  sizes = config.population

  def update(society, view, key):
    pairs, keys = _draw(key, sizes)
    params = Pair(stack.take(society.speakers.params, pairs.speakers),
                  stack.take(society.listeners.params, pairs.listeners))
    targets = stack.take(society.targets, pairs.speakers)
    over_pairs = mapping.over_members(
        sizes.mapping, hidden_size=config.listener.core.hidden_size, batch=view.positions.shape[0])
    grads, metrics = over_pairs(
        lambda pair, target, key: lessons.gradients(pair, target, view, key))(params, targets, keys)
    speakers_met, (speaker_grads, accuracy) = pairing.mean_over_visits(
        pairs.speakers, sizes.num_speakers, (grads.speaker, metrics["accuracy"]))
    listeners_met, listener_grads = pairing.mean_over_visits(
        pairs.listeners, sizes.num_listeners, grads.listener)
    old = (society.speakers, society.targets, society.scores)
    new = jax.vmap(lessons.speaker)(*old, speaker_grads, accuracy)
    society = Society(
        *stack.where(speakers_met, new, old),
        stack.where(listeners_met, jax.vmap(lessons.listener)(society.listeners, listener_grads),
                    society.listeners))
    return society, jax.tree.map(jnp.mean, metrics)

  return update


def _in_turn(lessons: _Lessons, config: config_dict.ConfigDict):
  """One pair after another, each with what the pairs before it have learnt."""

  def update(society, view, key):
    def visit(society, pair_and_key):
      (speaker, listener), pair_key = pair_and_key
      old = stack.take((society.speakers, society.targets, society.scores), speaker)
      listening = stack.take(society.listeners, listener)
      grads, metrics = lessons.gradients(
          Pair(old[0].params, listening.params), old[1], view, pair_key)
      new = lessons.speaker(*old, grads.speaker, metrics["accuracy"])
      listening = lessons.listener(listening, grads.listener)
      return Society(
          *stack.put((society.speakers, society.targets, society.scores), speaker, new),
          stack.put(society.listeners, listener, listening)), metrics

    society, metrics = jax.lax.scan(visit, society, _draw(key, config.population))
    return society, jax.tree.map(jnp.mean, metrics)

  return update
