"""Any pytree as nested dictionaries of host arrays, and back.

Lists become dictionaries with keys "0", "1", ..., named tuples and data classes dictionaries of
their fields: a checkpoint made of them can be read without the classes that made it.
"""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

PyTree = Any
Plain = dict[str, Any]  # Nested dictionaries whose leaves are numpy arrays or None.
Path = tuple[str, ...]


def to_plain(tree: PyTree) -> Plain:
  """Converts any pytree to nested dictionaries of host arrays; None and empty nodes are kept.

  Lists become dictionaries with keys '0', '1', ..., named tuples and data classes dictionaries of
  their fields; dictionary keys become strings.

  Raises:
    TypeError: a leaf is neither an array nor a number.
    ValueError: two paths have the same name.
  """
  leaves, _ = jax.tree_util.tree_flatten_with_path(jax.device_get(tree), is_leaf=_is_empty)
  plain, names = {}, set()
  for keys, leaf in leaves:
    path = path_names(keys)
    # Orbax joins paths by dots: without this check one array would silently replace another.
    if ".".join(path) in names:
      raise ValueError(f'two parts of the state are both called {"/".join(path)}')
    names.add(".".join(path))
    put(plain, path, _plain_leaf(path, leaf))
  return plain


def path_names(keys: tuple[Any, ...]) -> Path:
  """Names of the keys of a JAX tree path: a field, a dictionary key or an index each."""
  return tuple(jax.tree_util.keystr((key,), simple=True) for key in keys)


def put(plain: Plain, path: Path, value: Any) -> None:
  """Stores `value` under `path`, making the dictionaries on the way."""
  for name in path[:-1]:
    plain = plain.setdefault(name, {})
  plain[path[-1]] = value


def iterate(plain: Plain, prefix: Path = ()) -> Iterator[tuple[Path, np.ndarray]]:
  """Yields (path, array) of all arrays."""
  for name, value in plain.items():
    if isinstance(value, Mapping):
      yield from iterate(value, prefix + (name,))
    elif value is not None:
      yield prefix + (name,), value


def to_slots(tree: PyTree) -> PyTree:
  """The tree with a `Slot` for every leaf: what `from_plain` and `difference` compare with."""
  return jax.tree_util.tree_map(Slot.of, tree)


def from_plain(slots: PyTree, plain: Plain) -> PyTree:
  """Arranges plain arrays as the tree that `slots` came from: same containers, kinds of leaves."""
  flat = dict(iterate(plain))
  leaves, treedef = jax.tree_util.tree_flatten_with_path(slots)
  return treedef.unflatten([slot.fill(flat[path_names(keys)]) for keys, slot in leaves])


def difference(held: Mapping[Path, tuple[str, list[int]]], slots: PyTree) -> str | None:
  """Says how arrays on disk, path -> (dtype, shape), differ from `slots`; None if they do not.

  The answer names the first of them that differs: it "holds X of int32[3], ...".
  """
  leaves, _ = jax.tree_util.tree_flatten_with_path(slots)
  wants = {path_names(keys): f"{slot.dtype}{slot.shape}" for keys, slot in leaves}
  has = {path: f"{dtype}{shape}" for path, (dtype, shape) in held.items()}
  for path in sorted(has.keys() | wants.keys()):
    name = "/".join(path)
    if path not in wants:
      return f"holds {name} of {has[path]}, this configuration has no such array"
    if path not in has:
      return f"lacks {name}, this configuration wants it as {wants[path]}"
    if has[path] != wants[path]:
      return f"holds {name} of {has[path]}, this configuration wants {wants[path]}"
  return None


@dataclasses.dataclass(frozen=True)
class Slot:
  """What belongs at one leaf of a snapshot."""
  shape: list[int]
  dtype: str
  kind: type  # jax.Array, np.ndarray, or the type of a Python number.

  @classmethod
  def of(cls, leaf: Any) -> "Slot":
    is_number = isinstance(leaf, (bool, int, float)) and not isinstance(leaf, np.generic)
    kind = type(leaf) if is_number else jax.Array if isinstance(leaf, jax.Array) else np.ndarray
    array = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return cls(list(array.shape), array.dtype.name, kind)

  def fill(self, value: np.ndarray) -> Any:
    if self.kind is jax.Array:
      return jnp.asarray(value)
    return value if self.kind is np.ndarray else self.kind(value.item())


def _is_empty(node: Any) -> bool:
  """Whether a tree node is None or a container without children."""
  return not jax.tree_util.tree_leaves(node, is_leaf=lambda child: child is not node)


def _plain_leaf(path: Path, leaf: Any) -> Any:
  if leaf is None:
    return None
  if _is_empty(leaf):
    return {}
  array = np.asarray(leaf)
  if array.dtype.kind in "OSUmM":
    raise TypeError(f'{"/".join(path)} is a {type(leaf).__name__}: only arrays and numbers can be '
                    "saved in a checkpoint")
  return array
