"""What the players see of a batch."""

import jax
import jax.numpy as jnp
import numpy as np

from socialized_learning.games import views


def test_no_noise_leaves_the_inputs_as_they_are():
  inputs = jax.random.normal(jax.random.PRNGKey(0), (6, 3))
  view = views.make_view(inputs, {"a": jnp.arange(6)}, None, noise=0.0, axis_name=None)
  assert view.speaker_inputs is inputs and view.listener_inputs is inputs
  np.testing.assert_array_equal(view.positions, np.arange(6))


def test_noise_is_in_units_of_each_feature_and_independent_for_the_two_views():
  inputs = jax.random.normal(jax.random.PRNGKey(0), (4000, 2)) * jnp.array([1., 10.])
  view = views.make_view(inputs, {}, jax.random.PRNGKey(1), noise=0.5, axis_name=None)
  noises = [np.asarray(x - inputs) for x in (view.speaker_inputs, view.listener_inputs)]
  for noise in noises:
    np.testing.assert_allclose(noise.std(axis=0), [0.5, 5.], rtol=0.05)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.25)
  assert abs(np.corrcoef(noises[0][:, 0], noises[1][:, 0])[0, 1]) < 0.06


def test_four_devices_see_what_one_sees():
  inputs = jax.random.normal(jax.random.PRNGKey(0), (8, 3))
  make = lambda x, axis: views.make_view(x, {}, jax.random.PRNGKey(1), noise=0.5, axis_name=axis)
  alone = jax.jit(lambda x: make(x, None))(inputs)
  split = jax.pmap(lambda x: make(x, "devices"), axis_name="devices")(inputs.reshape(4, 2, 3))
  np.testing.assert_array_equal(split.positions.ravel(), np.arange(8))
  np.testing.assert_allclose(split.speaker_inputs.reshape(8, 3), alone.speaker_inputs, rtol=1e-5)
  np.testing.assert_allclose(split.listener_inputs.reshape(8, 3), alone.listener_inputs, rtol=1e-5)
