"""Writes tiny folders like those of CelebA and ImageNet, and holds encoders for them."""

from pathlib import Path
import time

import numpy as np
from PIL import Image

# Two identities, 6 and 7 images: the 6th of each is held out.
IDENTITIES = (4, 9, 4, 4, 9, 9, 4, 4, 9, 9, 4, 9, 9)
PARTITION = (0, 0, 2, 1, 2, 0, 0, 0, 0, 1, 0, 0, 2)
SPLITS = {"train": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12), "valid": (10,), "test": (11,),
          "test_official": (2, 4, 12)}
ATTRIBUTES = ("5_o_Clock_Shadow", *(f"Attribute_{place}" for place in range(1, 40)))
LANDMARKS = tuple(f"{part}_{axis}" for part in ("lefteye", "righteye", "nose", "leftmouth",
                                                "rightmouth") for axis in "xy")
CLASSES = ("n01440764", "n01443537", "n02")


def names(num_images: int = len(IDENTITIES)) -> list[str]:
  return [f"{number + 1:06d}.jpg" for number in range(num_images)]


def flags() -> np.ndarray:
  """Attributes of the images, [N, 40] of -1 and 1."""
  return np.random.RandomState(1).choice([-1, 1], (len(IDENTITIES), len(ATTRIBUTES)))


def landmarks() -> np.ndarray:
  return np.random.RandomState(2).randint(-5, 200, (len(IDENTITIES), len(LANDMARKS)))


def write_annotations(folder: Path) -> None:
  """Writes the four official files, with their double blanks and blanks at the end of a line."""
  folder.mkdir(parents=True)
  table = lambda columns, rows: "\n".join(
      [str(len(IDENTITIES)), " ".join(columns) + " "]
      + [f"{name} " + " ".join(f"{value:2d}" for value in row) for name, row in zip(names(), rows)])
  pairs = lambda values: "\n".join(f"{name} {value}" for name, value in zip(names(), values))
  for file, text in (
      ("identity_CelebA", pairs(IDENTITIES)), ("list_eval_partition", pairs(PARTITION)),
      ("list_attr_celeba", table(ATTRIBUTES, flags())),
      ("list_landmarks_align_celeba", table(LANDMARKS, landmarks()))):
    (folder / f"{file}.txt").write_text(text + "\n")


def write_image(path: Path, seed: int) -> None:
  """Writes a small picture of its own colour, by its content a PNG whatever its name."""
  path.parent.mkdir(parents=True, exist_ok=True)
  random = np.random.RandomState(seed)
  pixels = random.randint(256, size=3) // 2 + random.randint(128, size=(11, 9, 3))
  Image.fromarray(pixels.astype(np.uint8)).save(path, "PNG")


def write_celeba(root: Path) -> None:
  """Writes `images/` and `annotations/`."""
  write_annotations(root / "annotations")
  for seed, name in enumerate(names()):
    write_image(root / "images" / name, seed)


def write_imagenet(root: Path, num_train: int = 4) -> None:
  """Writes `train/` and `val/` of three classes; the last has no image in `val/`."""
  for label, name in enumerate(CLASSES):
    for index in range(num_train):
      write_image(root / "train" / name / f"{name}_{index}.JPEG", 100 * label + index)
  for label, name in enumerate(CLASSES[:2]):
    write_image(root / "val" / name / f"ILSVRC2012_val_{label}.JPEG", 1000 + label)


def encode(images):
  """Mean colours on a grid of 2 x 2."""
  means = images.reshape(len(images), 2, 112, 2, 112, 3).mean((2, 4)) / 255
  return means.reshape(len(images), -1).astype(np.float32)


def slow(images):
  time.sleep(60)
  return encode(images)


def stopped(images):
  raise KeyboardInterrupt


def failing(images):
  raise ValueError("no weights\nhere")


def one_vector(images):
  return encode(images)[0]


def codes(images):
  return encode(images).astype(np.int64)


def nothing(images):
  del images


def infinite(images):
  return encode(images).astype(np.float64) + 1e300


def uneven(images):
  return encode(images)[:, :len(images)]


NOT_CALLABLE = 3
