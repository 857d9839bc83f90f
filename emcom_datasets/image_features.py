"""Features of images: from an encoder, a Python callable, or from a file.

An encoder takes images [B, 224, 224, 3] uint8 and returns features [B, D] float, of any width D.
The images are prepared as published: short side resized to 256 (bicubic), then the central square
of 224. Normalising them is the encoder's business; that of the published sets subtracted the mean
(0.485, 0.456, 0.406) and divided by the standard deviation (0.229, 0.224, 0.225) of ImageNet, on a
scale from 0 to 1.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
import importlib
import os
from pathlib import Path
import traceback

import numpy as np
from PIL import Image

from emcom_datasets.errors import DataSetError
from emcom_datasets.errors import one_line
from emcom_datasets.progress import Progress

Encoder = Callable[[np.ndarray], np.ndarray]

SIDE = 224
_SHORT_SIDE = 256
_CHUNK = 4096


def load_image(path: Path) -> np.ndarray:
  """Returns an image as encoders see it, [224, 224, 3] uint8.

  Raises:
    DataSetError: the file cannot be read, or is no image.
  """
  try:
    with Image.open(path) as file:
      image = file.convert("RGB")
    scale = _SHORT_SIDE / min(image.size)
    size = tuple(max(_SHORT_SIDE, round(side * scale)) for side in image.size)
    left, top = ((side - SIDE) // 2 for side in size)
    resized = image.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + SIDE, top + SIDE)))
  except Exception as error:  # Of damaged images Pillow makes many kinds.
    raise DataSetError(f"{path}: cannot be read as an image ({one_line(error)})") from error


def load_encoder(name: str) -> Encoder:
  """Imports `package.module:function`.

  Raises:
    DataSetError: it cannot be imported, or cannot be called.
  """
  module, _, function = name.partition(":")
  if not module or not function:
    raise DataSetError(f"--encoder={name}: expected package.module:function")
  try:
    encoder = getattr(importlib.import_module(module), function)
  except Exception as error:  # Whatever the user's module raises.
    raise DataSetError(f"--encoder={name}: cannot be imported ({one_line(error)})") from error
  if not callable(encoder):
    raise DataSetError(f"--encoder={name}: is a {type(encoder).__name__}, not a function")
  return encoder


def encode(encoder: Encoder, paths: Sequence[Path], batch_size: int, file: Path) -> np.ndarray:
  """Encodes images in order, each once.

  Args:
    encoder: see the top of this file.
    paths: of the images, at least one.
    batch_size: how many images the encoder is given at a time; the last batch may be smaller.
    file: is written to hold the features, which need not fit into memory.

  Returns:
    [N, D] float32 features, mapped from the file.

  Raises:
    DataSetError: an image cannot be read, or the encoder fails or returns something else.
  """
  progress = Progress("encoded", len(paths), "images")
  width = None
  with open(file, "wb") as written:
    for start, images in _batches(paths, batch_size):
      rows = _encoded(encoder, images, start, width)
      width = rows.shape[1]
      written.write(rows.tobytes())
      progress.add(len(rows))
  return np.memmap(file, np.float32, "r", shape=(len(paths), width))


def open_features(path: Path, num_images: int) -> np.ndarray:
  """Opens precomputed features, a `.npy` file with one row for each image, in order.

  Returns:
    [N, D] floats, mapped from the file.

  Raises:
    DataSetError: the file cannot be read, holds something else, another number of rows or a value
      that is not finite.
  """
  try:
    features = np.load(path, mmap_mode="r", allow_pickle=False)
  except Exception as error:  # Of damaged files NumPy makes many kinds.
    raise DataSetError(f"{path}: cannot be read as a .npy file ({one_line(error)})") from error
  if not isinstance(features, np.ndarray):
    features.close()
    raise DataSetError(f"{path}: is an archive of arrays; --features takes one array, a .npy file")
  if features.ndim != 2 or features.dtype.kind != "f" or not features.shape[1]:
    raise DataSetError(f"{path}: holds {features.dtype}{list(features.shape)}, expected one row of "
                       "float features for each image")
  if len(features) != num_images:
    raise DataSetError(f"{path}: holds {len(features):,} rows for {num_images:,} images; "
                       "--list_order prints the images in order")
  for start in range(0, num_images, _CHUNK):
    finite = np.isfinite(_as_float32(features[start:start + _CHUNK])).all(axis=1)
    if not finite.all():
      raise DataSetError(f"{path}: row {start + int(finite.argmin())} (counted from 0) holds a "
                         "value that is not a finite float32")
  return features


def _batches(paths: Sequence[Path], batch_size: int) -> Iterator[tuple[int, np.ndarray]]:
  """Yields where a batch starts and its images; the next is read while one is encoded."""
  with futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
    read = lambda start: [pool.submit(load_image, path) for path in paths[start:start + batch_size]]
    ahead = read(0)
    for start in range(0, len(paths), batch_size):
      batch, ahead = ahead, read(start + batch_size)
      yield start, np.stack([image.result() for image in batch])


def _encoded(encoder: Encoder, images: np.ndarray, start: int, width: int | None) -> np.ndarray:
  """Returns the features [B, D] float32 of one batch; D is `width` unless that is None."""
  where = f"the encoder, given images {start} to {start + len(images) - 1} of the order,"
  try:
    rows = np.asarray(encoder(images))
  except Exception as error:
    place = traceback.extract_tb(error.__traceback__)[-1]
    raise DataSetError(f"{where} failed in {place.filename}, line {place.lineno} "
                       f"({one_line(error)})") from error
  if rows.ndim != 2 or len(rows) != len(images) or not rows.shape[1] or rows.dtype.kind in "biuOSU":
    raise DataSetError(f"{where} returned {rows.dtype}{list(rows.shape)}, expected float features "
                       f"[{len(images)}, D]")
  if width is not None and rows.shape[1] != width:
    raise DataSetError(f"{where} returned {rows.shape[1]} features an image, {width} before")
  rows = _as_float32(rows)
  if not np.isfinite(rows).all():
    raise DataSetError(f"{where} returned a value that is not a finite float32")
  return rows


def _as_float32(rows: np.ndarray) -> np.ndarray:
  with np.errstate(over="ignore"):  # What is too large becomes infinite, which is looked for.
    return rows.astype(np.float32)
