"""Keys by name: every random choice has its own key, derived and never carried along.

`fold_in(run_key, step)`, then by name, then by agent or example: so no choice depends on how many
others were made, how agents and examples are laid out on devices, or when a run was resumed.
"""

import zlib

import chex
import jax


def at_step(run_key: chex.PRNGKey, step: chex.Array) -> chex.PRNGKey:
  """The key of one step of a run."""
  return jax.random.fold_in(run_key, step)


def named(key: chex.PRNGKey, name: str) -> chex.PRNGKey:
  """The key of the choice called `name`."""
  return jax.random.fold_in(key, zlib.crc32(name.encode()) & 0x7FFFFFFF)


def each(key: chex.PRNGKey, indices: chex.Array) -> chex.Array:
  """One key for each index (agents, or examples of a batch): [n] -> [n, 2].

  The first of them are what `jax.random.split` makes of the key: whatever is derived from it has a name.
  """
  return jax.vmap(lambda index: jax.random.fold_in(key, index))(indices)
