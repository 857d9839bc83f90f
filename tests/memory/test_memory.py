"""Memories keep what algorithm R keeps, whatever the batches, and what a ring keeps."""

import functools

import hypothesis
from hypothesis import strategies
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from socialized_learning import memory
from socialized_learning.memory import policies


@functools.partial(jax.jit, static_argnames="policy")
def _offer(held, key, index, valid, policy="reservoir"):
  """Offers examples whose view is 10 times their index, and notes twice the index."""
  slots = memory.POLICIES[policy](key, held.seen, valid, held.index.shape[0])
  return memory.write(held, slots, index, 10 * index, {"twice": 2.0 * index[:, None]}, valid.sum())


@jax.jit
def _offer_with_draws(held, draws, index, valid):
  slots = policies.reservoir_slots(draws, held.seen, valid, held.index.shape[0])
  return memory.write(held, slots, index, 10 * index, {"twice": 2.0 * index[:, None]}, valid.sum())


def _empty(num_slots):
  return memory.empty(num_slots, {"twice": (1,)})


def _algorithm_r(draws, num_slots):
  """The plain algorithm, one example after another."""
  slots = []
  for i, r in enumerate(draws):
    if i < num_slots:
      slots.append(i)
    elif r < num_slots:
      slots[r] = i
  return slots


_GOLDEN = [0, 0, 0, 0, 0, 3, 6, 0, 7, 2, 9, 4]  # Asked for from the sixth example on.


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 12])
def test_golden_draws_in_batches_of_any_size(size):
  held = _empty(5)
  for start in range(0, 12, size):
    index = np.arange(start, start + size, dtype=np.int32)
    held = _offer_with_draws(held, np.array(_GOLDEN)[index], index, np.ones(size, bool))
    if start + size == 8:
      assert held.index.tolist() == [7, 1, 2, 5, 4]
  held = jax.device_get(held)
  assert held.index.tolist() == [7, 1, 9, 5, 11] and held.seen == 12
  np.testing.assert_array_equal(held.view, 10 * held.index)
  np.testing.assert_array_equal(held.notes["twice"][:, 0], 2.0 * held.index)


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(strategies.data())
def test_equals_algorithm_r_with_gaps(data):
  valid = np.array(data.draw(strategies.lists(strategies.booleans(), min_size=24, max_size=24)))
  draws, held = np.zeros(24, np.int32), _empty(4)
  offered = np.flatnonzero(valid)
  for i, place in enumerate(offered):
    draws[place] = data.draw(strategies.integers(0, i))
  for start in range(0, 24, 8):
    part = slice(start, start + 8)
    held = _offer_with_draws(held, draws[part], np.arange(24, dtype=np.int32)[part], valid[part])
  expected = offered[_algorithm_r(draws[offered], 4)] if len(offered) else []
  assert held.index[:len(expected)].tolist() == list(expected)
  assert int(held.seen) == len(offered)
  assert int(memory.filled(held).sum()) == min(len(offered), 4)


def test_every_example_is_kept_equally_often():
  @jax.jit
  @jax.vmap
  def stream(key):
    def offer(held, batch):
      slots = policies.reservoir(jax.random.fold_in(key, batch), held.seen, jnp.ones(5, bool), 6)
      index = 5 * batch + jnp.arange(5)
      return memory.write(held, slots, index, index, {}, jnp.int32(5)), None

    return jax.lax.scan(offer, memory.empty(6), jnp.arange(6))[0].index

  kept = np.asarray(stream(jax.random.split(jax.random.PRNGKey(0), 4000)))
  assert all(len(set(row)) == 6 for row in kept[:200].tolist())
  counts = np.bincount(kept.ravel(), minlength=30)
  # 4000 * 6 / 30 = 800 of each; kept examples exclude each other, which only narrows the spread.
  assert stats.chisquare(counts).pvalue > 1e-3


def test_ring_holds_the_latest():
  held = _empty(5)
  for start in range(0, 12, 4):
    valid = np.array([True, True, False, True])
    held = _offer(held, jax.random.PRNGKey(0), np.arange(start, start + 4, dtype=np.int32), valid,
                  policy="ring")
  assert sorted(held.index.tolist()) == [5, 7, 8, 9, 11] and int(held.seen) == 9


@pytest.mark.parametrize("seen", [0, 3, 8])
def test_sample_is_of_different_filled_slots(seen):
  held = memory.empty(8)._replace(seen=jnp.int32(seen))
  draw = jax.jit(lambda key: memory.sample(key, held, 5))
  counts = np.zeros(8)
  for seed in range(60):
    slots, valid = jax.device_get(draw(jax.random.PRNGKey(seed)))
    chosen = slots[valid]
    assert len(set(chosen)) == len(chosen) == min(seen, 5) and valid[:len(chosen)].all()
    assert (chosen < max(seen, 1)).all()
    counts[chosen] += 1
  if seen == 8:
    assert counts.min() > 60 * 5 / 8 / 2


def test_more_asked_for_than_there_are_slots():
  slots, valid = memory.sample(jax.random.PRNGKey(0), memory.empty(3)._replace(seen=jnp.int32(9)), 5)
  assert sorted(slots[:3].tolist()) == [0, 1, 2] and valid.tolist() == [True] * 3 + [False] * 2


def test_vmapped_memories_equal_a_loop():
  keys = jax.random.split(jax.random.PRNGKey(0), 3)
  index = np.arange(12, dtype=np.int32).reshape(3, 4)
  held = jax.vmap(lambda _: _empty(2))(np.arange(3))
  for _ in range(2):
    held = jax.vmap(_offer, in_axes=(0, 0, 0, None))(held, keys, index, np.ones(4, bool))
  for i in range(3):
    alone = _empty(2)
    for _ in range(2):
      alone = _offer(alone, keys[i], index[i], np.ones(4, bool))
    jax.tree.map(lambda a, b, i=i: np.testing.assert_array_equal(a[i], b), held, alone)
