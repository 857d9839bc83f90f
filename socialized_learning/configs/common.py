"""What the recipes of all experiment families share: Jaxline's own settings and the run's."""

from jaxline import base_config
from ml_collections import config_dict


def get_config(experiment: str, sweep: str) -> config_dict.ConfigDict:
  """Jaxline's base configuration with this project's defaults; recipes add their own groups.

  Intervals are counted in training steps, so that two runs of one recipe do the same work.
  """
  config = base_config.get_base_config()
  config.experiment = experiment
  config.sweep = sweep
  config.random_seed = 0
  # Logging happens between steps: asynchronous lines would come in another order every time.
  config.log_async = False
  config.interval_type = "steps"
  config.log_train_data_interval = 100
  config.log_tensors_interval = 1_000_000_000  # The writer prints; Jaxline's own log is not needed.
  config.save_checkpoint_interval = 500
  config.max_checkpoints_to_keep = 3
  # How many updates one device call makes at most; one where convolutions are trained on a CPU.
  config.updates_per_call = 10
  config.axis_name = "devices"
  # Where prepared data sets lie; empty for the environment variable SOCIALIZED_LEARNING_DATA.
  config.data = config_dict.create(name="", dir="")
  # Several processes: `coordinator` is host:port of process 0, the same for all of them.
  config.distributed = config_dict.create(coordinator="", num_processes=1, process_id=0)
  return config


def adam(learning_rate: float) -> config_dict.ConfigDict:
  """Settings of one optimiser, see `population.optimisers`."""
  return config_dict.create(
      name="adam", learning_rate=learning_rate, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.0,
      momentum=0.0, max_grad_norm=0.0, skip_grad_norm=0.0)


# Settings that may differ between a run and its resumption: they change when the run ends, what it
# shows and where it reads, never what it learns in a step. (A preset says where values come from.)
FREE_KEYS = (
    "training_steps", "data.dir", "distributed", "evaluation", "inference.skip_channels",
    "preset", "preset_values", "one_off_evaluate", "log_async", "save_checkpoint_interval",
    "log_train_data_interval", "log_tensors_interval", "max_checkpoints_to_keep", "updates_per_call",
)
