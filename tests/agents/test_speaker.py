"""The speaker's three modes really differ, for every torso, core and head."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning import agents
from socialized_learning.agents import cores
from socialized_learning.agents import heads
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
      speaker.relaxed, static_argnames=("temperature", "straight_through")))
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
