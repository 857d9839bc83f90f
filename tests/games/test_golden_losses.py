"""Golden numbers of the losses and their gradients (H) and of two updates (I)."""

import functools

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np
import optax
import pytest

from socialized_learning import agents
from socialized_learning import games
from socialized_learning.games import lewis
from socialized_learning.games import listener_losses
from socialized_learning.games import speaker_losses
from socialized_learning.population import stack
from tests.games import golden

_TABLE = golden.SPEAKER | golden.LISTENER | golden.CPC_HEAD


def _settings(kind):
  return config_dict.create(
      message=golden.MESSAGE_CONFIG, channel=dict(kind="sampled", temperature=1.0),
      speaker_loss=dict(kind=kind, baseline=True, entropy=1e-4, kl=0.5, length_cost=0.0),
      listener_loss=dict(kind="cpc", reward="success_rate", score="2cos-2", temperature=1.0,
                         num_distractors=-1, cross_device=False))


def _players():
  return (golden.make_speaker(),
          agents.make_listener(golden.listener_config("cpc"), golden.MESSAGE_CONFIG, {}))


@functools.partial(jax.jit, static_argnames=("kind", "dtype", "own_reward"))
def _terms(params, target, kind, dtype, own_reward=False):
  """Loss and terms of the game, forced along the golden actions; rewards given or the listener's."""
  speaker, listener = _players()
  x = golden.inputs(dtype)
  view = games.View(x, x, {}, jnp.arange(golden.B))
  spoken = speaker.forced(params.speaker, x, golden.ACTIONS)
  episode = lewis.Episode(spoken, speaker.forced(target, x, spoken.actions),
                          listener.apply(params.listener, spoken.actions, x))
  if own_reward:  # The game's own arithmetic from end to end.
    game = games.make_lewis_game(speaker, listener, _settings(kind), axis_name=None)
    return game.score(episode, view, None)
  loss, terms = speaker_losses.make_speaker_loss(_settings(kind).speaker_loss)(
      episode.speaker, episode.target, jnp.asarray(golden.REWARDS, dtype))
  verdict = listener_losses.cpc(episode.listener.message, episode.listener.target,
                                listener_losses.Crowd(view.positions))
  listener_loss = verdict.loss.mean()
  return loss + listener_loss, terms | {
      "speaker_loss": loss, "listener_loss": listener_loss, "spoken": spoken}


def _world(dtype):
  params = games.Pair(golden.params(golden.SPEAKER, dtype=dtype),
                      golden.params(golden.LISTENER | golden.CPC_HEAD, dtype=dtype))
  return params, golden.params(golden.SPEAKER, 0.3, dtype=dtype)


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def dtype(request):
  with jax.enable_x64(request.param == np.float64):
    yield request.param


@pytest.fixture
def close(dtype):
  rtol = 1e-6 if dtype == np.float64 else 1e-5
  return lambda actual, expected: np.testing.assert_allclose(actual, expected, rtol=rtol, atol=2e-6)


_EXPECTED = {
    "reinforce": dict(policy_loss=0.437030, value_loss=0.342280, entropy_loss=-0.000129,
                      kl_loss=0.037313, speaker_loss=0.816495, listener_loss=2.267779),
    "policy_gradient": dict(policy_loss=-0.585623, value_loss=0.342280, action_value_loss=1.321629,
                            entropy_loss=-0.000129, speaker_loss=1.078157, listener_loss=2.267779),
}


@pytest.mark.parametrize("kind, total", [("reinforce", 3.084274), ("policy_gradient", 3.345936)])
def test_terms(close, dtype, kind, total):
  params, target = _world(dtype)
  loss, terms = _terms(params, target, kind, dtype)
  close(loss, total)
  spoken = terms.pop("spoken")
  close(spoken.entropies.mean(), 1.291916)
  close(spoken.values.mean(), 0.234755)
  chosen = np.take_along_axis(np.asarray(spoken.q_values), golden.ACTIONS[..., None], -1)
  close(chosen.mean(), -0.036711)
  assert terms.keys() == _EXPECTED[kind].keys()  # No divergence in the policy-gradient variant.
  for name, expected in _EXPECTED[kind].items():
    close(terms[name], expected)


def test_direction_of_the_divergence(close, dtype):
  speaker, _ = _players()
  params, target = _world(dtype)
  pi = speaker.forced(params.speaker, golden.inputs(dtype), golden.ACTIONS)
  pi_bar = speaker.forced(target, golden.inputs(dtype), golden.ACTIONS)
  close(0.5 * speaker_losses.kl_to_target(pi, pi_bar).mean(), 0.037313)
  close(0.5 * speaker_losses.kl_to_target(pi_bar, pi).mean(), 0.037189)


def test_reward_of_the_listener(close, dtype):
  params, target = _world(dtype)
  (loss, terms), grads = jax.value_and_grad(_terms, has_aux=True)(
      params, target, "reinforce", dtype, True)
  close(loss, 2.453621)
  close(terms["policy_loss"], -0.142819)
  close(terms["value_loss"], 0.291477)
  close(terms["speaker_loss"], 0.185842)
  for t, norm in ((3, 0.373261), (5, 0.055053)):
    np.testing.assert_allclose(np.linalg.norm(golden.of(grads.speaker, golden.SPEAKER, t)), norm,
                               rtol=1e-4, atol=2e-6)


_NORMS = {
    "reinforce": [0.238709, 0.626565, 0.373230, 0.340987, 0.234544, 0.085414, 0.122244, 0.249444,
                  0.530489, 0, 0, 0, 0],
    "policy_gradient": [0.394328, 1.185616, 0.541495, 0.604158, 0.534920, 0.150728, 0.288821,
                        0.249444, 0.530489, 0.652360, 1.073421, 0.384746, 0.724108],
}
_LISTENER_NORMS = [0.653951, 0.580941, 0.476387, 0.528769, 0.387559, 0.872478, 0.089061]


