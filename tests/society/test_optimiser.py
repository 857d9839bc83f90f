"""Momentum, weight decay and rates, by hand."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.society import optimiser


class _Lesson(NamedTuple):
  rate: float
  forgets: bool = False


def _arrays(*values):
  return {"w": jnp.asarray(values, jnp.float32)}


def test_two_steps_by_hand():
  descent = optimiser.make_optimiser(0.9, 0.1)
  params, momentum = descent.update(_arrays(1., -2.), descent.init(_arrays(10., 20.)),
                                    _arrays(10., 20.), _Lesson(0.5))
  # g + 0.1 theta = (2, 0).
  np.testing.assert_allclose(params["w"], [9., 20.])
  again, _ = descent.update(_arrays(0., 1.), momentum, params, _Lesson(1.))
  # 0.9 (2, 0) + (0.9, 3).
  np.testing.assert_allclose(again["w"], [9 - 2.7, 17.], rtol=1e-6)
  anew, _ = descent.update(_arrays(0., 1.), momentum, params, _Lesson(1., forgets=True))
  np.testing.assert_allclose(anew["w"], [9 - 0.9, 17.], rtol=1e-6)


def test_rates():
  constant = optimiser.make_schedule("constant", 0.3, num_steps=10, warmup_steps=4)
  assert float(constant(0)) == float(constant(9)) == pytest.approx(0.3)
  cosine = optimiser.make_schedule("warmup_cosine", 0.4, num_steps=12, warmup_steps=4)
  np.testing.assert_allclose([cosine(step) for step in (0, 2, 4, 8, 12)], [0, 0.2, 0.4, 0.2, 0],
                             atol=1e-7)
  short = optimiser.make_schedule("warmup_cosine", 0.4, num_steps=2, warmup_steps=100)
  np.testing.assert_allclose([short(step) for step in (0, 1, 2)], [0, 0.4, 0], atol=1e-7)
