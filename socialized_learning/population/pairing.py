"""Who meets whom in a step.

Shapes: `N` speakers, `M` listeners, `P` pairs.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from socialized_learning.population import randomness

PAIRINGS = ("matching", "independent", "sequential")


class Pairs(NamedTuple):
  """The speaker and the listener of each pair."""
  speakers: chex.Array  # [P] int32
  listeners: chex.Array  # [P] int32


def draw_pairs(key: chex.PRNGKey, *, num_speakers: int, num_listeners: int, num_pairs: int,
               kind: str) -> Pairs:
  """Draws the pairs of one step, the same on every device that is given the same key.

  matching: a random matching. No agent is met twice while there are others: with P <= min(N, M)
  every agent is met at most once; above that the smaller side is visited as evenly as can be and the
  larger still at most once. independent and sequential: both sides uniformly with replacement.
  """
  draw = _evenly if kind == "matching" else _with_replacement
  return Pairs(draw(randomness.named(key, "speakers"), num_speakers, num_pairs),
               draw(randomness.named(key, "listeners"), num_listeners, num_pairs))


def _evenly(key: chex.PRNGKey, num_agents: int, num_visits: int) -> chex.Array:
  order = jax.random.permutation(key, num_agents)
  return jnp.resize(order, num_visits)  # Repeats the order where it is too short.


def _with_replacement(key: chex.PRNGKey, num_agents: int, num_visits: int) -> chex.Array:
  return jax.random.randint(key, (num_visits,), 0, num_agents)


def first_visits(ids: chex.Array, num_agents: int) -> chex.Array:
  """`ids` [P] with every visit but the first to an agent replaced by `num_agents` (no agent)."""
  same = ids[:, None] == ids[None, :]
  is_first = jnp.argmax(same, axis=1) == jnp.arange(ids.shape[0])
  return jnp.where(is_first, ids, num_agents)


def mean_over_visits(ids: chex.Array, rows: chex.ArrayTree) -> chex.ArrayTree:
  """For every row [P, …] the mean over all rows of the same agent.

  By a matrix product and not by scattered additions, whose order no device promises: a resumed run
  must give the same bits.
  """
  same = ids[:, None] == ids[None, :]

  def mean(x):
    weights = (same / same.sum(axis=1, keepdims=True)).astype(x.dtype)
    return jnp.einsum("pq,q...->p...", weights, x, precision=jax.lax.Precision.HIGHEST)

  return jax.tree.map(mean, rows)
