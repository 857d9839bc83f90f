"""Writes tiny image sets in every format, and says how a set that cannot be read is refused."""

import gzip
import io
from pathlib import Path
import struct
from typing import Any
import zipfile

import numpy as np
from PIL import Image
import pytest
from scipy import io as matlab

from socialized_learning.data import sources
from socialized_learning.platform.errors import UserError


def error(name: str, folder: Path, **kwargs: Any) -> str:
  """Loads a set that cannot be had; returns the one-line message this raises."""
  with pytest.raises(UserError) as caught:
    sources.load(name, data_dir=folder, **kwargs)
  assert "\n" not in str(caught.value)
  return str(caught.value)


def pixels(seed: int, *shape: int) -> np.ndarray:
  return np.random.RandomState(seed).randint(256, size=shape).astype(np.uint8)


def check(images: sources.Images, expected: np.ndarray, labels: Any) -> None:
  """Checks one split: what it holds, its types, and that nobody can change it."""
  np.testing.assert_array_equal(images.images, expected)
  np.testing.assert_array_equal(images.labels, labels)
  assert images.images.dtype == np.uint8 and images.labels.dtype == np.int32
  assert images.images.flags.c_contiguous
  for array in images:
    with pytest.raises(ValueError, match="read-only"):
      array[0] = 0


def idx(array: np.ndarray) -> bytes:
  """An array as the content of an idx file."""
  return (bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
          + array.astype(np.uint8).tobytes())


def write_idx(folder: Path, train: int = 7, test: int = 4, pack: bool = False,
              pattern: str = "{}-ubyte") -> None:
  """Writes MNIST's four files; images of the part of `n` images are `pixels(n, n, 28, 28)`."""
  folder.mkdir(parents=True, exist_ok=True)
  for part, number in (("train", train), ("t10k", test)):
    for name, array in ((f"{part}-images-idx3", pixels(number, number, 28, 28)),
                        (f"{part}-labels-idx1", np.arange(number) % 10)):
      data = gzip.compress(idx(array)) if pack else idx(array)
      (folder / (pattern.format(name) + (".gz" if pack else ""))).write_bytes(data)


def write_mnist_npz(folder: Path, **changes: np.ndarray) -> dict[str, np.ndarray]:
  """Writes `mnist.npz`; a change of None leaves an array out."""
  arrays = {"x_train": pixels(5, 5, 28, 28), "y_train": np.arange(5, dtype=np.uint8),
            "x_test": pixels(3, 3, 28, 28), "y_test": np.uint8([9, 8, 7])} | changes
  np.savez(folder / "mnist.npz", **{key: a for key, a in arrays.items() if a is not None})
  return arrays


def write_svhn(path: Path, images: np.ndarray, labels: Any) -> None:
  """Writes one file of SVHN from images [N, 32, 32, 3]."""
  matlab.savemat(path, {"X": images.transpose(1, 2, 3, 0),
                        "y": np.array(labels, np.uint8).reshape(-1, 1)}, do_compression=True)


def encoded(image: np.ndarray, kind: str = "PNG", **kwargs: Any) -> bytes:
  file = io.BytesIO()
  Image.fromarray(image).save(file, kind, **kwargs)
  return file.getvalue()


def write_sheets(path: Path, num_rows: dict[str, int]) -> dict[str, np.ndarray]:
  """Writes a CIFAR-100 zip of WebP sheets; returns the images of each split, class by class."""
  made = {}
  with zipfile.ZipFile(path, "w") as archive:
    for split, rows in num_rows.items():
      made[split] = pixels(rows, 100, 25 * rows, 32, 32, 3) // 64
      for label, images in enumerate(made[split]):
        sheet = np.vstack([np.hstack(list(row)) for row in images.reshape(rows, 25, 32, 32, 3)])
        archive.writestr(f"{split}/{label:02d}.webp",
                         encoded(sheet, "WEBP", lossless=True, quality=0, method=0))
      made[split] = made[split].reshape(-1, 32, 32, 3)
  return made
