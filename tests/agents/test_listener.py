"""The listener, for every core and head."""

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
  listener = agents.make_listener(config.listener, config.message, {"colour": 4, "shape": 2})
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
