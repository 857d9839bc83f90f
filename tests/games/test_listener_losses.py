"""Candidates: distractors drawn at random, and those of other devices."""

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np
import pytest

from socialized_learning.agents import ListenerOutput
from socialized_learning.games import listener_losses

_CONFIG = config_dict.create(kind="cpc", reward="success_rate", score="2cos-2", temperature=1.0,
                             num_distractors=-1, cross_device=True)


def _projections(batch=12, width=5):
  keys = jax.random.split(jax.random.PRNGKey(0))
  return jax.random.normal(keys[0], (batch, width)), jax.random.normal(keys[1], (batch, width))


def test_distractors_are_others_without_repetition_and_uniform():
  draw = jax.jit(lambda keys: listener_losses.draw_distractors(keys, jnp.arange(6), 6, 2))
  drawn = np.concatenate([draw(jax.random.split(jax.random.PRNGKey(i), 6))[None]
                          for i in range(500)])
  assert drawn.shape == (500, 6, 3)
  np.testing.assert_array_equal(drawn[:, :, 0], np.tile(np.arange(6), (500, 1)))
  assert all(len(set(game)) == 3 for step in drawn for game in step)
  counts = np.stack([np.bincount(drawn[:, i, 1:].ravel(), minlength=6) for i in range(6)])
  assert (np.diag(counts) == 0).all()
  np.testing.assert_allclose(counts[~np.eye(6, dtype=bool)], 200, atol=60)


@pytest.mark.parametrize("num_distractors, expected", [(-1, None), (11, None), (3, 4)])
def test_number_of_candidates_stays_what_it_is_whatever_batches_came_before(num_distractors,
                                                                            expected):
  config = config_dict.ConfigDict(_CONFIG)
  config.num_distractors = num_distractors
  loss = listener_losses.make_listener_loss(config, axis_name=None)
  for batch in (12, 3, 12):
    message, target = _projections(batch)
    crowd = listener_losses.Crowd(jnp.arange(batch), jax.random.split(jax.random.PRNGKey(1), batch))
    verdict = loss(ListenerOutput(message, target), {}, crowd)
    width = verdict.probs["candidate"].shape[1]
    assert width == (min(expected, batch) if expected else batch)
    right = 0 if width < batch else np.arange(batch)
    np.testing.assert_array_equal(verdict.correct["candidate"], right + np.zeros(batch))


def test_candidates_of_all_devices():
  message, target = _projections()
  whole = listener_losses.cpc(message, target, listener_losses.Crowd(jnp.arange(12)))
  split = lambda x: x.reshape(4, 3, *x.shape[1:])

  def on_device(config):
    loss = listener_losses.make_listener_loss(config, axis_name="devices")
    return jax.pmap(lambda m, t, p: loss(ListenerOutput(m, t), {}, listener_losses.Crowd(p)),
                    axis_name="devices")(split(message), split(target), split(jnp.arange(12)))

  across = on_device(_CONFIG)
  np.testing.assert_allclose(across.loss.reshape(-1), whole.loss, rtol=1e-5)
  np.testing.assert_array_equal(across.accuracy.reshape(-1), whole.accuracy)
  alone = config_dict.ConfigDict(_CONFIG)
  alone.cross_device = False
  within = on_device(alone)
  assert within.probs["candidate"].shape == (4, 3, 3)
  expected = listener_losses.cpc(message[3:6], target[3:6], listener_losses.Crowd(jnp.arange(3)))
  np.testing.assert_allclose(within.loss[1], expected.loss, rtol=1e-5)


def test_zero_vectors_have_finite_gradients():
  loss = lambda m: listener_losses.cpc(m, m, listener_losses.Crowd(jnp.arange(3))).loss.sum()
  assert np.isfinite(jax.grad(loss)(jnp.zeros((3, 4)))).all()
