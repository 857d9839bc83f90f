"""The speaker's modes really differ, for every torso, core and head; relaxed symbols; ends."""

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning import agents
from socialized_learning.agents import cores
from socialized_learning.agents import heads
from socialized_learning.agents import torsos
from socialized_learning.configs import lewis_config

_BATCH = 16


def _config(**changes):
  config = lewis_config.get_config("debug")
  config.speaker.torso.hidden_sizes = (7,)
  for path, value in changes.items():
    group, name = path.rsplit("__", 1)
    target = config.speaker
    for part in group.split("__"):
      target = target[part] if part != "speaker" else target
    target[name] = value
  return config


def _make(config, inputs=None):
  speaker = agents.make_speaker(config.speaker, config.message)
  speaker = agents.Speaker(*map(jax.jit, speaker[:-1]), jax.jit(
      speaker.relaxed, static_argnames="straight_through"))
  inputs = jax.random.normal(jax.random.PRNGKey(1), (_BATCH, 6)) if inputs is None else inputs
  return speaker, speaker.init(jax.random.PRNGKey(0), inputs), inputs


def _keys(seed):
  return jax.random.split(jax.random.PRNGKey(seed), _BATCH)


def _check_modes(config, inputs=None):
  """Sampling varies with the key, greedy is the argmax, forced returns what it was given."""
  speaker, params, inputs = _make(config, inputs)
  first, second = (speaker.sample(params, inputs, _keys(seed)) for seed in (1, 2))
  assert not np.array_equal(first.actions, second.actions)
  np.testing.assert_array_equal(first.actions,
                                speaker.sample(params, inputs, _keys(1)).actions)
  greedy = speaker.greedy(params, inputs)
  np.testing.assert_array_equal(greedy.actions, greedy.logits.argmax(-1))
  assert not np.array_equal(first.actions, greedy.actions)
  forced = speaker.forced(params, inputs, first.actions)
  np.testing.assert_array_equal(forced.actions, first.actions)
  # The same words in the same places have the same probability, however they came about.
  np.testing.assert_allclose(forced.log_probs, first.log_probs, rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(forced.logits, first.logits, rtol=1e-5, atol=1e-6)
  return forced


@pytest.mark.parametrize("core", cores.CORES)
def test_cores(core):
  _check_modes(_config(core__kind=core))


@pytest.mark.parametrize("head", heads.SPEAKER_HEADS)
def test_heads(head):
  output = _check_modes(_config(speaker__head=head))
  assert (output.values is None) == (output.q_values is None) == (head == "policy")
  if head == "policy_q_value":  # One dueling head: the value is the mean of the action values.
    np.testing.assert_allclose(output.values, output.q_values.mean(-1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("activate_final", [False, True])
def test_mlp_torso_has_a_relu_between_its_layers(activate_final):
  transformed = hk.without_apply_rng(hk.transform(lambda x: torsos.make_torso(
      "mlp", hidden_sizes=(5, 4), vocab_size=2, embed_dim=1, activate_final=activate_final)(x)))
  inputs = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 2, 2)
  params = transformed.init(jax.random.PRNGKey(0), inputs)
  first, second = (params[f"torso/~/linear_{i}"] for i in (0, 1))
  expected = np.maximum(inputs.reshape(3, 4) @ first["w"] + first["b"], 0) @ second["w"] + second["b"]
  assert expected.min() < 0
  np.testing.assert_allclose(transformed.apply(params, inputs),
                             np.maximum(expected, 0) if activate_final else expected, rtol=1e-5)


def test_mlp_torso_reads_images():
  _check_modes(_config(torso__kind="mlp"), jax.random.normal(jax.random.PRNGKey(0),
                                                             (_BATCH, 4, 4, 3)))


def test_discrete_torso_reads_integers():
  inputs = jax.random.randint(jax.random.PRNGKey(0), (_BATCH, 3), 0, 5)
  _check_modes(_config(torso__kind="discrete", torso__vocab_size=5), inputs)


def test_samples_follow_the_policy():
  config = _config()
  config.message.length = 1
  speaker, params, inputs = _make(config)
  same = jnp.repeat(inputs[:1], 4000, axis=0)
  output = speaker.sample(params, same, jax.random.split(jax.random.PRNGKey(0), 4000))
  counts = np.bincount(np.asarray(output.actions[:, 0]), minlength=config.message.vocab_size)
  np.testing.assert_allclose(counts / 4000, jax.nn.softmax(output.logits[0, 0]), atol=0.03)


def test_program_does_not_grow_with_message_length():
  def size(length):
    config = _config()
    config.message.length = length
    speaker = agents.make_speaker(config.speaker, config.message)
    inputs = jnp.zeros((_BATCH, 6))
    params = jax.eval_shape(speaker.init, jax.random.PRNGKey(0), inputs)
    grad = jax.grad(lambda p, k: speaker.sample(p, inputs, k).log_probs.sum())
    return len(jax.jit(grad).lower(params, _keys(0)).as_text().splitlines())

  assert size(40) == size(4)


def test_unrolling_changes_nothing():
  outputs = []
  for unroll in (1, 3):
    config = _config()
    config.speaker.unroll = unroll
    speaker, params, inputs = _make(config)
    outputs.append(speaker.sample(params, inputs, _keys(0)))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), *outputs)


