"""Who meets whom."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.population import pairing


def _draws(kind, num_speakers, num_listeners, num_pairs, count=200):
  draw = lambda key: pairing.draw_pairs(key, num_speakers=num_speakers, num_listeners=num_listeners,
                                        num_pairs=num_pairs, kind=kind)
  return jax.device_get(jax.jit(jax.vmap(draw))(jax.random.split(jax.random.PRNGKey(0), count)))


@pytest.mark.parametrize("sizes", [(5, 5, 5), (5, 5, 3), (3, 7, 3), (7, 3, 2), (1, 1, 1)])
def test_matching_meets_every_agent_at_most_once(sizes):
  for ids in _draws("matching", *sizes):
    assert all(len(set(step)) == sizes[2] for step in ids)


def test_matching_of_unequal_sides_visits_evenly():
  pairs = _draws("matching", 3, 7, 7)
  visits = np.stack([np.bincount(step, minlength=3) for step in pairs.speakers])
  assert visits.min() == 2 and visits.max() == 3
  assert all(len(set(step)) == 7 for step in pairs.listeners)


@pytest.mark.parametrize("kind", pairing.PAIRINGS)
def test_all_pairs_are_equally_likely(kind):
  pairs = _draws(kind, 3, 4, 3, count=4000)
  counts = np.zeros((3, 4))
  np.add.at(counts, (pairs.speakers.ravel(), pairs.listeners.ravel()), 1)
  # 12,000 meetings of 12 pairs: 1,000 each, standard deviation about 30.
  np.testing.assert_allclose(counts, 1000, atol=150)


def test_means_over_visits():
  ids = jnp.array([2, 0, 2, 1, 2])
  rows = {"a": jnp.array([[3.], [5.], [6.], [7.], [0.]])}
  met, means = pairing.mean_over_visits(ids, 4, rows)
  np.testing.assert_array_equal(met, [True, True, True, False])
  np.testing.assert_allclose(means["a"], [[5], [7], [3], [0]], rtol=1e-6)
