"""Generalised class-incremental learning: every phase draws its own classes, and their sizes.

Classes come back, phases differ in size, and no training image is used twice. All phases are drawn
up front from one legacy NumPy generator, in the order of the published code, so that they are the
same for every method, memory and seed of a run.

The draws refer to classes by their first image and to images by their place in the class, so that
they depend on the order of the images. The published code has the order of CIFAR-100's official
files, and its generator is shared with the memory: of the published phases only the first is the
same for all methods, phases 2 to 20 differ with method, slots, batch size and epochs.

Shapes: `n` images, `m` classes of a phase, `k` images of a phase.
Source: Mi et al. 2020; `datasets/gcil_cifar100.py` of SYNERgy and CLS-ER.
"""

from typing import NamedTuple

import numpy as np

from socialized_learning.platform.errors import UserError
from socialized_learning.streams import plans
from socialized_learning.streams.definitions import Request
from socialized_learning.streams.options import Options
from socialized_learning.streams.types import Stream

LONG_TAIL = 0.984  # Weight of class c, the source's label, is this to the power c.
# A phase's labels are drawn again until all of its classes are among them: with sizes that fit,
# twice is rare; with others it would never end.
_MOST_DRAWS = 1000


class Phase(NamedTuple):
  """What one phase trains on."""
  classes: np.ndarray  # [m], the source's labels in the order in which they were drawn.
  places: np.ndarray  # [k], places in the array of labels, class by class.


def draw_phases(labels: np.ndarray, num_phases: int, options: Options) -> list[Phase]:
  """Draws all phases.

  Args:
    labels: [n], in the order of the images.
    num_phases: how many.
    options: those of gcil.

  Raises:
    UserError: the images do not last, or a phase is too small for its classes.
  """
  rng = np.random.RandomState(options.gcil_seed)
  _, first = np.unique(labels, return_index=True)
  # Classes in the order of their first image, as the published code has them.
  left = {label: np.flatnonzero(labels == label) for label in labels[np.sort(first)].tolist()}
  phases = []
  for number in range(num_phases):
    there = np.array([label for label, places in left.items() if len(places)])
    if not there.size:
      raise UserError(f"stream.num_tasks={num_phases}: after {number} phases no images are left; use at "
                      f"most {number}, or a smaller stream.gcil_phase_size")
    num_classes = 1 + rng.randint(min(len(there), options.gcil_max_classes))
    classes = rng.choice(there, num_classes, replace=False)
    counts = _class_counts(rng, classes, number, options)
    parts = []
    for label, count in zip(classes.tolist(), counts.tolist()):
      size = min(count, len(left[label]))
      chosen = rng.choice(len(left[label]), size, replace=False)
      parts.append(left[label][chosen])
      left[label] = np.delete(left[label], chosen)
    phases.append(Phase(classes, np.concatenate(parts)))
  return phases


def _class_counts(rng: np.random.RandomState, classes: np.ndarray, number: int, options: Options
                 ) -> np.ndarray:
  """How often each class of a phase was drawn, [m], at least once each."""
  weights = LONG_TAIL ** classes if options.gcil_weights == "longtail" else np.ones(len(classes))
  if len(classes) <= options.gcil_phase_size:
    for _ in range(_MOST_DRAWS):
      drawn = rng.choice(len(classes), options.gcil_phase_size, p=weights / weights.sum())
      counts = np.bincount(drawn, minlength=len(classes))
      if counts.all():
        return counts
  raise UserError(
      f"stream.gcil_phase_size={options.gcil_phase_size} is too small for the {len(classes)} classes of "
      f"phase {number + 1}: use a larger one, or a stream.gcil_max_classes below "
      f"{options.gcil_max_classes}")


def build(request: Request) -> Stream:
  """Builds the stream: outputs are the classes in the order in which they first appear.

  A phase is examined on all classes seen so far. One that is smaller than a batch has no step.

  Raises:
    UserError: see `draw_phases`.
  """
  source, pool = request.source, request.train
  phases = draw_phases(pool.label, request.num_tasks, request.options)
  train = tuple(plans.seen_as(pool.index[phase.places], 0) for phase in phases)
  seen = [np.concatenate([phase.classes for phase in phases[:number + 1]])
          for number in range(len(phases))]
  tests = [plans.seen_as(request.test.of_classes(classes), 0) for classes in seen]
  label_map = np.full(source.num_classes, -1, np.int32)
  _, first = np.unique(seen[-1], return_index=True)
  order = seen[-1][np.sort(first)]
  label_map[order] = np.arange(len(order))
  nested = np.array([np.isin(np.arange(source.num_classes), label_map[classes])
                     for classes in seen])
  return Stream(
      name=request.name,
      setting=request.setting,
      num_outputs=source.num_classes,
      label_map=label_map,
      task_classes=None,
      views=plans.AS_IT_IS,
      augment=source.augment,
      normalise=source.normalise,
      plan=plans.of_epochs(train, request, may_be_empty=True),
      tests=plans.test_sets(tests, request)._replace(nested=nested),
      train_of_task=train)
