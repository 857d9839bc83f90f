"""How the members of a population are computed: all at once, or one by one inside the same call."""

from collections.abc import Callable

import jax

MAPPINGS = ("auto", "vmap", "map")


def over_members(kind: str, *, hidden_size: int, batch: int) -> Callable[[Callable], Callable]:
  """Returns `jax.vmap`, or the same by `lax.map`, with `auto` decided by what was measured.

  On an accelerator always `vmap`. On a CPU one by one once the gates of one listener, `4 H` numbers
  for each of the `B` games, no longer fit its caches beside those of the others: with 1024 games and
  512 hidden units that is a fifth faster and takes one member's memory instead of all members'; with
  128 games and 128 units `vmap` is as fast or faster.

  Args:
    kind: one of `MAPPINGS`.
    hidden_size: H, units of a listener.
    batch: B, games on this device.
  """
  if kind == "auto":
    large = 4 * hidden_size * batch >= 1 << 20
    kind = "map" if jax.default_backend() == "cpu" and large else "vmap"
  return jax.vmap if kind == "vmap" else _one_by_one


def _one_by_one(function: Callable) -> Callable:
  return lambda *args: jax.lax.map(lambda xs: function(*xs), args)
