"""The written-down gradient of batch normalisation equals differentiating its formula."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.agents import batch_norm

_AXIS = "devices"
_EVERY, _SOME, _NONE = np.ones(4), np.array([1.0, 0, 1, 1]), np.zeros(4)


def _plain(x, scale, offset, weights, axis_name):
  """The formula, of which JAX makes the gradient."""
  total = lambda values: jax.lax.psum(values, axis_name) if axis_name else values
  column = weights.reshape(-1, *[1] * (x.ndim - 1))
  axes = tuple(range(x.ndim - 1))
  count = total(weights.sum()) * (x[0].size // x.shape[-1])
  mean = total((column * x).sum(axes)) / jnp.maximum(count, 1)
  var = total((column * (x - mean)**2).sum(axes)) / jnp.maximum(count, 1)
  var = jnp.where(count > 0, var, 1)
  return (x - mean) / jnp.sqrt(var + batch_norm.EPSILON) * scale + offset


def _gradients(normalise, weights, axis_name=None):
  """Output, and the gradients of all inputs, of a loss in which every value counts differently."""
  rng = np.random.default_rng(0)
  x, slope = rng.normal(3, 2, (2, 4, 3, 2, 5))
  scale, offset = rng.normal(size=(2, 5))

  def loss(x, scale, offset, weights, slope):
    return (slope * normalise(x, scale, offset, weights, axis_name)).sum()

  run = jax.value_and_grad(loss, argnums=(0, 1, 2))
  if axis_name is None:
    return run(x, scale, offset, weights, slope)
  halves = lambda a: a.reshape(2, 2, *a.shape[1:])
  return jax.vmap(run, in_axes=(0, None, None, 0, 0), axis_name=axis_name)(
      halves(x), scale, offset, halves(weights), halves(slope))


@pytest.mark.parametrize("weights", [_EVERY, _SOME, _NONE], ids=["every", "some", "none"])
@pytest.mark.parametrize("axis_name", [None, _AXIS])
def test_gradients(weights, axis_name):
  with jax.enable_x64(True):
    written = lambda *args: batch_norm._normalise(*args)[0]
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9),
                 _gradients(written, weights, axis_name), _gradients(_plain, weights, axis_name))


def test_moments_of_what_counts():
  x = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
  _, mean, var, count = batch_norm._normalise(x, np.ones(2), np.zeros(2), _SOME, None)
  kept = x[[0, 2, 3]].reshape(-1, 2)
  np.testing.assert_allclose(mean, kept.mean(axis=0), rtol=1e-6)
  np.testing.assert_allclose(var, kept.var(axis=0), rtol=1e-6)
  assert count == 9
