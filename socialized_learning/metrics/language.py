"""What the language metrics share: checks at the door, messages as codes and as strings.

Shapes: n items, T message length, A attributes. A message counts up to its length; what lies beyond
is silence and its content is never looked at.
"""

import numpy as np
import numpy.typing as npt

# The code of a position after the end of a message; symbols are coded from 1.
SILENCE = 0


def encode_messages(
    messages: npt.ArrayLike, lengths: npt.ArrayLike | None = None, ndim: int = 2) -> np.ndarray:
  """Renames the symbols that occur to 1..K in ascending order, and silence to 0.

  Args:
    messages: [..., n, T] integers of any range, `ndim` axes.
    lengths: [..., n] integers in 0..T: only the first `lengths` symbols count; None means all T.
    ndim: number of axes expected, 2 for one speaker and 3 for several.

  Returns:
    Codes of the shape of `messages`, uint32, contiguous.

  Raises:
    ValueError: a wrong number of axes, no items, T = 0, not integers, or lengths outside 0..T.
  """
  messages = np.asarray(messages)
  axes = "[n, T]" if ndim == 2 else "[S, n, T]"
  if messages.ndim != ndim or 0 in messages.shape:
    raise ValueError(f"messages must be {axes} and not empty, got shape {messages.shape}")
  if not np.issubdtype(messages.dtype, np.integer):
    raise ValueError(f"messages must be integers, got {messages.dtype}")
  symbols, codes = np.unique(messages, return_inverse=True)
  codes = codes.reshape(messages.shape).astype(np.uint32) + np.uint32(1)
  if lengths is None:
    return codes
  spoken = np.arange(messages.shape[-1]) < _check_lengths(lengths, messages.shape)[..., None]
  # A second renaming leaves out symbols that occur in silence only.
  present = np.zeros(len(symbols) + 1, bool)
  present[codes[spoken]] = True
  return np.where(spoken, np.cumsum(present)[codes], SILENCE).astype(np.uint32)


def _check_lengths(lengths: npt.ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
  lengths = np.asarray(lengths)
  if lengths.shape != shape[:-1] or not np.issubdtype(lengths.dtype, np.integer):
    raise ValueError(f"lengths must be integers of shape {shape[:-1]}, "
                     f"got {lengths.dtype} of shape {lengths.shape}")
  if lengths.min() < 0 or lengths.max() > shape[-1]:
    raise ValueError(f"lengths must lie in 0..{shape[-1]}, "
                     f"got {lengths.min()}..{lengths.max()}")
  return lengths


def message_lengths(codes: np.ndarray) -> np.ndarray:
  """Number of symbols of every message: codes [..., n, T] -> [..., n]."""
  return np.count_nonzero(codes, axis=-1)


def message_strings(codes: np.ndarray) -> np.ndarray:
  """One string per message, one character per symbol: codes [..., n, T] -> strings [..., n].

  The strings are a view of the codes; trailing silence is the character 0, which numpy drops.
  """
  return codes.view(f"U{codes.shape[-1]}")[..., 0]


def check_attributes(attributes: npt.ArrayLike, num_items: int | None = None) -> np.ndarray:
  """Attributes as int64 [n, A]; integers or booleans, else a ValueError."""
  attributes = np.asarray(attributes)
  if attributes.ndim != 2 or 0 in attributes.shape:
    raise ValueError(f"attributes must be [n, A] and not empty, got shape {attributes.shape}")
  if attributes.dtype != bool and not np.issubdtype(attributes.dtype, np.integer):
    raise ValueError(f"attributes must be integers or booleans, got {attributes.dtype}")
  if num_items is not None and len(attributes) != num_items:
    raise ValueError(f"{num_items} messages but attributes of {len(attributes)} items")
  return attributes.astype(np.int64)
