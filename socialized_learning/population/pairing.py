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


def mean_over_visits(ids: chex.Array, num_agents: int, rows: chex.ArrayTree
                    ) -> tuple[chex.Array, chex.ArrayTree]:
  """For every agent, whether it was met [N] and the mean of its rows [N, …]; 0 for those not met.

  By a matrix product and not by scattered additions: it is faster, and no device promises the order
  of the latter, but a resumed run must give the same bits.

  Args:
    ids: [P], the agent of each row.
    num_agents: N.
    rows: [P, …].
  """
  visits = ids[None, :] == jnp.arange(num_agents)[:, None]  # [N, P]
  counts = visits.sum(axis=1)

  def mean(x):
    weights = (visits / jnp.maximum(counts, 1)[:, None]).astype(x.dtype)
    return jnp.einsum("np,p...->n...", weights, x, precision=jax.lax.Precision.HIGHEST)

  return counts > 0, jax.tree.map(mean, rows)
