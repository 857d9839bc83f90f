"""What a folder or an archive holds: one view of both, which every reader of data files uses.

What counts as a name is decided here, once:

- A name that begins with a dot does not count, whether it is a file or a folder: caches of
  notebooks (`.ipynb_checkpoints`), the attributes that macOS stores beside files (`._0.png`),
  unfinished downloads.
- Files and folders are found whatever the case of their names.
- Names are sorted character by character, whatever the language of the machine.

Archives are zip and tar, the latter also compressed (gzip, bzip2, xz). They are read where they lie.
What they hold is read into memory only up to a limit, because a small archive can unpack to any
size.
"""

import bz2
from collections.abc import Callable, Iterator, Mapping
import contextlib
import functools
import gzip
import io
import lzma
import os
from pathlib import Path
import re
import tarfile
from typing import BinaryIO, NamedTuple
import zipfile

from emcom_datasets.errors import damaged
from emcom_datasets.errors import DataSetError
from emcom_datasets.errors import one_line

# Keras stores an archive without an ending as NAME_archive.
_ARCHIVE_NAME = re.compile(r"(\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz))|_archive)$", re.IGNORECASE)
_COMPRESSIONS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_CHUNK_BYTES = 1 << 20


class File(NamedTuple):
  """A file on disk or in an archive."""
  path: Path  # How errors name it; in an archive, the path continues with the name of the member.
  open: Callable[[], BinaryIO]

  def read(self) -> bytes:
    """Returns the content.

    Raises:
      DataSetError: the file is damaged or cannot be read.
    """
    try:
      with self.open() as file:
        return file.read()
    except DataSetError:
      raise
    except Exception as error:  # Of damaged archives zipfile and zlib make several kinds.
      raise damaged(self.path, error) from error


class _Entries(NamedTuple):
  files: dict[str, File]  # By name as written, sorted.
  folders: dict[str, "Folder"]


class Folder:
  """A folder on disk or in an archive; it is listed when it is first asked for something."""

  def __init__(self, path: Path, entries: Callable[[], _Entries]):
    """A folder that errors call `path`, and whose content `entries` lists."""
    self.path = path
    self._list = entries

  @functools.cached_property
  def _entries(self) -> _Entries:
    return self._list()

  @property
  def files(self) -> Mapping[str, File]:
    """All files by name, sorted.

    Raises:
      DataSetError: the folder cannot be listed.
    """
    return self._entries.files

  @property
  def folders(self) -> Mapping[str, "Folder"]:
    """All folders by name, sorted.

    Raises:
      DataSetError: the folder cannot be listed.
    """
    return self._entries.folders

  def file(self, *names: str) -> File | None:
    """Returns the first of these files that is there, whatever the case of its name."""
    return _first(self._entries.files, names)

  def folder(self, *names: str) -> "Folder | None":
    """Returns the first of these folders that is there, whatever the case of its name."""
    return _first(self._entries.folders, names)

  def walk(self, depth: int) -> Iterator["Folder"]:
    """Yields this folder and those below it, nearest first, down to `depth` levels."""
    level = [self]
    for _ in range(depth):
      yield from level
      level = [below for folder in level for below in folder.folders.values()]
    yield from level


def _first(entries: Mapping[str, File | Folder], names: tuple[str, ...]) -> File | Folder | None:
  for name in names:
    if name in entries:
      return entries[name]
    for written, entry in entries.items():
      if written.lower() == name.lower():
        return entry
  return None


def on_disk(path: Path) -> Folder:
  """Returns a folder of the file system."""
  return Folder(path, functools.partial(_scan, path))


def _scan(path: Path) -> _Entries:
  files, folders = {}, {}
  try:
    with os.scandir(path) as listing:
      for entry in sorted(listing, key=lambda entry: entry.name):
        if entry.name.startswith("."):
          continue
        if entry.is_dir():
          folders[entry.name] = on_disk(path / entry.name)
        elif entry.is_file():
          below = path / entry.name
          files[entry.name] = File(below, functools.partial(open, below, "rb"))
  except OSError as error:
    raise DataSetError(f"{path}: cannot be listed ({error.strerror or one_line(error)})") from error
  return _Entries(files, folders)


def is_archive(name: str) -> bool:
  """Whether a file of this name is a zip or tar archive."""
  return bool(_ARCHIVE_NAME.search(name))


def without_ending(name: str) -> str:
  """Returns the name of an archive without `.zip`, `.tar.gz` and the like."""
  return _ARCHIVE_NAME.sub("", name)


