"""Independent seeds of one learner as a population: stacked, and computed all at once or in turn.

Each member has its own start, its own plan of the stream and its own randomness, which hang on the
run's key and its number alone: a member learns the same whoever else is there.

Shapes: `N` members.
"""

from collections.abc import Callable
from typing import Any

import chex
import jax
from jax import custom_batching
from jax.extend import core
import jax.numpy as jnp

from socialized_learning.population import randomness

MAPPINGS = ("auto", "vmap", "loop")


def over(kind: str, *, has_convolutions: bool) -> Callable[[Callable], Callable]:
  """Returns `jax.vmap`, or the same unrolled, with `auto` decided by what was measured.

  On a CPU kernels of its own for each member make a convolution three to five times slower, so that
  networks with convolutions are computed one after another there, outside of any loop of XLA's,
  which would slow them down more; all else by `vmap`.

  Args:
    kind: one of `MAPPINGS`.
    has_convolutions: whether the networks do.
  """
  if kind == "auto":
    kind = "loop" if has_convolutions and jax.default_backend() == "cpu" else "vmap"
  return jax.vmap if kind == "vmap" else _unrolled


def fits_loops(*, has_convolutions: bool) -> bool:
  """Whether updates should be made in a loop of XLA's.

  On a CPU a step with convolutions takes tens of times as long inside of one; anywhere else calls
  from the host cost more than small steps.
  """
  return not has_convolutions or jax.default_backend() != "cpu"


def keys(key: chex.PRNGKey, num_members: int) -> chex.Array:
  """One key for each member, [N, 2]."""
  return randomness.each(key, jnp.arange(num_members))


def branch(due: chex.Array, update: Callable[[Any], Any], old: Any) -> Any:
  """`update(old)` where it is due, else `old`; a member for whom it is not due does not pay for it.

  Under `vmap` a `lax.cond` computes both for every member and then chooses. Here the members take
  turns at a real branch instead: for what is rare and dear.

  Args:
    due: bool.
    update: a function of a tree; what it closes over may be the member's own.
    old: the tree.
  """
  # Custom batching does not see what is closed over, so it comes in as an argument. (All of it, keys
  # and counts too: `jax.closure_convert` brings in only what has a gradient.)
  traced, shapes = jax.make_jaxpr(update, return_shape=True)(old)

  @custom_batching.sequential_vmap
  def choose(due, closed_over, old):
    def run(old):
      leaves = core.jaxpr_as_fun(traced.replace(consts=closed_over))(*jax.tree.leaves(old))
      return jax.tree.unflatten(jax.tree.structure(shapes), leaves)

    return jax.lax.cond(due, run, lambda old: old, old)

  return choose(due, traced.consts, old)


def _unrolled(function: Callable) -> Callable:
  def mapped(*args: Any):
    num_members = jax.tree.leaves(args)[0].shape[0]
    results = [function(*jax.tree.map(lambda x, i=i: x[i], args)) for i in range(num_members)]
    return jax.tree.map(lambda *xs: jnp.stack(xs), *results)

  return mapped
