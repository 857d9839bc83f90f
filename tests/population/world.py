"""A small Lewis game for tests of populations."""

import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning import agents
from socialized_learning import games
from socialized_learning.configs import lewis_config
from socialized_learning.population import collaboration
from socialized_learning.population import optimisers

BATCH, INPUT = 8, 6


def config(**population) -> config_dict.ConfigDict:
  """The debug sweep with a population of the given sizes."""
  settings = lewis_config.get_config("debug")
  settings.population.update(population)
  return settings


def view(batch: int = BATCH, seed: int = 0) -> games.View:
  """Random inputs."""
  inputs = jax.random.normal(jax.random.PRNGKey(seed), (batch, INPUT))
  return games.View(inputs, inputs, {}, jnp.arange(batch, dtype=jnp.int32))


def players(settings: config_dict.ConfigDict) -> tuple[agents.Speaker, agents.Listener]:
  """The two kinds of agents."""
  return (agents.make_speaker(settings.speaker, settings.message),
          agents.make_listener(settings.listener, settings.message, {}))


def collaborate(settings: config_dict.ConfigDict, axis_name: str | None = None
               ) -> collaboration.Collaboration:
  """Initialisation and update, compiled unless they run on an axis."""
  game = games.make_lewis_game(*players(settings), settings, axis_name=axis_name)
  made = collaboration.make_collaboration(game, learners(settings), settings, axis_name=axis_name)
  if axis_name is None:
    made = collaboration.Collaboration(jax.jit(made.init), jax.jit(made.update))
  return made


def learners(settings: config_dict.ConfigDict) -> games.Pair:
  """The optimisers."""
  return games.Pair(optimisers.make_optimiser(settings.speaker_optimiser),
                    optimisers.make_optimiser(settings.listener_optimiser))
