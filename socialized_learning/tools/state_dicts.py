"""Networks as PyTorch names and lays them out, turned into ours.

A `StateDict` maps PyTorch's names to NumPy arrays. Its names and shapes tell which network it is:

| network | names | ours |
|---|---|---|
| VGG of MASC's released code | `layers.0.weight`, …, `classifier.6.bias` | `vgg.VggNet` |
| ResNet-18 as in Mammoth | `conv1.weight`, `layer1.0.conv1.weight`, … | `classifiers.Net` |
| MLP as in Mammoth | `fc1.weight`, `fc2.weight`, `classifier.weight`, … | `classifiers.Net` |

The ResNet's last layer may be called `linear` or `classifier`. Convolutions turn from
[out, in, H, W] to [H, W, in, out], matrices from [out, in] to [in, out]. The counters of batch
normalisation (`num_batches_tracked`) mean nothing here.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning.agents import classifiers
from socialized_learning.agents import vgg
from socialized_learning.platform import plain_trees
from socialized_learning.platform.errors import UserError

StateDict = Mapping[str, np.ndarray]
Names = dict[str, plain_trees.Path]  # PyTorch's name -> path in our tree.
# What a whole model, or one trained on several devices, puts before every name.
_PREFIXES = ("module.", "net.", "backbone.")
_COUNTER = ".num_batches_tracked"


class Converted(NamedTuple):
  """A network of ours."""
  kind: str  # Which, in words.
  tree: Any  # Parameters and statistics, float32.
  num_outputs: int


class _Known(NamedTuple):
  """One kind of network."""
  first: str  # The tensor that it is recognised by.
  build: Callable[[StateDict], tuple[str, Any, Names]]  # -> kind, template, names
  aliases: tuple[str, ...] = ()  # Beginnings of second names for the same tensors.


def convert(state: StateDict) -> Converted:
  """Turns a state dict into a network of ours.

  Raises:
    UserError: it is of no known network, or a tensor, which is named, is missing, unexpected or of
      another shape.
  """
  state = _without_prefix(state)
  known = next((known for known in _KNOWN if known.first in state), None)
  if known is None:
    shown = ", ".join(sorted(state)[:3]) or "nothing"
    raise UserError(f"holds no network that is known here (its tensors are {shown}, …): expected "
                    f"one of {', '.join(known.first for known in _KNOWN)}")
  kind, template, names = known.build(state)
  rest = [name for name in state if name not in names and not name.endswith(_COUNTER)
          and not name.startswith(known.aliases)]
  if rest:
    raise UserError(f"holds {rest[0]}, which no {kind} has")
  slots = plain_trees.to_slots(template)
  wanted = {plain_trees.path_names(keys): tuple(slot.shape)
            for keys, slot in jax.tree_util.tree_flatten_with_path(slots)[0]}
  plain: plain_trees.Plain = {}
  for name, path in names.items():
    plain_trees.put(plain, path, _turned(state, name, wanted[path]))
  num_outputs = wanted[list(names.values())[-1]][0]
  return Converted(kind, plain_trees.from_plain(slots, plain), num_outputs)


def _without_prefix(state: StateDict) -> StateDict:
  """Cuts off what stands before every name; again, if there is more."""
  for prefix in _PREFIXES:
    if state and all(name.startswith(prefix) for name in state):
      return _without_prefix({name.removeprefix(prefix): x for name, x in state.items()})
  return state


def _turned(state: StateDict, name: str, shape: tuple[int, ...]) -> np.ndarray:
  """A tensor in our layout, of the given shape."""
  axes = {4: (2, 3, 1, 0), 2: (1, 0)}.get(len(shape), tuple(range(len(shape))))
  expected = tuple(int(size) for size in np.array(shape)[np.argsort(axes)])
  return np.ascontiguousarray(_tensor(state, name, expected).transpose(axes), np.float32)


def _tensor(state: StateDict, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
  """A tensor, of whose shape only what is not None is known.

  Raises:
    UserError: it is missing, or of another shape.
  """
  if name not in state:
    raise UserError(f"lacks {name}, expected of shape {_shown(shape)}")
  found = state[name].shape
  if len(found) != len(shape) or any(w not in (None, f) for w, f in zip(shape, found, strict=True)):
    raise UserError(f"holds {name} of shape {_shown(found)}, expected {_shown(shape)}")
  return state[name]


def _shown(shape: tuple[int | None, ...]) -> str:
  return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def _layer(name: str, module: str, tree: plain_trees.Path = ("params",)) -> Names:
  """Names of a layer with weights and biases."""
  return {f"{name}.weight": (*tree, module, "w"), f"{name}.bias": (*tree, module, "b")}


def _norm(name: str, module: str, above: plain_trees.Path = ()) -> Names:
  """Names of a batch normalisation."""
  ours = {"weight": ("params", "scale"), "bias": ("params", "offset"),
          "running_mean": ("stats", "mean"), "running_var": ("stats", "var")}
  return {f"{name}.{theirs}": (*above, tree, module, leaf) for theirs, (tree, leaf) in ours.items()}


def _vgg(state: StateDict) -> tuple[str, Any, Names]:
  width, channels, *_ = _tensor(state, "layers.0.weight", (None, None, 3, 3)).shape
  hidden, features = _tensor(state, "classifier.0.weight", (None, None)).shape
  num_outputs, = _tensor(state, "classifier.6.bias", (None,)).shape
  layout = next((layout for layout, widths in vgg.LAYOUTS.items()
                 if features * widths[0] == width * widths[-1]), None)
  divisor = vgg.LAYOUTS["narrow"][0] // max(width, 1)
  if layout is None or divisor * width != vgg.LAYOUTS["narrow"][0]:
    raise UserError(f"holds layers.0.weight with {width} outputs and classifier.0.weight with "
                    f"{features} inputs, expected 64 and 256 (narrow) or 512 (wide), or both "
                    "divided by a power of 2")
  made = vgg.make_vgg(layout, num_outputs, width_divisor=divisor, hidden_size=hidden)
  key = jax.random.PRNGKey(0)
  template = jax.eval_shape(lambda: vgg.VggNet(
      made.init_backbone(key, jnp.zeros((1, 32, 32, channels))), made.init_head(key)))
  names: Names = {}
  at = 0
  for block in range(len(made.widths)):
    names |= _layer(f"layers.{at}", f"backbone/~/conv_{block}", ("backbone", "params"))
    names |= _norm(f"layers.{at + 1}", f"backbone/~/norm_{block}", ("backbone",))
    at += 4 if block in vgg.POOLED else 3  # Convolution, normalisation, ReLU, and perhaps pooling.
  for layer in range(3):
    names |= _layer(f"classifier.{3 * layer}", f"head/~/linear_{layer}", ("head",))
  return f"{layout} VGG", template, names


def _resnet18(state: StateDict) -> tuple[str, Any, Names]:
  width, channels, *_ = _tensor(state, "conv1.weight", (None, None, 3, 3)).shape
  last = "linear" if "linear.bias" in state else "classifier"
  num_outputs, = _tensor(state, f"{last}.bias", (None,)).shape
  convolution = lambda name, module: {f"{name}.weight": ("params", module, "w")}
  names = convolution("conv1", "resnet/~/stem") | _norm("bn1", "resnet/~/stem_norm")
  for stage in range(4):
    for block in range(2):
      theirs, ours = f"layer{stage + 1}.{block}", f"resnet/~/stage_{stage}_block_{block}"
      for i in (1, 2):
        names |= convolution(f"{theirs}.conv{i}", f"{ours}/conv_{i}")
        names |= _norm(f"{theirs}.bn{i}", f"{ours}/norm_{i}")
      if stage and not block:
        names |= convolution(f"{theirs}.shortcut.0", f"{ours}/shortcut")
        names |= _norm(f"{theirs}.shortcut.1", f"{ours}/shortcut_norm")
  names |= _layer(last, "resnet/~/linear")
  template = _classifier_template(num_outputs, (8, 8, channels), kind="resnet18", width=width)
  return "ResNet-18", template, names


def _mlp(state: StateDict) -> tuple[str, Any, Names]:
  sizes = [_tensor(state, name, (None, None)).shape for name in ("fc1.weight", "fc2.weight")]
  num_outputs, = _tensor(state, "classifier.bias", (None,)).shape
  names: Names = {}
  for i, name in enumerate(("fc1", "fc2", "classifier")):
    names |= _layer(name, f"mlp/~/linear_{i}")
  hidden = tuple(size for size, _ in sizes)
  template = _classifier_template(num_outputs, (sizes[0][1], 1, 1), kind="mlp", hidden_sizes=hidden)
  return "MLP", template, names


def _classifier_template(num_outputs: int, shape: tuple[int, int, int], **config: Any) -> Any:
  made = classifiers.make_classifier(config_dict.create(**config), num_outputs)
  return jax.eval_shape(made.init, jax.random.PRNGKey(0), jnp.zeros((1, *shape)))


_KNOWN = (
    _Known("layers.0.weight", _vgg),
    # Older versions hold their parts again as sequences.
    _Known("conv1.weight", _resnet18, ("_features.", "classifier.0.", "classifier.1.")),
    _Known("fc1.weight", _mlp, ("_features.", "net.")),
)
