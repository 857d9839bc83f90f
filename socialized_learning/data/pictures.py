"""Pictures of a data set's items as something to be drawn."""

import copy

from emcom_datasets import Split
import jax
import numpy as np

from socialized_learning.platform.errors import UserError

LABEL = "image"


def with_pictures(split: Split, size: int) -> Split:
  """The same split with its pictures as the label `image`: [N, size, size, C] from -1 to 1.

  Pictures of another size are resized bilinearly.

  Raises:
    UserError: the set holds no pictures.
  """
  if split.images is None or not split.resident:
    raise UserError(f"{split.name} holds no pictures to reconstruct: use emoji, emoji_people or "
                    "mnist5k, or another task")
  images = split.images.astype(np.float32) / 127.5 - 1
  if images.shape[1:3] != (size, size):
    shape = (len(images), size, size, images.shape[-1])
    images = np.asarray(jax.image.resize(images, shape, "bilinear"))
  changed = copy.copy(split)
  changed.rows = split.rows._replace(labels=split.rows.labels | {LABEL: images})
  changed.num_classes = split.num_classes | {LABEL: images.shape[-1]}
  return changed
