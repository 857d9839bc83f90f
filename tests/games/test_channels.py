"""Channels: relaxed symbols carry the listener's gradient; only what is said counts."""

import functools

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np
import pytest

from socialized_learning import agents
from socialized_learning import games
from socialized_learning.agents import messages
from socialized_learning.games import lewis
from tests.games import golden

@pytest.fixture(autouse=True, scope="module")
def _float64():
  with jax.enable_x64(True):
    yield


def _make(channel, *, ends=False, kind="reinforce", entropy=0.0, kl=0.0, length_cost=0.0):
  """The Lewis game of the golden players over a channel."""
  message = config_dict.ConfigDict(golden.MESSAGE_CONFIG)
  message.variable_length = ends
  config = config_dict.create(
      message=message, channel=dict(kind=channel, temperature=1.5),
      speaker_loss=dict(kind=kind, baseline=True, entropy=entropy, kl=kl, length_cost=length_cost),
      listener_loss=dict(kind="cpc", reward="success_rate", score="2cos-2", temperature=1.0,
                         num_distractors=-1, cross_device=False))
  return games.make_lewis_game(
      agents.make_speaker(golden.SPEAKER_CONFIG, message),
      agents.make_listener(golden.listener_config("cpc"), message, {}), config, axis_name=None)


def _world():
  """Parameters of both players, of the target, what they see, and a key for each game."""
  params = games.Pair(golden.params(golden.SPEAKER),
                      golden.params(golden.LISTENER | golden.CPC_HEAD))
  x = golden.inputs()
  view = games.View(x, x, {}, jnp.arange(golden.B))
  return (params, golden.params(golden.SPEAKER, 0.3), view,
          jax.random.split(jax.random.PRNGKey(8), golden.B))


@functools.cache
def _player(channel, **settings):
  """Compiled target -> (episode, loss, metrics) of one batch of games."""
  game, (params, _, view, keys) = _make(channel, **settings), _world()

  @jax.jit
  def play(target):
    episode = game.play(params, target, view, keys)
    return episode, *game.score(episode, view, keys)

  return play


def _play(channel, ends=True, target=None, **settings):
  """One batch of games with all costs, on the host."""
  settings = dict(ends=ends, entropy=0.1, kl=0.5, length_cost=0.25 if ends else 0.0) | settings
  return jax.device_get(_player(channel, **settings)(_world()[1] if target is None else target))


# Of the speaker: the embeddings of symbols, through which what was said comes back; the policy.
_TENSORS = (0, 5)


@pytest.mark.parametrize("ends, kl, entropy, length_cost", [
    (False, 0.0, 0.0, 0.0), (True, 0.5, 0.1, 0.2)])
def test_gradients_of_gumbel_softmax_are_finite_differences(ends, kl, entropy, length_cost):
  game = _make("gumbel_softmax", ends=ends, kl=kl, entropy=entropy, length_cost=length_cost)
  params, target, view, keys = _world()

  @jax.jit
  def outcome():
    def loss(params):
      episode = game.play(params, target, view, keys)
      return game.score(episode, view, keys)[0], episode.target
    return jax.grad(loss, has_aux=True)(params)

  grads, heard_by_target = jax.device_get(outcome())

  @jax.jit
  def losses(shifts):
    """Losses where the tensors are shifted; what the target thinks stays the same."""

    def loss(shift):
      speaker = {module: dict(leaves) for module, leaves in params.speaker.items()}
      for (module, name, _), by in zip(tensors, shift, strict=True):
        speaker[module][name] += by
      episode = game.play(params._replace(speaker=speaker), target, view, keys)
      return game.score(episode._replace(target=heard_by_target), view, keys)[0]

    return jax.vmap(loss)(shifts)

  tensors = [golden.SPEAKER[t] for t in _TENSORS]
  sizes = [np.prod(shape) for _, _, shape in tensors]
  steps = np.split(1e-5 * np.eye(sum(sizes)), np.cumsum(sizes)[:-1], axis=1)
  steps = [step.reshape(-1, *shape) for step, (_, _, shape) in zip(steps, tensors, strict=True)]
  up, down = losses(steps), losses([-step for step in steps])
  slopes = np.split(np.asarray(up - down) / 2e-5, np.cumsum(sizes)[:-1])
  for t, slope in zip(_TENSORS, slopes, strict=True):
    gradient = golden.of(grads.speaker, golden.SPEAKER, t)
    assert np.linalg.norm(gradient) > 0.01
    np.testing.assert_allclose(gradient.ravel(), slope, rtol=1e-5, atol=1e-8)


def _log_softmax(logits):
  return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def _spoken(actions):
  """1 where something is said, the end symbol included: [B, T], in plain Python."""
  mask = np.zeros(actions.shape)
  for row, message in zip(mask, actions.tolist(), strict=True):
    row[:message.index(0) + 1 if 0 in message else len(message)] = 1
  return mask


def _reward(episode, length_cost):
  """1 for the right candidate, less what the message costs: [B]."""
  heard, target = episode.listener.message, episode.listener.target
  cosine = heard @ (target / np.linalg.norm(target, axis=1, keepdims=True)).T  # Times |heard|.
  lengths = [message.index(0) if 0 in message else golden.T
             for message in episode.speaker.actions.tolist()]
  return (cosine.argmax(1) == np.arange(golden.B)) - length_cost * np.array(lengths)