@functools.cache
def _plain():
  """A speaker with an LSTM, made and compiled once for all tests."""
  return _make(_config())


def test_gumbel_softmax_symbols_are_distributions_that_sharpen_as_it_gets_colder():
  speaker, params, inputs = _plain()
  sampled = speaker.sample(params, inputs, _keys(1))
  said = {}
  for temperature in (1.0, 1e-3):
    output = speaker.relaxed(params, inputs, _keys(1), temperature=temperature,
                             straight_through=False)
    said[temperature] = jax.device_get(output)
    np.testing.assert_allclose(said[temperature].symbols.sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(said[temperature].actions,
                                  said[temperature].symbols.argmax(-1))
    # Later symbols are conditioned on other embeddings than those of whole symbols.
    np.testing.assert_array_equal(said[temperature].actions[:, 0], sampled.actions[:, 0])
  assert said[1.0].symbols.max(-1).mean() < 0.9
  np.testing.assert_array_equal(said[1e-3].actions, sampled.actions)
  assert np.mean(said[1e-3].symbols.max(-1) > 0.999) > 0.95


@pytest.mark.parametrize("temperature", [0.1, 5.0])
def test_straight_through_symbols_are_one_hot_and_those_of_sampling(temperature):
  speaker, params, inputs = _plain()
  sampled = speaker.sample(params, inputs, _keys(1))
  relaxed = jax.device_get(speaker.relaxed(params, inputs, _keys(1), temperature=temperature,
                                           straight_through=True))
  np.testing.assert_array_equal(relaxed.actions, sampled.actions)
  np.testing.assert_allclose(relaxed.symbols, np.eye(5)[relaxed.actions], atol=1e-6)
  for name in ("log_probs", "entropies", "logits", "values", "q_values"):
    np.testing.assert_allclose(getattr(relaxed, name), getattr(sampled, name), rtol=1e-4,
                               atol=1e-5)


@pytest.mark.parametrize("straight_through", [False, True])
def test_forced_along_relaxed_symbols_it_thinks_the_same_again(straight_through):
  speaker, params, inputs = _plain()
  relaxed = speaker.relaxed(params, inputs, _keys(1), temperature=1.0,
                            straight_through=straight_through)
  forced = speaker.forced(params, inputs, relaxed.symbols)
  assert relaxed.spoken is None
  np.testing.assert_array_equal(forced.symbols, relaxed.symbols)
  np.testing.assert_array_equal(forced.actions, relaxed.actions)
  for name in ("log_probs", "entropies", "logits", "values", "q_values"):
    np.testing.assert_allclose(getattr(forced, name), getattr(relaxed, name), rtol=1e-5, atol=1e-6)


_WEIGHTS = np.random.default_rng(2).normal(size=(_BATCH, 5)).astype(np.float32)


@functools.cache
def _slope(straight_through):
  """Compiled gradient of `sum(weights * symbols)` at one step, temperature 2."""
  speaker, params, inputs = _plain()

  def score(params, step):
    symbols = speaker.relaxed(params, inputs, _keys(1), temperature=2.0,
                              straight_through=straight_through).symbols[:, step]
    return (_WEIGHTS * symbols).sum(), symbols

  slope = jax.jit(jax.grad(score, has_aux=True))
  return lambda step: jax.device_get(slope(params, step))


@pytest.mark.parametrize("straight_through", [False, True])
def test_gradients_reach_the_speaker_through_its_symbols(straight_through):
  grads, _ = _slope(straight_through)(2)
  for module in ("state_adapter", "lstm/linear", "head/~/policy"):
    assert np.abs(grads[f"speaker/~/{module}"]["w"]).max() > 1e-4
  # The last symbol hangs on those before it: also their embeddings are learnt.
  assert np.abs(grads["speaker/~/embed"]["embeddings"][:5]).max() > 1e-4
  for module in ("value", "dueling_state_value", "dueling_advantage"):
    assert not np.any(grads[f"speaker/~/head/~/{module}"]["w"])


def test_straight_through_has_the_gradient_of_the_soft_symbol():
  # The first symbol: later ones are conditioned on whole symbols in one case, soft in the other.
  soft_grads, soft = _slope(False)(0)
  grads, hard = _slope(True)(0)
  assert np.abs(hard - soft).max() > 0.1
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), grads,
               soft_grads)
  # By hand, as softmax has it: d sum(w y) / d logit_v = y_v (w_v - sum(w y)) / temperature.
  by_hand = soft * (_WEIGHTS - (_WEIGHTS * soft).sum(-1, keepdims=True)) / 2.0
  np.testing.assert_allclose(grads["speaker/~/head/~/policy"]["b"], by_hand.sum(0), rtol=1e-4,
                             atol=1e-5)


