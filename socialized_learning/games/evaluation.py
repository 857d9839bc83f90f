"""How well a population understands itself: greedy messages, every listener, no two games alike.

Shapes: `S` speakers, `L` listeners, `B` games of a batch (each the others' candidate), `T` message
length, `n` items of a split.
Source: Chaabouni et al. 2022, section 4.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning.agents import Listener
from socialized_learning.agents import Speaker
from socialized_learning.games import listener_losses
from socialized_learning.games.lewis import View
from socialized_learning.metrics import ensembles
from socialized_learning.population import compilation


# By this seed candidates are put together and items drawn, so that all runs are asked the same.
SEED = 20220425


class Judgement(NamedTuple):
  """One batch of games, each speaker's message heard by all listeners."""
  messages: chex.Array  # [S, B, T] int32
  accuracy: chex.Array  # [S, B], mean over the listeners
  vote: chex.Array  # [S, B], of the answer that is likeliest on average over the listeners
  loss: chex.Array  # [S, B], mean over the listeners, nats


Judge = Callable[[Any, Any, View], Judgement]


def make_judge(speaker: Speaker, listener: Listener, config: config_dict.ConfigDict) -> Judge:
  """Builds judge(speakers' params [S, …], listeners' params [L, …], view) -> `Judgement`.

  It runs on one device, whatever number the population was trained on. The whole batch is every
  game's candidates, whatever number of distractors the population was trained with.
  """
  listener_loss = listener_losses.make_listener_loss(_whole_batch(config), axis_name=None)

  def hear(listeners, messages, view):
    """All listeners hear one speaker's messages [B, T]."""
    crowd = listener_losses.Crowd(view.positions)
    verdict = jax.vmap(lambda params: listener_loss(
        listener.apply(params, messages, view.listener_inputs), view.labels, crowd))(listeners)
    votes = [ensembles.vote(probs) == verdict.correct[question][0]
             for question, probs in verdict.probs.items()]
    vote = jnp.mean(jnp.stack(votes).astype(verdict.loss.dtype), axis=0)
    return verdict.accuracy.mean(axis=0), vote, verdict.loss.mean(axis=0)

  @compilation.jit
  def judge(speakers, listeners, view):
    messages = jax.vmap(lambda params: speaker.greedy(params, view.speaker_inputs).actions)(speakers)
    # One speaker at a time: S x L x B x B probabilities would not fit where S x L is 100.
    heard = jax.lax.map(lambda said: hear(listeners, said, view), messages)
    return Judgement(messages, *heard)

  return judge


class Examination(NamedTuple):
  """One batch, each speaker's messages heard by its own listeners."""
  loss: chex.Array  # [S, L, B], nats, or squared error
  accuracy: chex.Array | None  # [S, L, B], where there is one


def make_examiner(speaker: Speaker, listener: Listener, config: config_dict.ConfigDict
                 ) -> Callable[[Any, Any, View], Examination]:
  """Builds examine(speakers' params [S, …], listeners' params [S, L, …], view) -> `Examination`.

  Messages are greedy, candidates are the whole batch, as for `make_judge`.
  """
  listener_loss = listener_losses.make_listener_loss(_whole_batch(config), axis_name=None)

  @compilation.jit
  def examine(speakers, listeners, view):
    crowd = listener_losses.Crowd(view.positions)

    def hear(agents):
      params, listeners = agents
      said = speaker.greedy(params, view.speaker_inputs).actions
      verdict = jax.vmap(lambda listener_params: listener_loss(
          listener.apply(listener_params, said, view.listener_inputs), view.labels, crowd))(listeners)
      return Examination(verdict.loss, verdict.accuracy)

    return jax.lax.map(hear, (speakers, listeners))

  return examine


def _whole_batch(config: config_dict.ConfigDict) -> config_dict.ConfigDict:
  """Settings of a listener loss with all of one device's batch for candidates."""
  config = config_dict.ConfigDict(config).copy_and_resolve_references()
  config.update(cross_device=False, num_distractors=-1)
  return config


def candidate_batches(num_items: int, num_candidates: int, num_epochs: int, seed: int = SEED
                     ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Batches for evaluation: (items [C], whether each counts [C]).

  In every pass each item counts once, in a batch of exactly `num_candidates` different items: the
  last batch is filled up with items that have counted before.
  """
  for epoch in range(num_epochs):
    order = np.random.default_rng((seed, epoch)).permutation(num_items)
    for start in range(0, num_items, num_candidates):
      fresh = order[start:start + num_candidates]
      filling = order[:num_candidates - len(fresh)]
      yield np.concatenate([fresh, filling]), np.arange(num_candidates) < len(fresh)
