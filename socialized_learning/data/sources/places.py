"""Where a set may be under the data folder: nearest first, a folder before an archive.

A place is the data folder itself, or a folder or an archive whose name says which set it holds:
`MNIST`, `cifar-10-batches-py`, `cifar-10-python.tar.gz`. In a folder with such a name every subfolder
belongs to the set, so that `MNIST/raw` is searched; in a data folder with another name only
subfolders whose names say nothing of a set are, because `FashionMNIST/raw` holds files of the same
names as MNIST.
"""

from collections.abc import Iterator
import contextlib
from pathlib import Path
import re

from emcom_datasets import listing
from emcom_datasets.errors import DataSetError
from emcom_datasets.listing import Folder

from socialized_learning.data.sources.source import Spec

_DEPTH = 2  # Levels between the data folder and the folder in which a place may be.
_DEPTH_INSIDE = 3  # Levels of subfolders in a place: `snapshots/REVISION/CONFIG` of the hub.
# Words that may follow the name of a set without making it another one.
_WORDS = frozenset({"batches", "cropped", "data", "dataset", "extracted", "images", "jpg", "master",
                    "main", "png", "py", "python", "raw", "target", "webp"})
# Subfolders of official and of the hub's layouts whose names say nothing of a set.
_NEUTRAL = frozenset({"raw", "data", "default", "plain_text", "cropped_digits"})


def known_as(name: str) -> str:
  """Returns which set a folder or archive claims to hold: `CIFAR-10-batches-py` is `cifar10`.

  Args:
    name: of a folder, or of an archive without its ending; the hub's cache calls folders
      `datasets--OWNER--NAME`.
  """
  words = re.split("[-_. ]+", name.lower().rpartition("--")[2])
  while words and words[-1] in _WORDS:
    words.pop()
  return "".join(words)


class Place:
  """A folder, or an archive that is opened when it is first asked for."""

  def __init__(self, folder: Folder | None, archive: Path | None, is_named: bool, limit: int,
               stack: contextlib.ExitStack):
    """Either `folder` or `archive` is there.

    Args:
      folder: the place itself.
      archive: the place is what it holds.
      is_named: whether the name says that the set is there.
      limit: how many bytes an archive may unpack to.
      stack: keeps archives open.
    """
    self._folder, self._archive, self._limit, self._stack = folder, archive, limit, stack
    self._is_named = is_named
    self._error: DataSetError | None = None  # Why the archive cannot be opened, once that is known.

  @property
  def folder(self) -> Folder:
    """The folder itself.

    Raises:
      DataSetError: the archive cannot be read.
    """
    if self._error is not None:
      raise self._error
    if self._folder is None:
      try:
        self._folder = self._stack.enter_context(listing.archive(self._archive, self._limit))
      except DataSetError as error:
        self._error = error
        raise
    return self._folder

  def folders(self, is_nested: bool) -> Iterator[Folder]:
    """Yields the folder and, if `is_nested`, those below in which files of the set may be.

    Raises:
      DataSetError: a folder or archive cannot be read.
    """
    if not is_nested:
      yield self.folder
    elif self._is_named:
      yield from self.folder.walk(_DEPTH_INSIDE)
    else:
      yield self.folder
      yield from (below for name, below in self.folder.folders.items() if name.lower() in _NEUTRAL)


def levels(root: Path, spec: Spec, stack: contextlib.ExitStack) -> Iterator[list[Place]]:
  """Yields the places where a set may be, all those of the same distance together.

  Args:
    root: the data folder; a folder of the set itself is one, too.
    spec: of the set.
    stack: keeps archives open as long as places are read.

  Raises:
    DataSetError: the data folder cannot be listed.
  """
  place = lambda folder, archive, is_named: Place(folder, archive, is_named, spec.max_bytes, stack)
  top = listing.on_disk(root)
  found, archives, folders = [place(top, None, known_as(root.name) in spec.aliases)], [], [top]
  for distance in range(_DEPTH + 1):
    others = []
    for folder in folders:
      try:
        folder.files
      except DataSetError:
        if distance:  # A folder of somebody else that may not be listed, such as lost+found.
          continue
        raise
      for name, below in folder.folders.items():
        if known_as(name) in spec.aliases:
          found.append(place(below, None, True))
        else:
          others.append(below)
      archives += [place(None, file.path, True) for name, file in folder.files.items()
                   if listing.is_archive(name)
                   and known_as(listing.without_ending(name)) in spec.aliases]
    yield found + archives
    found, archives, folders = [], [], others