def _check(metrics, expected):
  """The terms are those expected, none else, and they make up the loss."""
  for name, value in expected.items():
    np.testing.assert_allclose(metrics[name], value, rtol=1e-6, err_msg=name)
  terms = {name for name in metrics if name.endswith("_loss")} - {"listener_loss", "speaker_loss"}
  assert terms == expected.keys()
  np.testing.assert_allclose(metrics["speaker_loss"], sum(expected.values()), rtol=1e-6)
  np.testing.assert_allclose(metrics["loss"], metrics["speaker_loss"] + metrics["listener_loss"],
                             rtol=1e-12)


@pytest.mark.parametrize("ends", [False, True])
def test_terms_of_reinforce_are_sums_over_what_is_said(ends):
  episode, loss, metrics = _play("sampled", ends)
  speaker = episode.speaker
  if ends:
    mask = _spoken(speaker.actions)
    assert mask.sum(1).tolist() == [4, 1, 2, 4, 4, 4]  # Messages of several lengths.
    np.testing.assert_allclose(metrics["message_length"], (4 + 0 + 1 + 4 + 4 + 4) / 6)
  else:
    mask = np.ones((golden.B, golden.T))
    assert speaker.spoken is None and "message_length" not in metrics
    assert np.any(speaker.actions[:, :-1] == 0)  # A symbol like any other.
  reward = _reward(episode, 0.25 if ends else 0)
  log_pi, log_pi_bar = _log_softmax(speaker.logits), _log_softmax(episode.target.logits)
  log_probs = np.take_along_axis(log_pi, speaker.actions[..., None], -1)[..., 0]
  mean = lambda values: (values * mask).sum() / (golden.B * golden.T)
  _check(metrics, {
      "policy_loss": -mean((reward[:, None] - speaker.values) * log_probs),
      "value_loss": mean((reward[:, None] - speaker.values)**2),
      "entropy_loss": 0.1 * mean((np.exp(log_pi) * log_pi).sum(-1)),
      "kl_loss": 0.5 * mean((np.exp(log_pi) * (log_pi - log_pi_bar)).sum(-1))})
  assert loss == metrics["loss"]
  np.testing.assert_allclose(metrics["reward"], reward.mean(), rtol=1e-6)
  np.testing.assert_allclose(metrics["entropy"], -10 * metrics["entropy_loss"], rtol=1e-6)


def test_terms_of_the_policy_gradient_are_sums_over_what_is_said():
  episode, _, metrics = _play("sampled", kind="policy_gradient")
  assert episode.target is None  # This loss has no divergence.
  speaker, reward = episode.speaker, _reward(episode, 0.25)[:, None]
  mask = _spoken(speaker.actions)
  mean = lambda values: (values * mask).sum() / (golden.B * golden.T)
  at = lambda values: np.take_along_axis(values, speaker.actions[..., None], -1)[..., 0]
  log_pi, chosen = _log_softmax(speaker.logits), at(speaker.q_values)
  _check(metrics, {
      "policy_loss": -mean((chosen - speaker.values) * at(log_pi)),
      "action_value_loss": mean((reward - chosen)**2),
      "value_loss": mean((reward - speaker.values)**2),
      "entropy_loss": 0.1 * mean((np.exp(log_pi) * log_pi).sum(-1))})


@pytest.mark.parametrize("channel, ends", [
    ("gumbel_softmax", False), ("gumbel_softmax", True), ("straight_through", True)])
def test_a_relaxed_speaker_pays_for_the_length_it_expects(channel, ends):
  episode, _, metrics = _play(channel, ends)
  speaker = episode.speaker
  mask = _spoken(speaker.actions) if ends else np.ones((golden.B, golden.T))
  log_pi, log_pi_bar = _log_softmax(speaker.logits), _log_softmax(episode.target.logits)
  expected = {
      "entropy_loss": 0.1 * (mask * (np.exp(log_pi) * log_pi).sum(-1)).mean(),
      "kl_loss": 0.5 * (mask * (np.exp(log_pi) * (log_pi - log_pi_bar)).sum(-1)).mean()}
  if ends:
    goes_on = 1 - speaker.symbols[..., 0]
    # The expectation of a length is the sum of the probabilities of being at least 1, 2, ...
    expected["length_loss"] = 0.25 * sum(
        goes_on[:, :t].prod(1) for t in range(1, golden.T + 1)).mean()
    # For people, the length of what is likeliest.
    np.testing.assert_allclose(metrics["message_length"],
                               messages.lengths(speaker.actions).mean())
    assert len(set(mask.sum(1))) > 2
  _check(metrics, expected)
  assert ("message_length" in metrics) == ends
  # Costs are in the loss: the reward is not, and stays what it is.
  np.testing.assert_allclose(metrics["reward"], _reward(episode, 0).mean())


@pytest.mark.parametrize("channel", lewis.CHANNELS)
def test_a_speaker_does_not_diverge_from_itself(channel):
  _, _, metrics = _play(channel, target=_world()[0].speaker)
  np.testing.assert_allclose(metrics["kl_loss"], 0, atol=1e-12)


def test_straight_through_messages_are_those_of_sampling():
  sampled, _, _ = _play("sampled")
  relaxed, _, _ = _play("straight_through")
  np.testing.assert_array_equal(relaxed.speaker.actions, sampled.speaker.actions)
  # To the listener nothing is different: what follows an end symbol has no weight.
  np.testing.assert_allclose(relaxed.listener.message, sampled.listener.message, rtol=1e-6)
