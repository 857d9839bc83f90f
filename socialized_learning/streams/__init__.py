"""Continual-learning streams: what is seen at which step, planned once from a seed of its own.

A plan depends on the stream's name, the labels, the batch size, the epochs, the seed and the
options, and on nothing else: neither on the method and its memory nor on the run's randomness.
It holds positions, so that it is a plan of the same images only where these come in the same order:
`data.sources.load` with `order="content"` gives them one that does not depend on the files.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from socialized_learning.platform.errors import UserError
from socialized_learning.streams import class_incremental
from socialized_learning.streams import definitions
from socialized_learning.streams import domain_incremental
from socialized_learning.streams import gcil
from socialized_learning.streams import mnist360
from socialized_learning.streams import options as options_lib
from socialized_learning.streams import pools
from socialized_learning.streams.definitions import Definition
from socialized_learning.streams.definitions import Request
from socialized_learning.streams.options import Options
from socialized_learning.streams.types import CLASS_IL
from socialized_learning.streams.types import DOMAIN_IL
from socialized_learning.streams.types import Examples
from socialized_learning.streams.types import fingerprint
from socialized_learning.streams.types import GENERAL
from socialized_learning.streams.types import Plan
from socialized_learning.streams.types import Stream
from socialized_learning.streams.types import TestSets
from socialized_learning.streams.types import Views


__all__ = ("CLASS_IL", "DOMAIN_IL", "Examples", "GENERAL", "Options", "Plan", "STREAMS", "Stream",
           "TestSets", "Views", "fingerprint", "make")


def _classes(source: definitions.Source, num_tasks: int, classes_per_task: int) -> Definition:
  return Definition(source, CLASS_IL, num_tasks, classes_per_task, True, class_incremental.build,
                    ("num_tasks", "classes_per_task", "short_batch"))


def _domains(source: definitions.Source, build) -> Definition:
  return Definition(source, DOMAIN_IL, 20, 0, False, build, ("num_tasks", "short_batch"))


def _mnist360(source: definitions.Source) -> Definition:
  return Definition(source, GENERAL, 1, 0, False, mnist360.build,
                    ("mnist360_form", "mnist360_outputs"))


# Tasks and classes of each as in SYNERgy, CLS-ER, ESMER and Dynamos.
STREAMS: dict[str, Definition] = {
    "seq-mnist": _classes(definitions.MNIST, 5, 2),
    "seq-mnist5k": _classes(definitions.MNIST5K, 5, 2),
    "seq-svhn": _classes(definitions.SVHN, 5, 2),
    "seq-cifar10": _classes(definitions.CIFAR10, 5, 2),
    "seq-cifar100": _classes(definitions.CIFAR100, 5, 20),
    "seq-tinyimg": _classes(definitions.TINY_IMAGENET, 10, 20),
    "perm-mnist": _domains(definitions.MNIST, domain_incremental.permuted),
    "perm-mnist5k": _domains(definitions.MNIST5K, domain_incremental.permuted),
    "rot-mnist": _domains(definitions.MNIST, domain_incremental.rotated),
    "rot-mnist5k": _domains(definitions.MNIST5K, domain_incremental.rotated),
    "mnist-360": _mnist360(definitions.MNIST),
    "mnist5k-360": _mnist360(definitions.MNIST5K),
    "gcil-cifar100": Definition(
        definitions.CIFAR100, CLASS_IL, 20, 0, True, gcil.build,
        ("num_tasks", "short_batch", "gcil_seed", "gcil_phase_size", "gcil_max_classes",
         "gcil_weights")),
}


def make(name: str, train_labels: np.ndarray, test_labels: np.ndarray, *, batch_size: int,
         num_epochs: int, seed: int, options: Mapping[str, Any] | None = None) -> Stream:
  """Plans a stream.

  Args:
    name: one of `STREAMS`.
    train_labels: [n] labels of the source's training images, whole numbers from 0 on.
    test_labels: [m] labels of its test images; not looked at with validation.
    batch_size: images of a step, over all devices.
    num_epochs: passes over each task; 1 for the streams that are one pass.
    seed: of the plan; not negative.
    options: fields of `Options`, as a mapping or ConfigDict.

  Raises:
    UserError: there is no such stream, or it cannot be made of these images.
  """
  definition, chosen = _read(name, options)
  _check_at_least(1, batch_size=batch_size, num_epochs=num_epochs)
  _check_at_least(0, seed=seed)
  train, test = _pools(definition, train_labels, test_labels, chosen, seed)
  drop_short = {options_lib.GIVEN: definition.drop_short, "drop": True, "keep": False}
  request = Request(
      name=name,
      source=definition.source,
      setting=definition.setting,
      num_tasks=chosen.num_tasks or definition.num_tasks,
      classes_per_task=chosen.classes_per_task or definition.classes_per_task,
      drop_short=drop_short[chosen.short_batch],
      train=train,
      test=test,
      tests_from_train=chosen.validation > 0,
      batch_size=batch_size,
      num_epochs=num_epochs,
      seed=seed,
      options=chosen)
  return definition.build(request)


def _read(name: str, options: Mapping[str, Any] | None) -> tuple[Definition, Options]:
  if name not in STREAMS:
    raise UserError(f"there is no stream {name!r}: choose one of {', '.join(STREAMS)}")
  chosen = options_lib.read(options)
  options_lib.check_meant(chosen, name, STREAMS[name].understood)
  return STREAMS[name], chosen


def _check_at_least(least: int, **numbers: int) -> None:
  for name, value in numbers.items():
    if value < least:
      raise UserError(f"{name}={value}: a stream needs at least {least}")


def _pools(definition: Definition, train_labels: np.ndarray, test_labels: np.ndarray,
           options: Options, seed: int) -> tuple[pools.Pool, pools.Pool]:
  """The images to train on and those to be examined on."""
  num_classes = definition.source.num_classes
  train = pools.whole(train_labels, num_classes=num_classes, what="train_labels")
  if not options.validation:
    return train, pools.whole(test_labels, num_classes=num_classes, what="test_labels")
  # The phases of gcil are the same for all seeds of a run; so must be what they are drawn from.
  split_seed = options.gcil_seed if "gcil_seed" in definition.understood else seed
  return pools.split(train, options.validation, split_seed)