@functools.cache
def _ending():
  """A speaker whose messages end, the same with messages of one length, parameters, inputs."""
  fixed, params, inputs = _plain()
  config = _config()
  config.message.variable_length = True
  ending, _, _ = _make(config)
  params = jax.device_get(params)
  params["speaker/~/head/~/policy"]["b"] = np.array([0.25, 0, 0, 0, 0], np.float32)
  return ending, fixed, params, inputs


def _steps_spoken(actions):
  """How many symbols each message has with its end symbol, counted in plain Python."""
  counts = []
  for message in actions.tolist():
    counts.append(message.index(0) + 1 if 0 in message else len(message))
  return counts


def _check_ending(output, fixed):
  """Nothing is said after the end, and up to it the same as a fixed-length speaker says."""
  counts = _steps_spoken(output.actions)
  assert set(counts) == {1, 2, 3}  # Messages of all lengths, or nothing is tested here.
  spoken = np.arange(3) < np.array(counts)[:, None]
  np.testing.assert_array_equal(output.spoken, spoken)
  for name in ("actions", "log_probs", "entropies"):
    assert not np.any(getattr(output, name)[~spoken]), name
  for name in ("log_probs", "entropies", "logits", "values", "q_values"):
    np.testing.assert_allclose(getattr(output, name)[spoken], getattr(fixed, name)[spoken],
                               rtol=1e-5, atol=1e-6)


def test_nothing_is_said_after_the_end_symbol():
  ending, fixed, params, inputs = _ending()
  output = jax.device_get(ending.sample(params, inputs, _keys(1)))
  forced = jax.device_get(fixed.forced(params, inputs, output.actions))
  assert forced.spoken is None
  _check_ending(output, forced)
  # Up to the end they are the symbols that a fixed-length speaker draws with the same keys.
  drawn = np.asarray(fixed.sample(params, inputs, _keys(1)).actions)
  np.testing.assert_array_equal(output.actions, np.where(output.spoken > 0, drawn, 0))
  assert np.any(drawn != output.actions)


@pytest.mark.parametrize("straight_through", [False, True])
def test_relaxed_messages_end_where_their_likeliest_symbols_do(straight_through):
  ending, fixed, params, inputs = _ending()
  kwargs = dict(temperature=1.0, straight_through=straight_through)
  output = jax.device_get(ending.relaxed(params, inputs, _keys(1), **kwargs))
  endless = jax.device_get(fixed.relaxed(params, inputs, _keys(1), **kwargs))
  # What it says is not cut: the listener weighs the steps by itself.
  np.testing.assert_allclose(output.symbols, endless.symbols, rtol=1e-5, atol=1e-6)
  _check_ending(output, endless)


def test_forced_along_its_greedy_messages_an_ending_speaker_thinks_the_same_again():
  ending, fixed, params, inputs = _ending()
  # The likeliest symbols of inputs this large differ from message to message.
  inputs = 3 * inputs
  greedy = jax.device_get(ending.greedy(params, inputs))
  forced = jax.device_get(ending.forced(params, inputs, greedy.actions))
  for name in ("actions", "log_probs", "entropies", "spoken"):
    np.testing.assert_allclose(getattr(forced, name), getattr(greedy, name), rtol=1e-5, atol=1e-6)
  _check_ending(greedy, jax.device_get(fixed.forced(params, inputs, greedy.actions)))
  assert fixed.greedy(params, inputs).spoken is None
