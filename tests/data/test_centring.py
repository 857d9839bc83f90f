"""Inputs with mean zero."""

from unittest import mock

import emcom_datasets
from emcom_datasets import splits
import numpy as np
import pytest

from socialized_learning.data import centring
from socialized_learning.platform.errors import UserError


def _sets(*names):
  return {name: emcom_datasets.load("emoji_people", name) for name in names}


def test_training_inputs_have_mean_zero_and_other_splits_follow_them():
  raw = _sets("train", "test")
  centred = centring.centre(raw, raw["train"])
  inputs = centred["train"].rows.inputs
  np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-5)
  np.testing.assert_allclose(inputs.std(), 1, rtol=1e-4)
  mean = raw["train"].rows.inputs.mean(axis=0)
  scale = np.sqrt(np.square(raw["train"].rows.inputs - mean).mean())
  items = np.array([5, 0])
  np.testing.assert_allclose(centred["test"].take(items).inputs,
                             (raw["test"].take(items).inputs - mean) / scale, atol=1e-4)
  assert raw["test"].rows.inputs.min() >= 0  # The set itself stays as it was.
  assert len(centred["test"]) == len(raw["test"])


def test_a_split_is_centred_the_same_whether_the_training_split_is_among_them_or_not():
  raw = _sets("train", "test")
  alone = centring.centre({"a name": raw["test"]}, raw["train"])
  assert alone.keys() == {"a name"}
  expected = centring.centre(raw, raw["train"])["test"]
  np.testing.assert_array_equal(alone["a name"].rows.inputs, expected.rows.inputs)
  assert alone["a name"].rows.labels is raw["test"].rows.labels


def _split(inputs):
  rows = splits.Rows(np.array(inputs, np.float32), {}, {})
  return splits.ResidentSplit(
      "made", "train", rows, names=["x"] * len(inputs), num_classes={})


def test_one_deviation_for_all_features_by_hand():
  # Means 2 and 10; distances 1, 1 and 7, 7: sqrt((1 + 1 + 49 + 49) / 4) = 5.
  train = _split([[1, 3], [3, 17]])
  centred = centring.centre({"other": _split([[7, 10], [2, 0]])}, train)["other"].rows.inputs
  assert centred.dtype == np.float32
  np.testing.assert_allclose(centred, [[1, 0], [0, -2]], atol=1e-7)


@pytest.mark.parametrize("absent", ["test", "train"])
def test_a_set_read_on_demand(absent):
  sets = _sets("train", "test") | {absent: mock.MagicMock(resident=False)}
  with pytest.raises(UserError, match="data.centre=False"):
    centring.centre({"test": sets["test"]}, sets["train"])
