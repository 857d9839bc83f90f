"""What every stream is made of: a source of images, a setting, a default size and who builds it."""

from collections.abc import Callable
from typing import NamedTuple

from socialized_learning.streams.options import Options
from socialized_learning.streams.pools import Pool
from socialized_learning.streams.types import Stream

_CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2615))
_TINY_IMAGENET = ((0.4802, 0.4480, 0.3975), (0.2770, 0.2691, 0.2821))


class Source(NamedTuple):
  """A set of labelled images, and how it is trained on (SYNERgy's and Dynamos's published code)."""
  name: str
  num_classes: int
  image_shape: tuple[int, int, int]  # Height, width, channels.
  augment: str = "none"
  normalise: tuple[tuple[float, ...], tuple[float, ...]] | None = None


MNIST = Source("mnist", 10, (28, 28, 1))
MNIST5K = Source("mnist5k", 10, (28, 28, 1))
SVHN = Source("svhn", 10, (32, 32, 3))
CIFAR10 = Source("cifar10", 10, (32, 32, 3), "crop_flip", _CIFAR10)
# With the constants of CIFAR-10, as published.
CIFAR100 = Source("cifar100", 100, (32, 32, 3), "crop_flip", _CIFAR10)
TINY_IMAGENET = Source("tinyimagenet", 200, (64, 64, 3), "crop_flip", _TINY_IMAGENET)


class Request(NamedTuple):
  """One stream, to be built."""
  name: str
  source: Source
  setting: str
  num_tasks: int
  classes_per_task: int
  drop_short: bool  # Whether the short last batch of an epoch is dropped.
  train: Pool
  test: Pool
  tests_from_train: bool
  batch_size: int
  num_epochs: int  # Of each task.
  seed: int
  options: Options


class Definition(NamedTuple):
  """A row of the table of streams."""
  source: Source
  setting: str
  num_tasks: int  # Unless options say otherwise.
  classes_per_task: int  # 0 where tasks are not made of a given number of classes.
  drop_short: bool  # The published handling of a short last batch.
  build: Callable[[Request], Stream]
  understood: tuple[str, ...]  # Options that mean something here, beside `options.COMMON`.
