"""This project's population step of the Lewis game, as `lewis_step` measures it.

Nothing here but what `experiments.lewis` does around its step; inputs come from the host each time.

Shapes: `B` batch, `D` features.
"""

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from benchmarks import measure
from socialized_learning import agents
from socialized_learning.experiments import lewis
from socialized_learning.games import views
from socialized_learning.population import devices
from socialized_learning.population import dynamics


def build(config: config_dict.ConfigDict, inputs: chex.Array) -> measure.System:
  """The fused, donated update of all pairs by one batch [B, D], on all devices of this process."""
  axis_name = config.axis_name
  players = make_players(config)
  call = devices.fuse(lewis.make_update(players, config), axis_name=axis_name)
  key = jax.random.PRNGKey(config.random_seed)
  constants = {"run_key": devices.replicate(key, axis_name=axis_name), "data": {}}
  # As the experiment has it: runs once, so compiling it fast matters more than running it fast.
  init = jax.jit(initial_state(players), compiler_options={"xla_backend_optimization_level": 0})
  state = devices.replicate(init(key, inputs[:1]), axis_name=axis_name)
  batches = {"inputs": inputs[None], "labels": {}}  # One update a call.

  def step():
    nonlocal state
    state, metrics = call(state, devices.split(batches), constants, np.int32(1))
    jax.block_until_ready((state, metrics))

  return measure.System(step, lambda: count_flops(config, inputs))


def make_players(config: config_dict.ConfigDict) -> dynamics.Dynamics:
  """Initialisation and update of the population."""
  speaker = agents.make_speaker(config.speaker, config.message)
  listener = agents.make_listener(config.listener, config.message, {})
  return dynamics.make_dynamics(speaker, listener, config, axis_name=config.axis_name)


def initial_state(players: dynamics.Dynamics):
  """(key, inputs [1, D]) -> the state before the first step."""

  def init(key, inputs):
    view = views.make_view(inputs, {}, key, noise=0.0, axis_name=None)
    return lewis.TrainState(players.init(key, view), jnp.int32(0))

  return init


def lower(config: config_dict.ConfigDict, inputs: chex.Array) -> jax.stages.Lowered:
  """One update by one batch [B, D] on one device, lowered and not compiled."""
  config = config.copy_and_resolve_references()
  config.axis_name = None
  players = make_players(config)
  key = jax.random.PRNGKey(config.random_seed)
  state = jax.eval_shape(initial_state(players), key, inputs[:1])
  batch = {"inputs": inputs, "labels": {}}
  constants = {"run_key": key, "data": {}}
  return jax.jit(lewis.make_update(players, config)).lower(state, batch, constants)


def count_flops(config: config_dict.ConfigDict, inputs: chex.Array) -> float:
  """Floating-point operations of one step, by XLA's count.

  XLA counts the body of a loop once, so the step is lowered without loops: cells unrolled, pairs by
  `vmap`. At the published sizes that gives 100.1e9 a pair; the matrix products alone are 99.8e9 if
  counted by hand, and with its loops the step would seem to have 20.4e9.
  """
  config = config.copy_and_resolve_references()
  config.speaker.unroll = config.listener.unroll = config.message.length
  config.population.mapping = "vmap"
  return lower(config, inputs).cost_analysis()["flops"]
