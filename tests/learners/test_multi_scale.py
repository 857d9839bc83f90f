"""Multi-scale replay, and the reservoir of what was answered rightly."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning import memory as memory_lib
from socialized_learning.learners import derpp
from socialized_learning.learners import multi_scale
from socialized_learning.learners import right_replay
from tests.learners import golden
from tests.learners import world

_K = 4


def _memory() -> memory_lib.Memory:
  """Slots 0, 2, 3 hold images 20, 22, 23; slot 1 had its turn in vain; slot 4 is still to come."""
  index = jnp.asarray([20, 0, 22, 23, 0, 0], jnp.int32)
  notes = {"written": jnp.asarray([1.0, 0, 1, 1, 0, 0]), "logits": jnp.arange(30.0).reshape(6, 5)}
  return memory_lib.Memory(index, jnp.zeros_like(index), notes, jnp.int32(4))


def _draws(fidelity, num):
  shown = world.world("small_mlp")
  one = lambda seed: right_replay.draw(_memory(), num, shown, jax.random.PRNGKey(seed), None,
                                       fidelity)
  return jax.device_get(jax.jit(jax.vmap(one))(jnp.arange(200)))


def test_clean_draws_are_of_written_slots():
  found = _draws("clean", 2)
  assert found.valid.all() and (found.notes["written"] == 1).all()
  slots = (found.notes["logits"][..., 0] / 5).astype(int)
  assert (slots[:, 0] != slots[:, 1]).all()
  counts = np.bincount(slots.ravel(), minlength=6)
  assert counts[[1, 4, 5]].sum() == 0 and (np.abs(counts[[0, 2, 3]] - 400 / 3) < 45).all()
  np.testing.assert_array_equal(found.labels, golden.labels("small_mlp", 20 + slots))
  assert _draws("clean", 5).valid.sum(1).tolist() == [3] * 200  # No more than there are.


def test_reference_draws_slots_without_an_example():
  found = _draws("reference", 4)
  assert found.valid.all()
  in_vain = found.notes["written"] == 0
  assert (in_vain.sum(1) == 1).all()
  assert not found.images[in_vain].any() and not found.labels[in_vain].any()
  assert (found.images[~in_vain].sum((-1, -2, -3)) > 0).all()
  with pytest.raises(ValueError, match="one of"):
    _draws("typo", 2)


def test_wrong_answers_use_up_their_turn(monkeypatch):
  world.force(monkeypatch, reservoir=[[9, 9, 9, 9], [1, 0, 9, 1]])
  held = right_replay.empty(_K, {"logits": (2,)})
  noted = lambda start: {"logits": start + jnp.arange(8.0).reshape(4, 2)}
  offer = lambda held, batch, notes, right: right_replay.offer(
      held, batch, notes, jnp.asarray(right, bool), world.KEY, None, "reservoir")
  held = offer(held, world.batch(range(4)), noted(0), [1, 0, 1, 0])
  np.testing.assert_array_equal(right_replay.written(held), [1, 0, 1, 0])
  np.testing.assert_array_equal(held.index, [0, 0, 2, 0])
  np.testing.assert_array_equal(held.notes["logits"], [[0, 1], [0, 0], [4, 5], [0, 0]])
  # The 1st gets slot 1, and keeps it from the 4th, which is wrong; the 2nd is wrong, the 3rd late.
  held = offer(held, world.batch(range(4, 8)), noted(50), [1, 0, 1, 0])
  np.testing.assert_array_equal(right_replay.written(held), [1, 1, 1, 0])
  np.testing.assert_array_equal(held.index, [0, 4, 2, 0])
  np.testing.assert_array_equal(held.notes["logits"][1], [50, 51])
  assert int(held.seen) == 8


def test_step_is_that_of_derpp_with_one_draw(monkeypatch):
  """And of the current examples only those are offered that the network has right."""
  with jax.enable_x64(True):
    settings = world.config("small_mlp", logit_weight=0.5, label_weight=0.3, fidelity="reference")
    logits = jnp.sin(jnp.arange(6)[:, None] + 2.0 * jnp.arange(5))
    shown, batch, net = world.world("small_mlp"), world.batch(range(4)), golden.net("small_mlp")
    right = golden.classifier("small_mlp").apply(
        net, golden.images("small_mlp", range(4)), is_training=False)[0].logits.argmax(1)
    right = right.at[2].add(1) % 5  # The third is wrong.
    shown = shown._replace(labels=shown.labels.at[:4].set(right.astype(jnp.int32)))
    found = {}
    for module, notes in ((derpp, {}), (multi_scale, {"written": jnp.ones(6)})):
      world.force(monkeypatch, draws=[world.D1] * 2, reservoir=[[1, 10, 4, 0]])
      observe = functools.partial(world.make(module, "small_mlp", settings).observe, batch=batch,
                                  world=shown, key=world.KEY)
      state, metrics = jax.jit(lambda state, observe=observe: observe(state))(
          module.State(net, world.memory({"logits": logits} | notes)))
      found[module] = jax.device_get((metrics, state.net))
      held = state.memory
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-15),
                 found[derpp], found[multi_scale])
    # Slots 1 and 0 go to the first and the fourth; the second has no slot, the third is wrong.
    assert held.index.tolist() == [3, 0, 102, 103, 104, 105] and int(held.seen) == 13
