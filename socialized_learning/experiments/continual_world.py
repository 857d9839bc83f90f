"""What a continual-learning run sees: images, the members' plans, views, tasks and test sets.

All that does not change lies on the device once, as bytes, whatever the number of members.

Shapes: `N` members, `n` examples of a task or a test set, `O` outputs.
"""

from collections.abc import Mapping
import functools
from typing import Any

import chex
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning import learners
from socialized_learning import streams
from socialized_learning.data import sources
from socialized_learning.streams import augmentation
from socialized_learning.streams import joint
from socialized_learning.streams import transforms


@functools.cache
def _load(name, data_dir, download, order):
  return sources.load(name, data_dir=data_dir or None, download=download, order=order)


def load_images(config: config_dict.ConfigDict) -> sources.ImageSet:
  """The images that the stream is made of."""
  return _load(config.data.name, config.data.dir, config.data.download, config.data.order)


def plan(config: config_dict.ConfigDict) -> tuple[streams.Stream, ...]:
  """The stream as each member meets it: the members' seeds follow each other."""
  options = {name: value for name, value in config.stream.items() if name not in ("name", "seed")}
  return _plan(config.stream.name, config.data.name, config.data.dir, config.data.download,
               config.data.order, config.batch_size, config.num_epochs, config.stream.seed,
               config.population.size, config.method == "joint", tuple(sorted(options.items())))


@functools.lru_cache(maxsize=2)
def _plan(name, source, data_dir, download, order, batch_size, num_epochs, seed, size, is_joint,
          options):
  images = _load(source, data_dir, download, order)
  make = lambda member: streams.make(
      name, images.train.labels, images.test.labels, batch_size=batch_size, num_epochs=num_epochs,
      seed=seed + member, options=dict(options))
  planned = tuple(make(member) for member in range(size))
  if is_joint:
    planned = tuple(joint.all_at_once(stream, batch_size, num_epochs, seed + member)
                    for member, stream in enumerate(planned))
  return planned


def make_world(images: sources.ImageSet, planned: tuple[streams.Stream, ...]) -> dict[str, Any]:
  """All that does not change and lies on the device once: bytes, labels, the members' views."""
  stream = planned[0]
  tested = images.train if stream.tests.from_train else images.test
  table = np.stack([member.views.table for member in planned])
  return {
      "train": images.train.images, "labels": stream.label_map[images.train.labels],
      "test": tested.images, "test_labels": stream.label_map[tested.labels],
      "table": table}


def show(stream: streams.Stream, images: chex.Array, table: chex.Array, index: chex.Array,
         view: chex.Array, keys: chex.Array | None) -> chex.Array:
  """Images as a network reads them: looked at, augmented if there are keys, normalised."""
  views = transforms.DeviceViews(table, stream.views.kind)
  look = transforms.look if view.ndim else transforms.look_alike
  shown = look(views, images[index], view)
  if keys is not None:
    shown = augmentation.augment(stream.augment, shown, keys)
  return augmentation.normalise(shown, stream.normalise)


def world_of(stream: streams.Stream, constants: Mapping[str, Any], table: chex.Array
             ) -> learners.World:
  """What a learner sees of one member's images."""
  black = jnp.zeros((1, 1, 1, constants["train"].shape[-1]), jnp.uint8)
  return learners.World(
      functools.partial(show, stream, constants["train"], table), constants["labels"],
      augmentation.normalise(black, stream.normalise)[0, 0, 0])


def task_record(planned: tuple[streams.Stream, ...], task: int) -> learners.Task:
  """What a learner may know of a task, for all members: examples [N, n], n the same for all tasks."""
  most = max(len(of.index) for stream in planned for of in stream.train_of_task)
  fill = lambda x: np.pad(x, (0, most - len(x)))
  examples = [stream.train_of_task[task] for stream in planned]
  index, view = (np.stack([fill(getattr(of, name)) for of in examples]) for name in ("index", "view"))
  valid = np.stack([np.arange(most) < len(of.index) for of in examples])
  outputs = outputs_of_tasks(planned[0])
  return learners.Task(
      np.int32(task), learners.Batch(index.astype(np.int32), view.astype(np.int32), valid,
                                     np.arange(most, dtype=np.int32)),
      outputs[task], outputs[:task + 1].any(axis=0))


def outputs_of_tasks(stream: streams.Stream) -> np.ndarray:
  """The outputs of each task, [T, O] bool: all of them where tasks have no outputs of their own."""
  if stream.task_classes is not None:
    return stream.task_classes
  return np.ones((len(stream.plan.task_ends), stream.num_outputs), bool)


def test_set(planned: tuple[streams.Stream, ...], task: int) -> tuple[np.ndarray, ...]:
  """Index, view and validity [N, n] of a test set, and the outputs of its task [O].

  Where all images are looked at alike the view is one number for each member, [N].
  """
  index, view, valid = (np.stack([getattr(stream.tests, name)[task] for stream in planned])
                        for name in ("index", "view", "valid"))
  if all(len(np.unique(of_member[there])) == 1 for of_member, there in zip(view, valid, strict=True)):
    view = np.max(view * valid, axis=1)
  return index, view, valid, outputs_of_tasks(planned[0])[task]
