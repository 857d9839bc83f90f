"""The closed-form world of the continual learners' golden numbers: weights, images and labels.

Tensor number t of a network has entries by formula, t in the order in which layers are read. Three
networks: the MLP 784-100-100-10, a small MLP with 12 inputs and 5 outputs, and ResNet-18 of width 8 for
16 x 16 images with 10 outputs.
"""

import functools

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning.agents import classifiers

MLP = config_dict.create(kind="mlp", hidden_sizes=(100, 100), width=0)
RESNET = config_dict.create(kind="resnet18", hidden_sizes=(), width=8)
SHAPES = {"mlp": (28, 28, 1), "small_mlp": (3, 4, 1), "resnet": (16, 16, 3)}
OUTPUTS = {"mlp": 10, "small_mlp": 5, "resnet": 10}


@functools.cache
def classifier(name: str, axis_name: str | None = None) -> classifiers.Classifier:
  """The network called `name`; its apply is compiled."""
  made = classifiers.make_classifier(RESNET if name == "resnet" else MLP, OUTPUTS[name],
                                     axis_name=axis_name)
  return made._replace(apply=jax.jit(made.apply, static_argnames="is_training"))


def tensors(name: str) -> list[tuple[str, str]]:
  """Haiku's module and parameter of tensor t, in the order of t."""
  if name != "resnet":
    return [(f"mlp/~/linear_{i}", which) for i in range(3) for which in "wb"]
  norm = lambda path: [(path, "scale"), (path, "offset")]
  found = [("resnet/~/stem", "w"), *norm("resnet/~/stem_norm")]
  for stage in range(4):
    for block in range(2):
      path = f"resnet/~/stage_{stage}_block_{block}"
      for i in (1, 2):
        found += [(f"{path}/conv_{i}", "w"), *norm(f"{path}/norm_{i}")]
      if stage and not block:
        found += [(f"{path}/shortcut", "w"), *norm(f"{path}/shortcut_norm")]
  return found + [("resnet/~/linear", "w"), ("resnet/~/linear", "b")]


def tensor(tau: float, which: str, shape: tuple[int, ...]) -> np.ndarray:
  """The entries of a tensor, float64, in Haiku's layout (inputs before outputs)."""
  o = np.arange(shape[-1])
  if which == "b":
    return 0.1 * np.sin(tau + 1.1 * o)
  if which == "scale":
    return 1 + 0.1 * np.sin(tau + 1.1 * o)
  if which == "offset":
    return 0.1 * np.cos(tau + 1.1 * o)
  i = np.arange(shape[-2])[:, None]
  angle = tau + 1.1 * o + 0.7 * i + 0.2 * o * i
  if len(shape) == 4:
    y, x = np.ogrid[:shape[0], :shape[1]]
    angle = angle + 0.5 * y[..., None, None] + 0.3 * x[..., None, None]
  return 1.5 * np.sin(angle) / np.sqrt(np.prod(shape[:-1]))


@functools.cache
def _shapes(name: str) -> classifiers.Net:
  images = jnp.zeros((1, *SHAPES[name]))
  return jax.eval_shape(classifier(name).init, jax.random.PRNGKey(0), images)


def net(name: str, seed: float = 0, dtype=np.float64) -> classifiers.Net:
  """The network with weights by formula; statistics as at the start."""
  shapes = _shapes(name)
  params: dict = {}
  for t, (module, which) in enumerate(tensors(name)):
    shape = shapes.params[module][which].shape
    params.setdefault(module, {})[which] = jnp.asarray(tensor(t + seed, which, shape), dtype)
  stats = {module: {which: jnp.full(leaf.shape, float(which == "var"), dtype)
                    for which, leaf in leaves.items()} for module, leaves in shapes.stats.items()}
  return classifiers.Net(params, stats)


def images(name: str, numbers, dtype=np.float64) -> np.ndarray:
  """Images number m, [n, H, W, C] in [0, 1]; `dtype` uint8 for bytes."""
  height, width, channels = SHAPES[name]
  m = np.asarray(numbers)[:, None, None, None]
  y, x, c = np.ogrid[:height, :width, :channels]
  u = (37 * m + 29 * c + 11 * y + 17 * x + 3 * y * x + 5 * m * x + 7 * c * y) % 256
  return u.astype(np.uint8) if dtype == np.uint8 else (u / 255).astype(dtype)


def labels(name: str, numbers) -> np.ndarray:
  """Labels of the images, [n] int32."""
  return ((7 * np.asarray(numbers) + 3) % OUTPUTS[name]).astype(np.int32)


def summary(tree) -> tuple[float, float]:
  """Sum and sum of squares over all entries."""
  leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(tree)]
  return sum(leaf.sum() for leaf in leaves), sum((leaf**2).sum() for leaf in leaves)


def norms(name: str, grads, numbers) -> list[float]:
  """Euclidean norms of the gradients of some tensors."""
  paths = tensors(name)
  return [float(np.linalg.norm(grads[paths[t][0]][paths[t][1]])) for t in numbers]


def running(stats) -> tuple[float, float]:
  """Sums over all layers of running mean and running variance."""
  return tuple(float(sum(leaves[which].sum() for leaves in stats.values()))
               for which in ("mean", "var"))
