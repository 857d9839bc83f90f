"""Writes pickles as Python 2 did: CIFAR is published in these, and Python 3 cannot write them.

They are of protocol 2, hold strings of bytes, and call NumPy's arrays by the names of that time.
"""

import io
from pathlib import Path
import struct
import tarfile
from typing import Any

import numpy as np

_ARRAY = (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01%s"
          b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
          b"K\x00tb\x89%stb")


def pickled(value: Any) -> bytes:
  """A whole pickle of a value."""
  return b"\x80\x02" + _opcodes(value) + b"."


def _opcodes(value: Any) -> bytes:
  match value:
    case int():
      return b"J" + struct.pack("<i", value)
    case str():
      return _opcodes(value.encode())
    case bytes():
      return b"T" + struct.pack("<i", len(value)) + value
    case list():
      return b"](" + b"".join(map(_opcodes, value)) + b"e"
    case tuple():
      return b"(" + b"".join(map(_opcodes, value)) + b"t"
    case dict():
      return b"}(" + b"".join(_opcodes(x) for pair in value.items() for x in pair) + b"u"
    case np.ndarray():
      assert value.dtype == np.uint8
      return _ARRAY % (_opcodes(value.shape), _opcodes(value.tobytes()))
  raise TypeError(type(value))


def write_folder(folder: Path, batches: dict[str, dict[str, Any]]) -> None:
  folder.mkdir(parents=True)
  for name, batch in batches.items():
    (folder / name).write_bytes(pickled(batch))


def write_archive(path: Path, folder: str, batches: dict[str, dict[str, Any]]) -> None:
  """Writes a tar.gz with the batches in a folder, and something else before them."""
  contents = {name: pickled(batch) for name, batch in batches.items()}
  with tarfile.open(path, "w:gz") as archive:
    for name, data in ({"readme.html": b"<html>"} | contents).items():
      member = tarfile.TarInfo(f"{folder}/{name}")
      member.size = len(data)
      archive.addfile(member, io.BytesIO(data))
