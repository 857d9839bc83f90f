"""How programs are compiled: the compiler's own options where its defaults are slow.

On a CPU, XLA hands convolutions, reductions and products to a library, YNNPACK, whose gradients of
convolutions take up to twenty times as long as XLA's own code. Everything here is compiled without
it. The option is known to some versions of jaxlib only, so it is tried once; XLA_FLAGS of the user
win; on an accelerator nothing changes.
"""

from collections.abc import Callable
import functools
import os
from typing import Any

import jax

_LIBRARY = "xla_cpu_experimental_ynn_fusion_type"


@functools.cache
def options() -> dict[str, str]:
  """Options of XLA's compiler, by name; empty where its defaults stand. Makes JAX find its devices."""
  if jax.default_backend() != "cpu" or _LIBRARY in os.environ.get("XLA_FLAGS", ""):
    return {}
  chosen = {_LIBRARY: ""}
  try:
    jax.jit(lambda: 0, compiler_options=chosen).lower().compile()
  except jax.errors.JaxRuntimeError:  # This jaxlib has no such option.
    return {}
  return chosen


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
  """`jax.jit` with these options, which are looked up when the function is first called.

  Inside of another traced function it is that function's compilation that counts.
  """
  compiled = functools.cache(lambda: jax.jit(function, compiler_options=options() or None))

  @functools.wraps(function)
  def call(*args: Any) -> Any:
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(args)):
      return function(*args)
    return compiled()(*args)

  return call
