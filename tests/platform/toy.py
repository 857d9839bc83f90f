"""A tiny Jaxline experiment, small enough to train in milliseconds."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxline import base_config
from jaxline import experiment
from ml_collections import config_dict

from socialized_learning.platform import checkpoints
from socialized_learning.platform import jaxline_shim


class ToyExperiment(experiment.AbstractExperiment):
  """A vector that walks at random; its made-up accuracy is best at step 4."""

  CHECKPOINT_ATTRS = {"_state": "state"}

  def __init__(self, mode: str, init_rng: jax.Array, size: int = 3):
    super().__init__(mode, init_rng)
    self._state = jaxline_shim.bcast_local_devices({
        "walker/~/w": {"w": jax.random.normal(init_rng, (size,))},
        "memory": jnp.zeros((2, size), jnp.bfloat16),
        "count": jnp.zeros((), jnp.int32),
        "nothing": None,
    })

  def step(self, *, global_step, rng, writer):
    self._state, scalars = _update(self._state, rng)
    return jaxline_shim.get_first(scalars)

  def evaluate(self, *, global_step, rng, writer):
    step = int(self.snapshot_state()["state"]["count"])
    return {"accuracy": jnp.float32(1 - abs(step - 4) / 10)}


@functools.partial(jax.pmap, axis_name=jaxline_shim.DEVICE_AXIS, donate_argnums=0)
def _update(state, rng):
  noise = jax.random.normal(rng, state["walker/~/w"]["w"].shape)
  w = 0.9 * state["walker/~/w"]["w"] + jax.lax.pmean(noise, jaxline_shim.DEVICE_AXIS)
  state = dict(state, memory=jnp.roll(state["memory"], 1, 0).at[0].set(w.astype(jnp.bfloat16)),
               count=state["count"] + 1)
  state["walker/~/w"] = {"w": w}
  return state, {"loss": jnp.sum(w ** 2), "mean": jnp.mean(w)}


def toy_config(training_steps: int, size: int = 3) -> config_dict.ConfigDict:
  """A Jaxline configuration that logs every step and saves every second one."""
  config = base_config.get_base_config()
  config.training_steps = training_steps
  config.interval_type = "steps"
  config.save_checkpoint_interval = 2
  config.log_train_data_interval = 1
  config.log_tensors_interval = 1000
  config.one_off_evaluate = True
  config.best_model_eval_metric = "accuracy"
  config.experiment_kwargs.size = size
  return config


class HeldExperiment:
  """Keeps a snapshot and gives it back: for checkpoints without training."""

  def __init__(self, snapshot: Any):
    self.snapshot = snapshot

  def snapshot_state(self) -> Any:
    return self.snapshot

  def restore_from_snapshot(self, snapshot: Any) -> None:
    self.snapshot = snapshot


def held(directory: Any, snapshot: Any, step: int = 0, *, series: str = "latest", **kwargs: Any
         ) -> checkpoints.OrbaxCheckpointer:
  """A checkpointer whose state of `series` is `snapshot` at `step`."""
  checkpointer = checkpoints.OrbaxCheckpointer(directory, **kwargs)
  state = checkpointer.get_experiment_state(series)
  state.global_step = step
  state.experiment_module = HeldExperiment(snapshot)
  state.train_step_rng = None
  return checkpointer
