"""MNIST-360: digits 0 to 8 turn slowly, two at a time, three times around; one pass, no tasks.

Every digit's images are cut into six chunks; three rounds visit the pairs (0, 1), (1, 2) … (8, 0),
and a digit gives one chunk to each of its six visits, the last chunk first. The q-th image served
of digit j, from 0, is turned by (j - 1) 60 + q 360 / n_j degrees: each digit turns once.

Shapes: `S` steps, `B` batch, `n` images.
Source: Buzzega et al. 2020, and the published code of SYNERgy and Dynamos. That code draws images
with replacement, in examinations too; here only the option `mnist360_form="reference"` does so, and
only in training.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from socialized_learning.platform.errors import UserError
from socialized_learning.streams import plans
from socialized_learning.streams import pools
from socialized_learning.streams import rotation
from socialized_learning.streams.definitions import Request
from socialized_learning.streams.types import Examples
from socialized_learning.streams.types import Plan
from socialized_learning.streams.types import Stream

NUM_DIGITS = 9
NUM_ROUNDS = 3
NUM_CHUNKS = 2 * NUM_ROUNDS  # A digit is in two pairs of every round.
_ENOUGH_IMAGES = 36  # From here on no chunk is empty, whatever the remainder.


class Batch(NamedTuple):
  """What one step takes of the two digits of a pair, the images of the first before the others."""
  digits: tuple[int, int]
  visits: tuple[int, int]  # The how-manieth visit this is to each digit, from 0.
  counts: tuple[int, int]


def chunk_sizes(num_images: int) -> list[int]:
  """Sizes of a digit's chunks in the order of the data set: all floor(n / 6) + 1 but the last."""
  size = num_images // NUM_CHUNKS + 1
  return [min(size, max(0, num_images - chunk * size)) for chunk in range(NUM_CHUNKS)]


def batches(num_images: Sequence[int], batch_size: int) -> Iterator[Batch]:
  """The steps of the stream.

  Both digits of a pair are used up at the same pace; once one is, the rest of the other is dropped.

  Args:
    num_images: [9], images of each digit.
    batch_size: B.
  """
  visits = [0] * NUM_DIGITS
  for first in list(range(NUM_DIGITS)) * NUM_ROUNDS:
    digits = (first, (first + 1) % NUM_DIGITS)
    now = (visits[digits[0]], visits[digits[1]])
    left = [chunk_sizes(num_images[digit])[NUM_CHUNKS - 1 - visit]
            for digit, visit in zip(digits, now)]
    while min(left) > 0:
      # Python rounds halves to even, and so does the published code.
      count = min(round(batch_size * left[0] / sum(left)), left[0])
      other = min(batch_size - count, left[1])
      left = [left[0] - count, left[1] - other]
      yield Batch(digits, now, (count, other))
    for digit in digits:
      visits[digit] += 1


def build(request: Request) -> Stream:
  """Builds the stream as one task.

  Raises:
    UserError: more than one epoch, no shuffling where images are drawn, or too few of a digit.
  """
  if request.num_epochs != 1:
    raise UserError(f"{request.name} is one pass over its images: use num_epochs=1, not "
                    f"{request.num_epochs}")
  if request.options.mnist360_form == "reference" and not request.options.shuffle:
    raise UserError("stream.mnist360_form='reference' draws its images: leave stream.shuffle at True")
  train = _by_digit(request.train, request.name, "train on", _ENOUGH_IMAGES)
  tests = _by_digit(request.test, request.name, "be examined on", 1)
  plan = _plan(train, request)
  seen = Examples(plan.index[plan.valid], plan.view[plan.valid])
  first_view = sum(map(len, train))  # Views of examinations lie behind those of training.
  index = np.concatenate(tests)
  examined = Examples(index, first_view + np.arange(len(index), dtype=np.int32))
  turns = ([_full_turn(len(images), (digit - 1) * 60) for digit, images in enumerate(train)]
           + [_full_turn(len(images), 0) for images in tests])
  labels = np.arange(request.source.num_classes, dtype=np.int32)
  return Stream(
      name=request.name,
      setting=request.setting,
      num_outputs=request.options.mnist360_outputs,
      label_map=np.where(labels < NUM_DIGITS, labels, np.int32(-1)),
      task_classes=None,
      views=rotation.views(np.concatenate(turns), request.source.image_shape),
      augment=request.source.augment,
      normalise=request.source.normalise,
      plan=plan,
      tests=plans.test_sets([examined], request),
      train_of_task=(seen,))


def _by_digit(pool: pools.Pool, name: str, purpose: str, least: int) -> list[np.ndarray]:
  """Positions of each digit's images."""
  images = [pool.of_classes(np.array([digit])) for digit in range(NUM_DIGITS)]
  for digit, positions in enumerate(images):
    if len(positions) < least:
      raise UserError(f"{name} has {len(positions)} images of digit {digit} to {purpose}: it needs "
                      f"at least {least} of each digit from 0 to {NUM_DIGITS - 1}")
  return images


def _full_turn(num_images: int, start: float) -> np.ndarray:
  """Angles [n] of a digit's images in the order in which they are served, in degrees."""
  return (start + np.arange(num_images) * 360 / num_images) % 360


def _plan(images: Sequence[np.ndarray], request: Request) -> Plan:
  """Batches of positions and views; the views of a digit lie behind those of smaller digits."""
  sizes = [len(positions) for positions in images]
  steps = list(batches(sizes, request.batch_size))
  index = np.zeros((len(steps), request.batch_size), np.int32)
  view = np.zeros_like(index)
  valid = np.zeros(index.shape, bool)
  next_view = np.cumsum([0, *sizes])
  served, taken = {}, {}
  for step, batch in enumerate(steps):
    start = 0
    for digit, visit, count in zip(*batch):
      visited = (digit, visit)
      if visited not in served:
        served[visited] = _serving(images[digit], digit, visit, request)
        taken[visited] = 0
      places = slice(start, start + count)
      index[step, places] = served[visited][taken[visited]:taken[visited] + count]
      view[step, places] = next_view[digit] + np.arange(count)
      valid[step, places] = True
      taken[visited] += count
      next_view[digit] += count
      start += count
  return Plan(index, view, valid, np.array([len(steps)], np.int64))


def _serving(images: np.ndarray, digit: int, visit: int, request: Request) -> np.ndarray:
  """One chunk of a digit in the order in which it is served, at most all of it."""
  chunk = NUM_CHUNKS - 1 - visit
  size = len(images) // NUM_CHUNKS + 1
  images = images[chunk * size:(chunk + 1) * size]
  rng = pools.generator(request.seed, "mnist360", digit, visit)
  if request.options.mnist360_form == "reference":
    return rng.choice(images, len(images))
  return rng.permutation(images) if request.options.shuffle else images
