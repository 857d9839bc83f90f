"""Inputs with mean zero."""

from unittest import mock

import emcom_datasets
import numpy as np
import pytest

from socialized_learning.data import centring
from socialized_learning.platform.errors import UserError


def test_training_inputs_have_mean_zero_and_other_splits_follow_them():
  raw = {name: emcom_datasets.load("emoji_people", name) for name in ("train", "test")}
  centred = centring.centre(raw)
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


def test_a_set_read_on_demand():
  with pytest.raises(UserError, match="data.centre=False"):
    centring.centre({"train": mock.MagicMock(resident=False)})
