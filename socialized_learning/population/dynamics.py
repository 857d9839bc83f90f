"""The life of a population, step by step: play, then imitation and turnover when they are due."""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning import agents
from socialized_learning import games
from socialized_learning.population import collaboration
from socialized_learning.population import imitation
from socialized_learning.population import optimisers
from socialized_learning.population import reset

Metrics = dict[str, chex.Array]


class Dynamics(NamedTuple):
  """init(key, view) -> Society; update(society, view, key, step) -> (Society, metrics)."""
  init: Callable[[chex.PRNGKey, games.View], collaboration.Society]
  update: Callable[[collaboration.Society, games.View, chex.PRNGKey, chex.Array],
                   tuple[collaboration.Society, Metrics]]


def make_dynamics(speaker: agents.Speaker, listener: agents.Listener,
                  config: config_dict.ConfigDict, *, axis_name: str | None) -> Dynamics:
  """Builds the dynamics of a population that plays a Lewis game.

  Everything is part of one compiled step: what is not due is skipped by `lax.cond`, so that no
  schedule costs a compilation or a look from the host. Metrics hold `imitation_loss`, NaN in steps
  without imitation, if there is any imitation at all.

  Args:
    speaker: the kind of agent that speaks.
    listener: the kind of agent that listens.
    config: the whole recipe.
    axis_name: the devices' axis, or None where there is none.
  """
  game = games.make_lewis_game(speaker, listener, config, axis_name=axis_name)
  learners = games.Pair(optimisers.make_optimiser(config.speaker_optimiser),
                        optimisers.make_optimiser(config.listener_optimiser))
  play = collaboration.make_collaboration(game, learners, config, axis_name=axis_name)
  imitate = imitation.make_imitation(speaker, learners.speaker, config.imitation,
                                     score=config.population.score, axis_name=axis_name)
  replace = reset.make_reset(game, learners, config.reset)

  def update(society, view, key, step):
    society, metrics = play.update(society, view, key)
    if config.imitation.interval:
      society, loss = jax.lax.cond(
          is_due(step, config.imitation.interval), imitate,
          lambda s, *_: (s, jnp.full((), jnp.nan)), society, view, key)
      metrics |= {"imitation_loss": loss}
    if config.reset.interval:
      society = jax.lax.cond(is_due(step, config.reset.interval), replace, lambda s, *_: s,
                             society, view, key, step)
    return society, metrics

  return Dynamics(play.init, update)


def is_due(step: chex.Array, interval: int) -> chex.Array:
  """Whether something that happens every `interval` steps, but not at the start, happens now."""
  return (step > 0) & (step % interval == 0)
