"""Inputs with mean zero: pixels share a bright average that would hide how they differ."""

from collections.abc import Mapping
import copy

from emcom_datasets import Split
import numpy as np

from socialized_learning.platform.errors import UserError


def centre(splits: Mapping[str, Split], train: Split) -> dict[str, Split]:
  """The same splits with inputs `(x - mean) / std`, by the training split `train`.

  The mean is each feature's own; the standard deviation is one number for all features, so that a
  pixel that hardly ever changes stays quiet.

  Raises:
    UserError: the inputs are not in memory.
  """
  for split in (train, *splits.values()):
    if not split.resident:
      raise UserError(f"data.centre=True needs a data set in memory, {split.name} is read on demand: "
                      "use data.centre=False")
  mean = train.rows.inputs.mean(axis=0, dtype=np.float64)
  deviation = np.sqrt(np.mean(np.square(train.rows.inputs - mean)))

  def centred(split):
    changed = copy.copy(split)
    inputs = ((split.rows.inputs - mean) / deviation).astype(np.float32)
    changed.rows = split.rows._replace(inputs=inputs)
    return changed

  return {name: centred(split) for name, split in splits.items()}
