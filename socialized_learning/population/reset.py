"""Turnover: now and then agents are replaced by newborn ones.

Shapes: `N` speakers, `M` listeners.
Source: Chaabouni et al. 2022, appendix on resets; the generational schedule is an addition.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning.games import Game
from socialized_learning.games import Pair
from socialized_learning.games import View
from socialized_learning.population import collaboration
from socialized_learning.population import randomness
from socialized_learning.population import stack

KINDS = ("pair", "speaker", "listener")
CHOICES = ("random", "oldest")

Reset = Callable[[collaboration.Society, View, chex.PRNGKey, chex.Array], collaboration.Society]


def choose(key: chex.PRNGKey, num_agents: int, turn: chex.Array, choice: str) -> chex.Array:
  """Which agent is replaced, the same on every device that is given the same key.

  random: any. oldest: the one that has lived longest; as all start together and one is replaced each
  turn, that is agent `turn` modulo their number.

  Args:
    key: of this turn.
    num_agents: how many there are.
    turn: how many replacements there were before.
    choice: random or oldest.
  """
  if choice == "oldest":
    return turn % num_agents
  return jax.random.randint(key, (), 0, num_agents)


def make_reset(game: Game, optimisers: Pair, config: config_dict.ConfigDict) -> Reset:
  """Builds one replacement: (society, view, key, step) -> society.

  A newborn speaker has new parameters, a target network that is a copy of them, a new optimiser
  state and no score; a newborn listener new parameters and a new optimiser state. Nobody else
  changes, and nothing is compiled anew.

  Args:
    game: initialises agents.
    optimisers: of the speakers and of the listeners.
    config: `interval` in steps, `kind` (pair, speaker, listener), `choice` (random, oldest).
  """

  def reset(society, view, key, step):
    newborn = game.init(randomness.named(key, "newborn"), jax.tree.map(lambda x: x[:1], view))
    turn = step // config.interval - 1
    if config.kind in ("pair", "speaker"):
      chosen = choose(randomness.named(key, "reset_speaker"), stack.size(society.speakers), turn,
                      config.choice)
      society = society._replace(
          speakers=stack.put(society.speakers, chosen, stack.AgentState(
              newborn.speaker, optimisers.speaker.init(newborn.speaker))),
          targets=stack.put(society.targets, chosen, newborn.speaker),
          scores=stack.put(society.scores, chosen, stack.Score(jnp.zeros(()), jnp.int32(0))))
    if config.kind in ("pair", "listener"):
      chosen = choose(randomness.named(key, "reset_listener"), stack.size(society.listeners), turn,
                      config.choice)
      society = society._replace(listeners=stack.put(
          society.listeners, chosen, stack.AgentState(
              newborn.listener, optimisers.listener.init(newborn.listener))))
    return society

  return reset
