"""Optimisers: steps that are left out, and gradients that are scaled down."""

import functools

import jax
import numpy as np
import optax
import pytest

from socialized_learning.configs import common
from socialized_learning.population import optimisers
from socialized_learning.population import stack

_PARAMS = {"w": np.array([1., -2.], np.float32), "b": np.array([0.5], np.float32)}
_SMALL = {"w": np.array([0.3, 0.4], np.float32), "b": np.array([0.], np.float32)}  # Norm 0.5.
_LARGE = {"w": np.array([0.45, 0.6], np.float32), "b": np.array([0.], np.float32)}  # Norm 0.75.


def _make(**changes):
  """An optimiser's start and its compiled step."""
  config = common.adam(0.1)
  config.update(changes)
  optimiser = optimisers.make_optimiser(config)
  step = jax.jit(functools.partial(stack.descend, optimiser))
  return stack.AgentState(_PARAMS, jax.jit(optimiser.init)(_PARAMS)), step


def _inner(agent):
  return jax.device_get(agent.opt_state.inner_opt_state)


def _assert_equal(actual, expected):
  jax.tree.map(np.testing.assert_array_equal, actual, expected)


@pytest.mark.parametrize("name, others", [
    ("adam", {}), ("adamw", {"weight_decay": 0.1, "max_grad_norm": 0.2})])
def test_small_gradients_step_as_they_do_where_none_is_skipped(name, others):
  plain, plain_step = _make(name=name, **others)
  careful, careful_step = _make(name=name, skip_grad_norm=0.7, **others)
  for _ in range(3):
    plain, careful = plain_step(plain, _SMALL), careful_step(careful, _SMALL)
    _assert_equal(careful.params, plain.params)
    _assert_equal(_inner(careful), plain.opt_state)
  assert not np.array_equal(careful.params["w"], _PARAMS["w"])


@pytest.mark.parametrize("bad", ["large", "infinite", "not a number"])
def test_large_gradients_change_neither_parameters_nor_moments(bad):
  grads = _LARGE | {"large": {}, "infinite": {"b": np.array([np.inf], np.float32)},
                    "not a number": {"b": np.array([np.nan], np.float32)}}[bad]
  start, step = _make(skip_grad_norm=0.7)
  before = step(start, _SMALL)  # Moments that are not those of the start.
  after = step(before, grads)
  _assert_equal(after.params, before.params)
  _assert_equal(_inner(after), _inner(before))
  adam, _ = _inner(before)
  assert adam.count == 1 and np.any(adam.mu["w"]) and np.any(adam.nu["w"])
  # It goes on as if nothing had been.
  again, expected = step(after, _SMALL), step(before, _SMALL)
  _assert_equal(again.params, expected.params)
  _assert_equal(_inner(again), _inner(expected))


def test_agents_of_a_population_skip_each_for_itself():
  config = common.adam(0.1)
  config.skip_grad_norm = 0.7
  optimiser = optimisers.make_optimiser(config)
  agents = jax.tree.map(lambda x: np.stack([x, x]), _PARAMS)
  grads = jax.tree.map(lambda *x: np.stack(x), _LARGE, _SMALL)
  population = stack.AgentState(agents, jax.jit(jax.vmap(optimiser.init))(agents))
  after = jax.jit(jax.vmap(functools.partial(stack.descend, optimiser)))(population, grads)
  _assert_equal(stack.take(after.params, 0), _PARAMS)
  start, step = _make(skip_grad_norm=0.7)
  jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6),
               stack.take(after.params, 1), step(start, _SMALL).params)


def test_zero_skips_nothing_and_costs_no_state():
  start, step = _make()
  assert isinstance(start.opt_state[0], optax.ScaleByAdamState)
  assert not np.array_equal(step(start, _LARGE).params["w"], _PARAMS["w"])


def test_gradients_above_the_largest_norm_are_scaled_down_to_it_by_hand():
  start, step = _make(name="sgd", max_grad_norm=0.2)
  # Norm 0.5, scaled to 0.2: (0.12, 0.16), times the learning rate 0.1.
  after = step(start, _SMALL)
  np.testing.assert_allclose(after.params["w"], [1 - 0.012, -2 - 0.016], rtol=1e-6)
