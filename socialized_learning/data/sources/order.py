"""The order of the images of a set, which streams and held-out parts are cut from by position.

Files of one set hold the same images in different orders: the official files of CIFAR are shuffled,
archives are often sorted by class, and TFDS has an order of its own.
"""

import hashlib

import numpy as np

from socialized_learning.data.sources.source import Images

# "content": the same for the same images, whatever files hold them. "files": as the files have it.
ORDERS = ("content", "files")


def by_content(images: Images) -> Images:
  """The same images, ordered by a hash of their pixels; read-only copies.

  A hash rather than the pixels themselves, because images that are close in a lexicographic order
  look alike, and a part of the set must be like every other part. Images with equal pixels are
  ordered by label; which of two equal images with equal labels comes first makes no difference.
  """
  order = positions_by_content(*images)
  found = Images(images.images[order], images.labels[order])
  for array in found:
    array.setflags(write=False)
  return found


def positions_by_content(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Positions [N] of images [N, H, W, C] with labels [N] in the order of `by_content`."""
  rows = np.ascontiguousarray(images).reshape(len(images), -1).view(np.uint8)
  digests = b"".join(hashlib.sha256(row).digest() for row in rows)
  # As numbers of eight bytes each; big-endian, so that all machines order them alike.
  words = np.frombuffer(digests, ">u8").reshape(len(rows), -1)
  return np.lexsort((labels, *words.T[::-1]))
