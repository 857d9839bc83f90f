"""Ease and transfer of learning (Chaabouni et al. 2022): how fast strangers learn a language.

  python -m socialized_learning.main
    --config=socialized_learning/configs/ease_of_learning_config.py[:TASK]
    --config.speaker_checkpoint=RUN

RUN is the folder of any Lewis run. Its speakers are frozen; each teaches `num_listeners` fresh
listeners, all at once, on the data of that run. A value below that is None is taken from RUN.

| task | a listener has to | data |
|---|---|---|
| discrimination (default) | pick the input among candidates | any |
| classes | name the labels (category, digit, identity, …) | with labels |
| attributes | name the attributes | with attributes |
| reconstruction | draw the picture | with pictures: emoji, emoji_people, mnist5k |

`summary.json` holds the curve of every speaker and listener, the area under it, the steps to 50, 75
and 90 % accuracy with means and standard errors, and the results on the valid and test splits.
"""

from ml_collections import config_dict

from socialized_learning.configs import common

TASKS = {  # Task -> (listener's head, its loss).
    "discrimination": ("cpc", "cpc"),
    "classes": ("multi_mlp", "classification"),
    "attributes": ("multi_mlp", "classification"),
    "reconstruction": ("image", "reconstruction"),
}


def get_config(task: str = "discrimination") -> config_dict.ConfigDict:
  """Returns the configuration of a task; raises KeyError with the known ones for another."""
  if task not in TASKS:
    raise KeyError(f"unknown task {task!r}: ease_of_learning_config.py has {', '.join(TASKS)}")
  as_in_run = config_dict.placeholder
  config = common.get_config("ease_of_learning", task)
  config.speaker_checkpoint = ""  # The folder of a Lewis run.
  # latest, or best by validation; None for the one that the run's own results are of.
  config.speaker_series = as_in_run(str)
  config.speaker_step = as_in_run(int)  # Which checkpoint; None for the newest.
  config.speakers = ()  # Which speakers, as (0, 3); empty for all.
  config.messages = "greedy"  # Or sampled.
  config.num_listeners = 3  # Of each speaker.
  config.mapping = "auto"  # How listeners are computed: vmap, map (one by one), auto.
  config.task = task
  config.training_steps = 10_000
  config.batch_size = as_in_run(int)
  config.log_train_data_interval = 50  # Also the distance of the points of the curve.
  config.save_checkpoint_interval = 1_000
  config.data.name = as_in_run(str)  # Another set of the same input size: transfer to other data.
  config.data.noise = 0.0
  config.listener = config_dict.create(
      core=dict(kind=as_in_run(str), hidden_size=as_in_run(int)), embed_dim=as_in_run(int),
      head=dict(hidden_sizes=as_in_run(tuple)), unroll=as_in_run(int))
  config.listener_loss = config_dict.create(
      score=as_in_run(str), temperature=as_in_run(float), num_distractors=-1, cross_device=True,
      questions=())  # Which labels or attributes; empty for all.
  config.listener_optimiser = common.adam(1e-3)
  config.evaluation = config_dict.create(
      interval=1_000,  # Steps between looks at the validation split; 0 for none.
      checkpoint="latest",
      num_candidates=as_in_run(int),
      num_epochs=1)
  if task == "reconstruction":
    config.batch_size = 128
    # As published, but for leaving out steps with a gradient norm above 2000 (skip_grad_norm): on
    # drawings with much white nearly all are above at the start, and nothing would be learnt.
    config.listener_optimiser.update(
        name="adamw", learning_rate=3e-4, b1=0.9, b2=0.9, weight_decay=0.01, max_grad_norm=500.0)
  return config
