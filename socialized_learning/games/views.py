"""What players see of a batch: the inputs as they are, or two independently noisy views of them.

Shapes: `B` batch on this device, `D` features.
Source: Chaabouni et al. 2022, appendix on robustness.
"""

from collections.abc import Mapping

import chex
import jax
import jax.numpy as jnp

from socialized_learning.games.lewis import View
from socialized_learning.population import randomness


def make_view(inputs: chex.Array, labels: Mapping[str, chex.Array], key: chex.PRNGKey | None,
              *,
              noise: float, axis_name: str | None) -> View:
  """The view of a batch.

  Args:
    inputs: [B, ...].
    labels: label -> [B].
    key: the step's; only noise needs it.
    noise: standard deviation of Gaussian noise in units of each feature's own over the batch of all
      devices (`coeff_noise` of published code); speaker and listener see different noise.
    axis_name: the devices' axis, or None where there is none.
  """
  batch = inputs.shape[0]
  offset = 0 if axis_name is None else jax.lax.axis_index(axis_name) * batch
  positions = offset + jnp.arange(batch, dtype=jnp.int32)
  if not noise:
    return View(inputs, inputs, dict(labels), positions)
  scale = noise * feature_std(inputs, axis_name)

  def noisy(name):
    keys = randomness.each(randomness.named(key, name), positions)
    return inputs + scale * jax.vmap(lambda k: jax.random.normal(k, inputs.shape[1:]))(keys)

  return View(noisy("speaker_view"), noisy("listener_view"), dict(labels), positions)


def feature_std(inputs: chex.Array, axis_name: str | None) -> chex.Array:
  """Standard deviation of each feature over the batch of all devices: [B, …] -> […]."""
  mean = lambda x: x.mean(axis=0) if axis_name is None else jax.lax.pmean(x.mean(axis=0), axis_name)
  return jnp.sqrt(mean(jnp.square(inputs - mean(inputs))))
