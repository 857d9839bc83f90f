"""Domain-incremental streams: all classes in every task, each task with a look of its own.

Shapes: `T` tasks, `P` pixels of an image.
Source: Kirkpatrick et al. 2017 (permutations), Lopez-Paz and Ranzato 2017 (rotations), as in
Mammoth and CLS-ER.
"""

import numpy as np

from socialized_learning.streams import plans
from socialized_learning.streams import pools
from socialized_learning.streams import rotation
from socialized_learning.streams.definitions import Request
from socialized_learning.streams.types import PERMUTATION
from socialized_learning.streams.types import Stream
from socialized_learning.streams.types import Views

HALF_TURN = 180.0  # Angles are below it, in degrees.


def rotated(request: Request) -> Stream:
  """Every task turns all images by one angle, uniform in [0, 180) degrees; the first task too."""
  angles = [pools.generator(request.seed, "angle", task).uniform(0, HALF_TURN)
            for task in range(request.num_tasks)]
  return _build(request, rotation.views(angles, request.source.image_shape))


def permuted(request: Request) -> Stream:
  """Every task permutes the pixels of all images in one way; the first task too."""
  height, width, _ = request.source.image_shape
  permutations = np.stack([
      pools.generator(request.seed, "permutation", task).permutation(height * width)
      for task in range(request.num_tasks)])
  return _build(request, Views(PERMUTATION, permutations.astype(np.int32)))


def _build(request: Request, views: Views) -> Stream:
  """All images in every task; view t is that of task t, in training and in its examination."""
  source = request.source
  train = tuple(plans.seen_as(request.train.index, task) for task in range(request.num_tasks))
  tests = [plans.seen_as(request.test.index, task) for task in range(request.num_tasks)]
  return Stream(
      name=request.name,
      setting=request.setting,
      num_outputs=source.num_classes,
      label_map=np.arange(source.num_classes, dtype=np.int32),
      task_classes=None,
      views=views,
      augment=source.augment,
      normalise=source.normalise,
      plan=plans.of_epochs(train, request),
      tests=plans.test_sets(tests, request),
      train_of_task=train)
