"""The listener, for every core and head, and messages that end."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning import agents
from socialized_learning.agents import cores
from socialized_learning.configs import lewis_config


def _hear(messages, **changes):
  config = lewis_config.get_config("debug")
  config.listener.core.kind = changes.get("core", "lstm")
  config.listener.head.kind = changes.get("head", "cpc")
  answers = {"image": 3} if config.listener.head.kind == "image" else {"colour": 4, "shape": 2}
  listener = agents.make_listener(config.listener, config.message, answers)
  candidates = jax.random.normal(jax.random.PRNGKey(1), (messages.shape[0], 2, 3))
  params = jax.jit(listener.init)(jax.random.PRNGKey(0), messages, candidates)
  return jax.jit(listener.apply)(params, messages, candidates)


_MESSAGES = jnp.array([[0, 1, 2], [0, 1, 3], [4, 1, 2], [0, 1, 2]])


@pytest.mark.parametrize("core", cores.CORES)
def test_cpc_projects_messages_and_candidates_to_one_space(core):
  heard = _hear(_MESSAGES, core=core)
  assert heard.message.shape == heard.target.shape == (4, 8) and heard.logits is None
  np.testing.assert_array_equal(heard.message[0], heard.message[3])
  assert not np.allclose(heard.message[0], heard.message[1])
  # A core without memory reads the last symbol only; the others read all of them.
  assert np.allclose(heard.message[0], heard.message[2]) == (core == "identity")


def test_multi_mlp_answers_for_every_label():
  heard = _hear(_MESSAGES, head="multi_mlp")
  assert {name: x.shape for name, x in heard.logits.items()} == {"colour": (4, 4), "shape": (4, 2)}
  assert heard.message is None and heard.target is None


def test_an_image_head_draws():
  # What it draws is compiled and looked at where heads are tested.
  heard = jax.eval_shape(functools.partial(_hear, head="image"), _MESSAGES)
  assert heard.image.shape == (4, 32, 32, 3)
  assert heard.message is None and heard.target is None and heard.logits is None


@functools.cache
def _readers():
  """The same listener for messages that end and for those of one length: symbols -> projections."""
  candidates = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)

  def make(variable_length):
    config = lewis_config.get_config("debug")
    config.message.variable_length = variable_length
    listener = agents.make_listener(config.listener, config.message, {})
    params = jax.jit(listener.init)(jax.random.PRNGKey(0), _MESSAGES, candidates)
    apply = jax.jit(listener.apply)
    return params, lambda said: np.asarray(apply(params, said, candidates).message)

  (params, ending), (same, fixed) = make(True), make(False)
  jax.tree.map(np.testing.assert_array_equal, params, same)
  return ending, fixed


def _close(actual, expected):
  np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


_ENDING = np.array([[0, 1, 2], [3, 0, 1], [2, 1, 0], [4, 3, 2]])


def test_a_message_is_read_up_to_its_end_symbol_and_no_further():
  ending, fixed = _readers()
  read = ending(_ENDING)
  for length, message in ((1, 0), (2, 1), (3, 2), (3, 3)):  # The last one has no end symbol.
    _close(read[message], fixed(_ENDING[:, :length])[message])
  assert np.abs(read - fixed(_ENDING))[:2].max(axis=1).min() > 1e-3


def test_what_follows_the_end_symbol_changes_nothing():
  ending, fixed = _readers()
  other = np.array([[0, 3, 4], [3, 0, 0], [2, 1, 0], [4, 3, 2]])
  np.testing.assert_array_equal(ending(_ENDING), ending(other))
  assert np.abs(fixed(_ENDING) - fixed(other))[:2].max(axis=1).min() > 1e-3


def test_one_hot_messages_are_read_like_whole_ones():
  ending, fixed = _readers()
  one_hot = np.eye(5, dtype=np.float32)[_ENDING]
  _close(ending(one_hot), ending(_ENDING))
  _close(fixed(one_hot), fixed(_ENDING))


def test_a_message_that_ends_somewhere_is_read_as_the_expectation_of_what_is_known_there():
  # A head of one linear map: its output for a mean of features is the mean of its outputs. All
  # symbols are the same mixture, so that what is read up to a step does not hang on the ends.
  ending, fixed = _readers()
  said = np.tile(np.array([0.25, 0.75, 0, 0, 0], np.float32), (4, 3, 1))
  expected = 0.25 * fixed(said[:, :1]) + 0.1875 * fixed(said[:, :2]) + 0.5625 * fixed(said)
  _close(ending(said), expected)
