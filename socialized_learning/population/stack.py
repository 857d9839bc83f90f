"""Rows of a population: agents stacked on a leading axis.

Shapes: `N` agents, `P` rows taken.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax

from socialized_learning.population import randomness


class AgentState(NamedTuple):
  """All that changes in one agent; a population is the same tree with a leading axis [N, …]."""
  params: Any
  opt_state: Any


class Score(NamedTuple):
  """How well an agent has done lately, for choosing teachers; `scores_of` makes it comparable."""
  value: chex.Array  # running accuracy, of `ema` biased towards 0 while the count is small
  count: chex.Array  # int32, batches seen


def stack_init(init: Callable[[chex.PRNGKey], Any], key: chex.PRNGKey, num_agents: int) -> Any:
  """`init` for each agent, from its own key: agent i is the same in a population of any size."""
  return jax.vmap(init)(randomness.each(key, jnp.arange(num_agents)))


def take(population: Any, ids: chex.Array) -> Any:
  """The agents at `ids`: an index gives one agent, [P] indices give P of them."""
  return jax.tree.map(lambda x: x[ids], population)


def put(population: Any, ids: chex.Array, rows: Any) -> Any:
  """The population with `rows` in place of the agents at `ids`, which must differ."""
  return jax.tree.map(lambda x, row: x.at[ids].set(row), population, rows)


def where(chosen: chex.Array, population: Any, otherwise: Any) -> Any:
  """Agents of `population` where `chosen` [N] says so, of `otherwise` elsewhere."""
  pick = lambda x, y: jnp.where(chosen.reshape(-1, *[1] * (x.ndim - 1)), x, y)
  return jax.tree.map(pick, population, otherwise)


def size(population: Any) -> int:
  """The number of agents."""
  return jax.tree.leaves(population)[0].shape[0]


def copy(population: Any) -> Any:
  """The same values in buffers of their own, so that both trees can be donated."""
  return jax.tree.map(lambda x: jnp.array(x, copy=True), population)


def ema(average: Any, new: Any, decay: float) -> Any:
  """`decay * average + (1 - decay) * new`, leaf by leaf."""
  return jax.tree.map(lambda a, b: decay * a + (1 - decay) * b, average, new)


def descend(optimiser: optax.GradientTransformation, agent: AgentState, grads: Any
           ) -> AgentState:
  """One optimiser step of one agent."""
  updates, opt_state = optimiser.update(grads, agent.opt_state, agent.params)
  return AgentState(optax.apply_updates(agent.params, updates), opt_state)


def initial_score(num_agents: int) -> Score:
  """A population that has not been judged yet."""
  return Score(jnp.zeros(num_agents), jnp.zeros(num_agents, jnp.int32))


def update_score(score: Score, accuracy: chex.Array, *, kind: str, decay: float) -> Score:
  """Takes one more batch into account.

  ema: `decay * value + (1 - decay) * accuracy` from 0 (the paper's, decay 0.99); an early failure is
  forgotten. mean: the plain mean over the agent's life (as in published code). With as many pairs in
  a step as agents all counts are equal; with fewer they differ, see `scores_of`.
  """
  count = score.count + 1
  weight = 1 - decay if kind == "ema" else 1 / count
  return Score(score.value + weight * (accuracy - score.value), count)


def scores_of(score: Score, *, kind: str, decay: float) -> chex.Array:
  """The agents' expected accuracies [N], comparable whatever the number of batches each has seen.

  An exponential average that starts at 0 is divided by the sum of its weights, 1 - decay^count, as
  Adam's moments are (Kingma and Ba 2015, section 3); otherwise the agent met most often would look
  best. An agent that has seen no batch scores 0.
  """
  if kind == "mean":
    return score.value
  return optax.tree.bias_correction(score.value, decay, jnp.maximum(score.count, 1))


SCORES = ("ema", "mean")
