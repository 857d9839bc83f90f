"""Reads the pickles CIFAR is published in without running anything a pickle may ask for.

A pickle is a program: it names functions of any module and calls them. Here it gets none of them,
not even NumPy's. The names by which NumPy stores an array stand for classes and functions of this
file that only note bytes and shape; every other name is refused. Nor may it claim to be larger than
its file, for which room would be made. So the worst a pickle can do is to be damaged.

The published files are of Python 2 and protocol 2; files written again by Python 3 may be of any
protocol.

Source: https://docs.python.org/3/library/pickle.html, "Restricting Globals".
"""

import io
import math
from pathlib import Path
import pickle
import pickletools
from typing import Any

import numpy as np

from socialized_learning.data.sources.source import damaged
from socialized_learning.platform.errors import UserError

_UINT8 = (b"u1", "u1", b"|u1", "|u1")


class _Dtype:
  """Stands for `numpy.dtype`: notes its code; byte order and alignment mean nothing for a byte."""

  code = None  # Of one that a pickle makes without calling it.

  def __init__(self, code: Any = None, *rest: Any):
    del rest
    self.code = code

  def __setstate__(self, state: Any):
    del state


class _Array:
  """Stands for NumPy's `_reconstruct`: an array to be, whose state holds what it is made of."""

  array = None  # Until its state is known.

  def __init__(self, *arguments: Any):
    del arguments

  def __setstate__(self, state: Any):
    """Takes (version, shape, dtype, whether in Fortran's order, bytes)."""
    _, shape, dtype, fortran, data = state
    self._fill(data, dtype, shape, "F" if fortran else "C")

  def _fill(self, data: Any, dtype: Any, shape: Any, order: str) -> None:
    if not isinstance(dtype, _Dtype) or dtype.code not in _UINT8 or not isinstance(
        data, (bytes, bytearray)):
      raise pickle.UnpicklingError("an array of another type than uint8")
    if math.prod(shape) != len(data):
      raise pickle.UnpicklingError(f"{len(data)} bytes for an array of shape {shape}")
    self.array = np.frombuffer(data, np.uint8).reshape(shape, order=order)


class _FromBuffer(_Array):
  """Stands for NumPy's `_frombuffer`: an array as protocol 5 stores it."""

  def __init__(self, data: Any, dtype: Any, shape: Any, order: Any):
    super().__init__()
    if order not in ("C", "F"):
      raise pickle.UnpicklingError("an array in another order than C or F")
    self._fill(data, dtype, shape, order)


def _encoded(text: Any, encoding: Any) -> bytes:
  """Stands for `_codecs.encode`: bytes as Python 3 stores them in protocols 0 to 2."""
  if not isinstance(text, str) or encoding != "latin1":
    raise pickle.UnpicklingError("bytes in another form than Python's")
  return text.encode("latin1")


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,  # Its name since NumPy 2.
    ("numpy.core.numeric", "_frombuffer"): _FromBuffer,
    ("numpy._core.numeric", "_frombuffer"): _FromBuffer,
    ("_codecs", "encode"): _encoded,
    ("numpy", "ndarray"): "ndarray",  # Only ever an argument of `_reconstruct`.
    ("numpy", "dtype"): _Dtype,
}


# Nothing of CIFAR needs them: objects from elsewhere.
_REFUSED_OPCODES = frozenset({"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER",
                              "READONLY_BUFFER"})
_MEMO_OPCODES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


class _Forbidden(Exception):
  """A pickle asks for something that is none of `_ALLOWED`."""


class _Unpickler(pickle.Unpickler):

  def find_class(self, module_name: str, global_name: str) -> Any:
    allowed = _ALLOWED.get((module_name, global_name))
    if allowed is None:
      raise _Forbidden(f"{module_name}.{global_name}")
    return allowed


def read(data: bytes, path: Path | str) -> dict[str, Any]:
  """Returns the dictionary of a pickle, with uint8 arrays, numbers, strings, lists and the like.

  Args:
    data: a pickle; strings of Python 2 become `bytes`, but for the dictionary's own keys.
    path: what to name in errors.

  Raises:
    UserError: the pickle asks for anything but an array, is damaged, or is no dictionary.
  """
  try:
    _check_opcodes(data)
    found = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    if not isinstance(found, dict):
      raise pickle.UnpicklingError(f"a {type(found).__name__} instead of a dictionary")
    return {_text(key): value.array if isinstance(value, _Array) else value
            for key, value in found.items()}
  except _Forbidden as error:
    # As repr, since the name comes from the file and may hold line ends.
    raise UserError(f"{path}: this pickle asks for {repr(str(error))[:100]}, which no file of "
                    "CIFAR does; nothing of it was run; download the official file again"
                   ) from error
  except Exception as error:  # Damaged pickles end in errors of every kind.
    raise damaged(path, error) from error


def _check_opcodes(data: bytes) -> None:
  """Raises some exception for a pickle that is not whole, or would take room it cannot need.

  The unpickler makes room for what a length or a place in the memo says, before it finds that
  there is no more.
  """
  for opcode, argument, _ in pickletools.genops(data):
    if opcode.name in _REFUSED_OPCODES:
      raise pickle.UnpicklingError(f"the opcode {opcode.name}")
    if opcode.name in _MEMO_OPCODES and argument > len(data):
      raise pickle.UnpicklingError(f"place {argument} of the memo")


def _text(key: Any) -> str:
  if not isinstance(key, (bytes, str)):
    raise pickle.UnpicklingError(f"a {type(key).__name__} for a key")
  return key.decode("latin1") if isinstance(key, bytes) else key
