"""What frozen networks say of all training images, computed once for a stage.

The generalist's backbone does not change while agents grow on it, nor do teachers while they teach, so
that their features and outputs are functions of the image and of how it is augmented: of each image
a few views are looked at, the first of them as it is.

Shapes: `N` agents, `V` views, `n` images, `c` of them in a chunk, `C` classes, `F` features.
"""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp

from socialized_learning.population import compilation
from socialized_learning.population import randomness
from socialized_learning.society import stages as stages_lib
from socialized_learning.society import training
from socialized_learning.society.stages import Stage

_CHUNK = 500  # Images of one forward pass.


def make_cache(design: training.Design, stage: Stage, num_views: int
              ) -> Callable[..., dict[str, chex.Array]]:
  """Builds what a stage can look up.

  Args:
    design: the society.
    stage: of any kind; one that learns alone looks nothing up.
    num_views: V of grown agents; teachers speak of the images as they are.

  Returns:
    (state, images [n, …], labels [n], run_key) -> `targets`, what each image's owner says of it, and of
    a stage of grown agents `features`: [V, n, C] and [V, n, F], of others [n, C].
  """
  if stage.kind == stages_lib.ALONE:
    return lambda *_: {}
  if stage.kind == stages_lib.GROWN:
    look = lambda state, images, labels: dict(zip(
        ("features", "targets"), training.frozen_views(design, stage, state, images, labels)))
  else:
    look = lambda state, images, labels: {
        "targets": training.owners_say(design, stage, state, images, labels)}

  @compilation.jit
  def one_view(state, images, labels, keys):
    n = images.shape[0]
    pad = lambda x: jnp.pad(x, ((0, -n % _CHUNK),) + ((0, 0),) * (x.ndim - 1)).reshape(
        -1, _CHUNK, *x.shape[1:])
    chunks = jax.tree.map(pad, (images, labels, keys))
    found = jax.lax.map(
        lambda chunk: look(state, design.show(chunk[0], chunk[2]), chunk[1]), chunks)
    return jax.tree.map(lambda x: x.reshape(-1, x.shape[-1])[:n], found)

  def make(state: training.TrainState, images: chex.Array, labels: chex.Array, run_key: chex.PRNGKey
          ) -> dict[str, Any]:
    if stage.kind == stages_lib.TAUGHT:
      return one_view(state, images, labels, None)
    key = randomness.named(randomness.named(run_key, stage.name), "views")
    views = [one_view(state, images, labels, None if view == 0 else randomness.each(
        jax.random.fold_in(key, view), jnp.arange(len(images)))) for view in range(num_views)]
    return jax.tree.map(lambda *xs: jnp.stack(xs), *views)

  return make
