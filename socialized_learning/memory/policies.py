"""Which slot an example gets: a reservoir keeps a uniform sample of all, a ring the latest.

Both are (key, seen, valid [B], num_slots) -> slots [B] int32, `num_slots` for examples not kept.

Shapes: `B` examples offered, `K` slots.
"""

import chex
import jax
import jax.numpy as jnp


def _places(seen: chex.Array, valid: chex.Array) -> chex.Array:
  """The how-manieth example ever each of these is, from 0 on: [B] int32."""
  return seen + jnp.cumsum(valid.astype(jnp.int32)) - valid.astype(jnp.int32)


def reservoir(key: chex.PRNGKey, seen: chex.Array, valid: chex.Array, num_slots: int
             ) -> chex.Array:
  """Algorithm R (Vitter 1985): the i-th example fills slot i, or takes slot r, r uniform in 0 … i."""
  places = _places(seen, valid)
  draws = jax.random.randint(key, places.shape, 0, places + 1)
  return reservoir_slots(draws, seen, valid, num_slots)


def reservoir_slots(draws: chex.Array, seen: chex.Array, valid: chex.Array, num_slots: int
                   ) -> chex.Array:
  """`reservoir` with given draws r [B], which are looked at once the memory is full."""
  places = _places(seen, valid)
  slots = jnp.where(places < num_slots, places, draws)
  return jnp.where(valid & (slots < num_slots), slots, num_slots).astype(jnp.int32)


def ring(key: chex.PRNGKey, seen: chex.Array, valid: chex.Array, num_slots: int) -> chex.Array:
  """The i-th example takes slot i modulo K: the memory holds the latest K."""
  del key
  return jnp.where(valid, _places(seen, valid) % num_slots, num_slots).astype(jnp.int32)


POLICIES = {"reservoir": reservoir, "ring": ring}