@pytest.mark.parametrize("kind", ["reinforce", "policy_gradient"])
def test_gradients(dtype, kind):
  params, target = _world(dtype)
  (grads, target_grads), _ = jax.grad(_terms, argnums=(0, 1), has_aux=True)(
      params, target, kind, dtype)
  tolerance = dict(rtol=1e-6 if dtype == np.float64 else 1e-4, atol=2e-6)
  norms = [np.linalg.norm(golden.of(grads.speaker | grads.listener, _TABLE, t)) for t in range(20)]
  np.testing.assert_allclose(norms, _NORMS[kind] + _LISTENER_NORMS, **tolerance)
  assert golden.summary(target_grads)[1] == 0
  if kind == "reinforce":
    np.testing.assert_allclose(
        golden.of(grads.speaker, _TABLE, 6),
        [-0.081729, 0.022292, 0.051762, -0.046453, 0.054128], **tolerance)
    np.testing.assert_allclose(
        golden.of(grads.listener, _TABLE, 17),
        [-0.195830, 0.033975, -0.251117, 0.133715, 0.131087, -0.106744, 0.034361], **tolerance)


def test_no_gradient_crosses_between_the_players(dtype):
  params, target = _world(dtype)
  of_speaker = jax.grad(lambda p: _terms(p, target, "reinforce", dtype, True)[1]["speaker_loss"])(
      params)
  of_listener = jax.grad(lambda p: _terms(p, target, "reinforce", dtype, True)[1]["listener_loss"])(
      params)
  assert golden.summary(of_speaker.listener)[1] == 0
  assert golden.summary(of_listener.speaker)[1] == 0


def test_sum_over_steps_is_t_times_the_mean(close, dtype):
  speaker, _ = _players()
  params, target = _world(dtype)
  spoken = speaker.forced(params.speaker, golden.inputs(dtype), golden.ACTIONS)
  other = speaker.forced(target, golden.inputs(dtype), golden.ACTIONS)
  _, terms = speaker_losses.reinforce(spoken, other, jnp.asarray(golden.REWARDS, dtype),
                                      baseline=True, entropy=1e-4, kl=0.5)
  advantage = golden.REWARDS[:, None] - spoken.values
  close(golden.T * terms["policy_loss"], -(advantage * spoken.log_probs).sum(1).mean())


def test_two_updates(dtype):
  params, target = _world(dtype)
  adam = optax.adam(0.01, 0.9, 0.999, 1e-8)
  states = jax.tree.map(adam.init, params, is_leaf=lambda x: isinstance(x, dict))
  exact = dtype == np.float64
  sums = lambda tree, expected: np.testing.assert_allclose(
      golden.summary(tree), expected, rtol=1e-6, atol=2e-6 if exact else 1e-4)
  tensor_sum = lambda tree, t: golden.of(tree, _TABLE, t).astype(np.float64).sum()
  for expected in (
      dict(loss=3.084274, speaker=(5.772296, 340.419095), listener=(2.353341, 242.760789),
           target=(4.750823, 340.584407), tensors=(3.762339, 0.717624, 3.649658)),
      dict(loss=2.627410, speaker=(5.955055, 340.116507), listener=(2.386384, 242.983997),
           target=(4.762865, 340.275495), tensors=(3.750938, 0.792554, 3.650671))):
    (loss, _), grads = jax.value_and_grad(_terms, has_aux=True)(params, target, "reinforce", dtype)
    np.testing.assert_allclose(loss, expected["loss"], rtol=1e-6 if exact else 1e-5)
    before = params
    stepped = [jax.jit(stack.descend, static_argnums=0)(adam, stack.AgentState(p, s), g)
               for p, s, g in zip(params, states, grads, strict=True)]
    params = games.Pair(*(agent.params for agent in stepped))
    states = games.Pair(*(agent.opt_state for agent in stepped))
    target = stack.ema(target, params.speaker, 0.99)
    sums(params.speaker, expected["speaker"])
    sums(params.listener, expected["listener"])
    sums(target, expected["target"])
    np.testing.assert_allclose(
        [tensor_sum(params.speaker, 5), tensor_sum(params.listener, 14), tensor_sum(target, 5)],
        expected["tensors"], atol=2e-6 if exact else 1e-4)
    for t in (9, 10, 11, 12):
      np.testing.assert_array_equal(golden.of(params.speaker, _TABLE, t),
                                    golden.of(before.speaker, _TABLE, t))
    if expected["loss"] == 3.084274:
      tolerance = dict(atol=2e-6 if exact else 1e-4)
      np.testing.assert_allclose(golden.of(params.speaker, _TABLE, 6),
                                 [-0.017942, 0.062897, 0.084073, 0.022445, -0.092783], **tolerance)
      np.testing.assert_allclose(golden.of(target, _TABLE, 6),
                                 [0.001485, 0.089601, 0.079891, -0.017034, -0.095635], **tolerance)


@pytest.mark.parametrize("kind, expected", [
    ("mean", [0.2, 0.4, 0.4]), ("ema", [0.002, 0.007980, 0.011900])])
def test_teacher_score(kind, expected):
  score = stack.initial_score(1)
  for accuracy, value in zip([0.2, 0.6, 0.4], expected, strict=True):
    score = stack.update_score(score, jnp.array([accuracy]), kind=kind, decay=0.99)
    np.testing.assert_allclose(score.value, [value], atol=5e-7)
  assert score.count == 3
