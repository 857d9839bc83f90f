"""Rewards, the policy loss and the ratio of distances, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.learners import gating
from tests.learners import gated_golden as golden


_BOTH = pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-9), (np.float32, 1e-5)])


@pytest.fixture(autouse=True)
def _float64():
  with jax.enable_x64(True):
    yield


@_BOTH
def test_rewards_by_hand(dtype, rtol):
  kept = np.zeros((2, 2, 64), dtype)
  kept[:, 0, :48] = 1  # 0.75, and 0 of the second agent.
  found = gating.rewards(jnp.asarray(kept), np.array([True, False]), 0.7, -500.0)
  assert found.dtype == dtype
  np.testing.assert_allclose(found, [[-0.0025, -0.49], [-1.25, -245.0]], rtol)
  assert not gating.rewards(np.ones((1, 4, 8)), np.array([False]), 1.0, -200.0).any()


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-4), (np.float32, 1e-3)])  # To six places.
def test_golden_rewards(dtype, rtol):
  kept = jnp.asarray(golden.bars() < 1, dtype)
  found = gating.rewards(kept, np.array([True] * 4 + [False] * 2), 0.7, -500.0)
  expected = [[-0.012656, -0.011289], [-0.000352, -0.000156], [-0.012656, -0.005625], [-0.04] * 2,
              [-3.300781, -5.644531], [-0.175781, -0.078125]]
  np.testing.assert_allclose(found, np.tile(expected, 2), rtol, atol=5e-7)


def test_policy_loss_and_its_gradient():
  """The gradient with respect to a channel's logit is |r| (a - p) / (L T) of an image."""
  logits = jnp.asarray([[0.1, -0.3], [0.0, 0.2]])
  kept = jnp.asarray([[1.0, 0.0], [1.0, 1.0]])
  earned = jnp.asarray([[-2.0, -0.5]])

  def loss(logits):
    scaled = logits / 0.15
    log_probs = kept * jax.nn.log_sigmoid(scaled) + (1 - kept) * jax.nn.log_sigmoid(-scaled)
    return gating.policy_loss(log_probs.sum(axis=-1)[None], earned)[0]

  p = 1 / (1 + np.exp(-np.asarray(logits) / 0.15))
  value = (2 * np.log(p[0, 0] * (1 - p[0, 1])) + 0.5 * np.log(p[1, 0] * p[1, 1])) / 2
  found, grads = jax.jit(jax.value_and_grad(loss))(logits)
  np.testing.assert_allclose(found, value)
  np.testing.assert_allclose(grads, np.array([[2.0], [0.5]]) * (np.asarray(kept) - p) / (2 * 0.15))


# The published example, as two agents of one channel: distances 1 within classes, 4 or 5 between.
_LOGITS = np.array([[0.0, 0], [1, 0], [0, 2], [1, 2], [50, 50], [0, 0]])[..., None]
_LABELS = np.array([0, 0, 1, 1, 1, 0])
_ratio = jax.jit(jax.value_and_grad(lambda *args: gating.prototype_ratio(*args, None)))


@_BOTH
@pytest.mark.parametrize("counts, ratio", [
    ([1, 1, 1, 1, 0, 0], 0.2),  # (1 + 1) / (1 + 9)
    ([1, 1, 1, 0, 0, 0], (1 + 0.5) / (1 + 4.5)),
    ([1, 0, 1, 0, 0, 0], 0),  # Two are too few.
    ([0, 0, 1, 1, 1, 0], 1 + 0.5 + (50**2 + 48**2 + 49**2 + 48**2) / 2),  # One class alone.
])
def test_prototype_ratio(counts, ratio, dtype, rtol):
  found, grads = _ratio(_LOGITS.astype(dtype), _LABELS, np.array(counts, bool))
  assert found.dtype == dtype
  np.testing.assert_allclose(found, ratio, rtol)
  assert not grads[np.array(counts) == 0].any()


def test_prototype_ratio_over_devices():
  args = (_LOGITS, _LABELS, np.array([1, 1, 1, 1, 0, 0], bool))
  whole = _ratio(*args)
  halves = jax.tree.map(lambda x: x.reshape(2, 3, *x.shape[1:]), args)
  of_half = jax.value_and_grad(lambda *args: gating.prototype_ratio(*args, "devices"))
  value, grads = jax.pmap(of_half, axis_name="devices")(*halves)
  np.testing.assert_allclose(value, [whole[0]] * 2, rtol=1e-9)
  # `steps.gradient` takes the mean over devices.
  np.testing.assert_allclose(grads.reshape(6, 2, 1) / 2, whole[1], atol=1e-12)