@contextlib.contextmanager
def archive(path: Path, limit: int) -> Iterator[Folder]:
  """Opens a zip or tar archive as a folder, as long as the context lasts.

  Args:
    path: of the archive.
    limit: how many bytes one member of a zip or all of a tar may hold unpacked.

  Raises:
    DataSetError: the archive is damaged, or holds more.
  """
  with contextlib.ExitStack() as stack:
    try:
      with open(path, "rb") as file:
        start = file.read(8)
      if start.startswith(b"PK"):
        opened = stack.enter_context(zipfile.ZipFile(path))
        files = _members_of_zip(opened, path, limit)
      else:
        files = _members_of_tar(path, start, limit)
    except DataSetError:
      raise
    except Exception as error:  # Of damaged archives zipfile, tarfile and zlib make several kinds.
      raise damaged(path, error) from error
    yield _nested(path, files)


def _too_large(path: Path, limit: int) -> DataSetError:
  return DataSetError(f"{path}: unpacks to more than {limit:,} bytes, which no file of this set "
                      "does; download it again from its source")


def _members_of_zip(opened: zipfile.ZipFile, path: Path, limit: int) -> dict[str, File]:

  def open_member(info: zipfile.ZipInfo) -> BinaryIO:
    if info.file_size > limit:  # Beyond this size zipfile does not read.
      raise _too_large(path / info.filename, limit)
    return opened.open(info)

  # Some programs on Windows write the separators of Windows.
  return {(name := info.filename.replace("\\", "/")):
          File(path / name, functools.partial(open_member, info))
          for info in opened.infolist() if not info.is_dir()}


class _Capped:
  """A stream of which only so many bytes are read."""

  def __init__(self, stream: BinaryIO, path: Path, limit: int):
    """Reads from `stream`, the content of the archive `path`."""
    self._stream, self._path, self._limit = stream, path, limit
    self._left = limit
    self.end = b""  # The last block that was read.

  def read(self, size: int) -> bytes:
    """Reads up to `size` bytes; raises DataSetError once they are more than the limit."""
    data = self._stream.read(size)
    self._left -= len(data)
    if self._left < 0:
      raise _too_large(self._path, self._limit)
    self.end = (self.end + data)[-tarfile.BLOCKSIZE:]
    return data


def _members_of_tar(path: Path, start: bytes, limit: int) -> dict[str, File]:
  """Reads a whole tar in one pass: to go back in a compressed one is to decompress it again."""
  unpack = next((unpack for magic, unpack in _COMPRESSIONS.items() if start.startswith(magic)), open)
  files, left = {}, limit
  with unpack(path, "rb") as file:
    stream = _Capped(file, path, limit)
    with tarfile.open(fileobj=stream, mode="r|") as opened:
      for member in opened:
        if not member.isfile() or _is_hidden(member.name):
          continue
        left -= member.size  # A sparse file is larger than what is read of it.
        if left < 0:
          raise _too_large(path / member.name, limit)
        files[member.name] = File(path / member.name, functools.partial(
            io.BytesIO, opened.extractfile(member).read()))
    # The tar ends before the file does, and the checksum of a gzip is at its very end.
    while stream.read(_CHUNK_BYTES):
      pass
  if stream.end != bytes(tarfile.BLOCKSIZE):  # The module takes a tar that was cut off for whole.
    raise tarfile.ReadError("it does not end as a tar does")
  return files


def _parts(name: str) -> list[str]:
  return [part for part in name.split("/") if part not in ("", ".")]


def _is_hidden(name: str) -> bool:
  return any(part.startswith(".") for part in _parts(name))  # So is "..", which would lead out.


def _nested(path: Path, files: Mapping[str, File]) -> Folder:
  """Returns the folder that files with these names, separated by slashes, lie in."""
  top = _Entries({}, {})
  entries_of = {(): top}

  def entries(parts: tuple[str, ...]) -> _Entries:
    if parts not in entries_of:
      made = entries_of[parts] = _Entries({}, {})
      entries(parts[:-1]).folders[parts[-1]] = Folder(path.joinpath(*parts), lambda: made)
    return entries_of[parts]

  for name in sorted(files):
    if not _is_hidden(name):
      *parents, last = _parts(name)
      entries(tuple(parents)).files[last] = files[name]
  for made in entries_of.values():
    folders = dict(sorted(made.folders.items()))
    made.folders.clear()
    made.folders.update(folders)
  return Folder(path, lambda: top)
