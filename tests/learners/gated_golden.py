"""The closed-form world of the gated network: base width 16, 8 x 8 images, 10 outputs.

Weights as in `golden`, but linear ones without the factor 1.5; tensor t in the order of `tensors`.
"""

import functools

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning.agents import classifiers
from tests.learners import golden

NUM_OUTPUTS = 10
SHAPE = (8, 8, 3)
LABELS = [0, 9, 7, 0, 0, 7]
REPLAYED_LABELS = [8, 0, 5, 5, 9, 4]
REPLAYED = 10  # Number of the first replayed image.


CONFIG = config_dict.create(kind="gated_resnet", width=16, has_agents=True, bottleneck_ratio=16,
                            policy_temperature=0.15, grey_as_colour=False)
INFERENCE = config_dict.create(mode="threshold", threshold=0.5)


def classifier(*, axis_name: str | None = None, mode: str = "threshold", threshold: float = 0.5,
               **changes) -> classifiers.Classifier:
  """The network, with other settings where they are given."""
  return classifiers.make_classifier(
      config_dict.create(**(CONFIG.to_dict() | changes)), NUM_OUTPUTS, axis_name=axis_name,
      inference=config_dict.create(mode=mode, threshold=threshold))


def tensors() -> list[tuple[str, str]]:
  """Haiku's module and parameter of tensor t, in the order of t."""
  norm = lambda path: [(path, "scale"), (path, "offset")]
  found = [("resnet/~/stem", "w"), *norm("resnet/~/stem_norm")]
  for stage in range(2):
    for block in range(2):
      path = f"resnet/~/stage_{stage}_block_{block}"
      for i in (1, 2):
        found.append((f"{path}/conv_{i}", "w"))
        if stage:
          agent = f"resnet/~/agent_{2 * block + i - 1}/~"
          found += [(f"{agent}/conv", "w"), *norm(f"{agent}/norm"), (f"{agent}/squeeze", "w"),
                    (f"{agent}/squeeze", "b"), (f"{agent}/excite", "w"), (f"{agent}/excite", "b")]
        found += norm(f"{path}/norm_{i}")
      if stage and not block:
        found += [(f"{path}/shortcut", "w"), *norm(f"{path}/shortcut_norm")]
  return found + [("resnet/~/linear", "w"), ("resnet/~/linear", "b")]


@functools.cache
def _shapes(has_agents: bool) -> classifiers.Net:
  return jax.eval_shape(classifier(has_agents=has_agents).init, jax.random.PRNGKey(0),
                        jnp.zeros((1, *SHAPE)))


def net(dtype=np.float64, has_agents: bool = True) -> classifiers.Net:
  """The network with weights by formula; statistics as at the start."""
  shapes = _shapes(has_agents)
  params: dict = {}
  for t, (module, which) in enumerate(tensors()):
    if module in shapes.params:
      shape = shapes.params[module][which].shape
      values = golden.tensor(t, which, shape) / (1.5 if len(shape) == 2 else 1)
      params.setdefault(module, {})[which] = jnp.asarray(values, dtype)
  stats = {module: {which: jnp.full(leaf.shape, float(which == "var"), dtype)
                    for which, leaf in leaves.items()} for module, leaves in shapes.stats.items()}
  return classifiers.Net(params, stats)


def images(first: int, count: int = 6, dtype=np.float64) -> np.ndarray:
  """Images from number `first` on, [count, 8, 8, 3]."""
  m = first + np.arange(count)[:, None, None, None]
  y, x, c = np.ogrid[:8, :8, :3]
  angle = 0.9 * m + 0.4 * c + 0.25 * y + 0.35 * x + 0.05 * y * x * (m + 1)
  return (0.5 + 0.5 * np.sin(angle)).astype(dtype)


def bars(count: int = 6) -> np.ndarray:
  """Bars that force the golden actions, [count, 4, 32]."""
  n, agent, c = np.ogrid[:count, :4, :32]
  kept = (3 * n + 5 * agent + 2 * c + n * c) % 10 < 7
  return np.where(kept, 0.0, 2.0)


def images_of_world(dtype=np.float64) -> tuple[jax.Array, jax.Array]:
  """Images and labels: the current batch at positions 0 to 5, the replayed one at 10 to 15."""
  shown = np.concatenate([images(0, REPLAYED, dtype), images(REPLAYED, 6, dtype)])
  return jnp.asarray(shown), jnp.asarray([*LABELS, 0, 0, 0, 0, *REPLAYED_LABELS], jnp.int32)
