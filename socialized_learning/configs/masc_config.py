"""Socialized learning: specialists teach a generalist together, which then makes each of them grow.

  python -m socialized_learning.main
    --config=socialized_learning/configs/masc_config.py[:cifar100|cifar10|mnist|emoji|mnist5k]

| sweep | agents | data | cost |
|---|---|---|---|
| mnist5k (default) | 5 with 2 digits each, small networks | embedded, 5,000 images of MNIST train | minutes on 2 cores |
| emoji | 4 with 2 of 8 categories each, small networks | embedded, real drawings | minutes on 2 cores |
| mnist | 5 with 2 digits each, small networks | MNIST | an hour on 2 cores |
| cifar10 | 5 with 2 classes each, published networks | CIFAR-10 | an accelerator for hours |
| cifar100 | 4 with 25 classes each, published networks | CIFAR-100 | an accelerator for hours |

Values that are None are decided by `fidelity`: clean (default), paper, or code; see
`society.fidelity`. For example `--config.fidelity=paper`, `--config.evaluation.gate=lse`,
`--config.groups.split=given --config.groups.given="((0, 1, 2), (3, 4, 5, 6, 7, 8, 9))"`.
Source: Yao et al. 2024, "Socialized Learning: Making Each Other Better Through Multi-Agent
Collaboration" (ICML).
"""

from ml_collections import config_dict

from socialized_learning.configs import common

SWEEPS = ("mnist5k", "emoji", "mnist", "cifar10", "cifar100")
_AGENTS = {"cifar100": 4, "emoji": 4}
# Small networks learn small sets in so many epochs of each stage, at a lower rate.
_SMALL = {"mnist5k": (8, 6), "emoji": (8, 30), "mnist": (8, 2)}  # width divisor, epochs


def get_config(sweep: str = "mnist5k") -> config_dict.ConfigDict:
  """Returns the configuration of a sweep.

  Raises:
    KeyError: there is no such sweep; with the ones that there are.
  """
  if sweep not in SWEEPS:
    raise KeyError(f"no sweep {sweep!r}: there are {', '.join(SWEEPS)}")
  config = common.get_config("masc", sweep)
  decided = config_dict.placeholder
  config.fidelity = "clean"
  config.data.update(
      name=sweep, download=False,
      order="content",  # Of the images, whatever files hold them; files: as those have it.
      validation=0.1,  # Of each class, to choose models and calibrate gates.
      classes=0,  # The first so many; 0 for all.
      images_per_class=0,  # To train on, those held out too; 0 for all.
      augmentation=decided(str), normalise=decided(str))
  config.groups = config_dict.create(
      num_agents=_AGENTS.get(sweep, 5),
      split="ordered",  # Or seeded, given (the classes of each agent), tasks (of data.name=task_folders).
      seed=0, given="()")
  config.network = config_dict.create(
      width_divisor=1, hidden_size=1024, dropout_rate=0.5,
      mapping="auto")  # How specialists are computed: vmap, loop, auto.
  _add_training(config)
  config.selection = decided(str)  # Which model a stage leaves: the best in validation, or the last.
  config.selection_epochs = 5  # How often to look.
  config.rounds = 1  # Grown agents teach the next round.
  config.collaboration = config_dict.create(
      kd_mode=decided(str),
      block=4)  # Of mid_feature: where the student's activations enter the teacher.
  config.altruism = config_dict.create(init="fresh")  # Or owner_head, student.
  config.cache = config_dict.create(
      enabled=True,  # Grown agents learn from stored features of the frozen backbone.
      num_views=1,  # Of each image, the first without augmentation.
      teachers=False)  # Whether teachers speak of the images without augmentation, once.
  config.baselines = decided(bool)  # Also train what the society is compared with: where anything is trained.
  config.federated_steps = 20  # Of the federated agents between two averages.
  # Folders of weights (tools.import_torch) of what is not to be trained, with commas between agents';
  # `,B,,` is that of agent 1 alone, which evaluation.agent=1 makes of `B`.
  config.weights = config_dict.create(specialists="", student="", experts="")
  # Whether to train what is not given: unless what evaluation.program and agent ask for is given.
  config.train = decided(bool)
  config.training_steps = 0  # 0 for all stages.
  config.evaluation = config_dict.create(
      interval=0, checkpoint="latest",
      program="all",  # Of the original's two tests: teacher, masc, or both.
      agent=-1,  # Whose tests are told; -1 for all.
      gate=decided(str))  # Who answers in the end: lse, margin, student, expert, oracle.
  if sweep in _SMALL:
    _make_small(config, *_SMALL[sweep])
  if sweep == "emoji":
    config.data.augmentation = "crop_flip"
  config.save_checkpoint_interval = 200
  config.log_train_data_interval = 20
  return config


def _add_training(config: config_dict.ConfigDict) -> None:
  """Values that the fidelity decides, unless they are given."""
  decided = config_dict.placeholder
  config.batch_size = decided(int)
  config.num_epochs = config_dict.create(
      specialists=decided(int), student=decided(int), experts=decided(int))
  config.learning_rate = decided(float)
  config.schedule = decided(str)
  config.warmup_epochs = decided(int)
  config.momentum = decided(float)
  config.weight_decay = decided(float)
  config.kd_weight = decided(float)
  config.alignment_weight = decided(float)
  config.anchor = decided(float)
  config.temperature = decided(float)


def _make_small(config: config_dict.ConfigDict, divisor: int, epochs: int) -> None:
  """Small networks and few epochs, for small sets without colour constants."""
  config.network.update(width_divisor=divisor, hidden_size=128, dropout_rate=0.2)
  config.num_epochs = config_dict.create(specialists=epochs, student=epochs, experts=epochs)
  config.data.update(augmentation="none", normalise="none")
  config.batch_size, config.learning_rate = 64, 0.02
  config.warmup_epochs, config.selection_epochs = 1, 2
