"""What tells data apart."""

import emcom_datasets
import numpy as np
import pytest

from socialized_learning.data import centring
from socialized_learning.data import fingerprints

_ARRAYS = (np.arange(6, dtype=np.uint8).reshape(3, 2), np.array([0, 1, 0], np.int32))


@pytest.mark.parametrize("other", [
    (_ARRAYS[0][::-1], _ARRAYS[1]),  # Another order.
    (_ARRAYS[0].T, _ARRAYS[1]),
    (_ARRAYS[0].reshape(2, 3), _ARRAYS[1]),  # The same bytes.
    (_ARRAYS[0], _ARRAYS[1].astype(np.int64)),
    _ARRAYS[:1],
])
def test_other_arrays_have_another(other):
  mine = fingerprints.of_arrays(_ARRAYS)
  assert mine == fingerprints.of_arrays([x.copy() for x in _ARRAYS]) and len(mine) == 8
  assert fingerprints.of_arrays(other) != mine


def test_splits():
  load = lambda name: {
      split: emcom_datasets.load(name, split) for split in ("train", "valid", "test")}
  of = lambda splits: fingerprints.of_arrays(fingerprints.arrays_of(splits))
  people, emoji = load("emoji_people"), load("emoji")
  mine = of(people)
  assert mine == of(dict(reversed(people.items())))
  assert mine == of(centring.centre(people, people["train"]))
  assert mine == of(people | {"transfer": emoji["test"]})  # An examination that may be asked for.
  assert len({mine, of(emoji), of(people | {"test": people["valid"]}), of(load("mnist5k"))}) == 4
