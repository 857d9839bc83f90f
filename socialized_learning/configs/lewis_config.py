"""Lewis games in populations (Chaabouni et al. 2022, "Emergent Communication at Scale").

  python -m socialized_learning.main --config=socialized_learning/configs/lewis_config.py[:SWEEP]

| sweep | what | data | cost |
|---|---|---|---|
| emoji (default) | 4 pairs name emoji drawings | embedded, real features | minutes on 2 cores |
| emoji_people | the same for people with role, gender and skin tone; similarity over attributes | embedded, real pixels | minutes |
| emoji_attributes | listeners name role, gender and skin tone (classification) | embedded, real pixels | minutes |
| mnist | pixels of handwritten digits | embedded, 5,000 real digits | minutes |
| debug | a few steps of everything | synthetic | seconds |
| celeba | as in the released code, one pair, 200,000 steps | byol_celeb_a2 | an accelerator for hours |
| imagenet | as in the released code, one pair, 200,000 steps | byol_imagenet2012 | an accelerator for hours |
| imagenet_imitation | as in the released code, 10 pairs, 4 students every 10 steps | byol_imagenet2012 | an accelerator for days |
| celeba_paper | as in the paper, one pair, 300,000 steps | byol_celeb_a2 | an accelerator for hours |
| celeba_paper_imitation | the same, 10 pairs, 1 student every 10 steps | byol_celeb_a2 | an accelerator for days |
| imagenet_paper | as in the paper, one pair, 900,000 steps | byol_imagenet2012 | an accelerator for hours |
| imagenet_paper_imitation | the same, 10 pairs, 1 student every 100 steps | byol_imagenet2012 | an accelerator for days |

The defaults below are those of the released code; a sweep says what it changes. What the paper reports
beside its sweeps (50 pairs, resets, lessons among 4,096 candidates) is in docs/lewis.md.
"""

from collections.abc import Callable

from ml_collections import config_dict

from socialized_learning.configs import common


def _published() -> config_dict.ConfigDict:
  """The released code's values (batch 1024, 20 symbols, length 10, one pair, 200,000 steps)."""
  config = common.get_config("lewis", "")
  config.training_steps = 200_000
  config.save_checkpoint_interval = 2_000
  config.best_model_eval_metric = "valid/accuracy"
  config.batch_size = 1024  # Over all devices and processes.
  config.data.name = "byol_imagenet2012"
  config.data.centre = False  # Whether inputs are made to have mean zero, see `data.centring`.
  config.data.noise = 0.0  # Standard deviation of Gaussian noise, in those of each feature.
  # Variable: symbol 0 ends a message, and `length` is the most it can take, see `agents.messages`.
  config.message = config_dict.create(vocab_size=20, length=10, variable_length=False)
  # Or gumbel_softmax, straight_through, with the temperature of the symbols: see `games.lewis`.
  config.channel = config_dict.create(kind="sampled", temperature=1.0)
  config.speaker = config_dict.create(
      torso=dict(kind="identity", hidden_sizes=(256,), vocab_size=2, embed_dim=8,
                 activate_final=False),  # Whether the mlp torso also ends in a ReLU.
      core=dict(kind="lstm", hidden_size=256), embed_dim=10, head="policy_q_value_dueling",
      unroll=1)
  config.listener = config_dict.create(
      core=dict(kind="lstm", hidden_size=512), embed_dim=10,
      head=dict(kind="cpc", hidden_sizes=(256,)), unroll=1)
  config.speaker_loss = config_dict.create(
      kind="reinforce", baseline=True, entropy=1e-4, kl=0.5,
      length_cost=0.0)  # Of each symbol before the end symbol, in units of the reward.
  config.listener_loss = config_dict.create(
      kind="cpc", reward="success_rate", score="2cos-2", temperature=1.0, num_distractors=-1,
      cross_device=True, questions=())
  config.target_decay = 0.99
  config.speaker_optimiser = common.adam(1e-4)
  config.listener_optimiser = common.adam(1e-4)
  config.population = config_dict.create(
      num_speakers=1, num_listeners=1, num_pairs=1, pairing="matching",
      mapping="auto",  # How pairs are computed: vmap, map (one by one in one call), auto.
      score=dict(kind="ema", decay=0.99))
  config.imitation = config_dict.create(
      interval=0, num_students=1, teacher="best", self_imitation=False)
  config.reset = config_dict.create(
      interval=0, kind="pair", choice="random")  # Oldest: whole generations in turn.
  config.evaluation = config_dict.create(
      interval=2_000,  # Steps between looks at the validation split; 0 for none.
      checkpoint="latest",  # What the final results are of: latest, or best by validation.
      num_candidates=1024,  # Every game is one among so many, all different.
      num_epochs=1,  # Passes over a split, each with other candidates together.
      max_num_agents=10,  # The first so many speakers and listeners.
      similarity_items=1000,  # Topographic similarity is over all pairs among so many items.
      similarity_over="inputs",  # Or attributes.
      num_messages=10_000_000,  # Items of the test split whose messages are written down.
      robustness_noise=0.5,  # The test is repeated under such noise, as `data.noise`; 0 for none.
      transfer="",  # Another data set of the same input size, on which the agents are tested as well.
      official=False,  # Whether they are tested on the official split as well (`byol_celeb_a2`).
  )
  return config


def _small(config: config_dict.ConfigDict, *, steps: int, batch_size: int, num_pairs: int) -> None:
  """Sizes for data sets of a thousand items on a laptop.

  Against the published values the agents are smaller and the learning rate is higher; the speaker is
  held less to its slow average, and the listener's scores are sharper: both were found to make a
  population of this size learn in a thousand steps instead of several thousand.
  """
  config.training_steps = steps
  config.batch_size = batch_size
  config.save_checkpoint_interval = 500
  config.speaker.core.hidden_size = 64
  config.listener.core.hidden_size = 64
  config.listener.head.hidden_sizes = (64,)
  config.message.length = 6
  config.speaker.unroll = config.listener.unroll = 6
  config.speaker_loss.kl = 0.05
  config.listener_loss.temperature = 0.2
  config.speaker_optimiser.learning_rate = 3e-3
  config.listener_optimiser.learning_rate = 3e-3
  config.population.update(num_speakers=num_pairs, num_listeners=num_pairs, num_pairs=num_pairs)
  config.evaluation.interval = 500


def _emoji(config: config_dict.ConfigDict) -> None:
  config.data.name = "emoji"
  _small(config, steps=3_000, batch_size=128, num_pairs=4)
  config.evaluation.num_candidates = 256


def _emoji_people(config: config_dict.ConfigDict) -> None:
  config.data.update(name="emoji_people", centre=True)
  _small(config, steps=3_000, batch_size=128, num_pairs=4)
  config.evaluation.num_candidates = 128
  config.evaluation.similarity_over = "attributes"


def _emoji_attributes(config: config_dict.ConfigDict) -> None:
  _emoji_people(config)
  config.listener.head.kind = "multi_mlp"
  config.listener_loss.kind = "classification"
  config.listener_loss.questions = ("role", "gender", "skin_tone")


def _mnist(config: config_dict.ConfigDict) -> None:
  config.data.update(name="mnist5k", centre=True)
  _small(config, steps=3_000, batch_size=128, num_pairs=2)
  config.speaker.torso.kind = "mlp"
  config.evaluation.num_candidates = 250


def _debug(config: config_dict.ConfigDict) -> None:
  config.data.name = "dummy"
  _small(config, steps=20, batch_size=16, num_pairs=2)
  config.message.update(vocab_size=5, length=3)
  config.speaker.unroll = config.listener.unroll = 1
  config.speaker.core.hidden_size = 8
  config.listener.core.hidden_size = 8
  config.listener.head.hidden_sizes = (8,)
  config.log_train_data_interval = 5
  config.save_checkpoint_interval = 10
  config.updates_per_call = 5
  config.evaluation.update(interval=10, num_candidates=16)


def _take_best(config: config_dict.ConfigDict) -> None:
  """Results are of the checkpoint with the least loss in validation, as published."""
  config.evaluation.checkpoint = "best"
  config.best_model_eval_metric = "valid/loss"


def _celeba(config: config_dict.ConfigDict) -> None:
  _take_best(config)
  config.data.name = "byol_celeb_a2"
  config.evaluation.similarity_over = "attributes"


def _imagenet_imitation(config: config_dict.ConfigDict) -> None:
  _take_best(config)
  config.population.update(num_speakers=10, num_listeners=10, num_pairs=10)
  config.imitation.update(interval=10, num_students=4)


def _as_in_paper(config: config_dict.ConfigDict, steps: int) -> None:
  """What the paper does otherwise than its released code."""
  config.training_steps = steps
  config.listener_loss.score = "cos"


def _imitate(config: config_dict.ConfigDict, interval: int) -> None:
  """10 pairs, and the number of students that the paper chose for them."""
  config.population.update(num_speakers=10, num_listeners=10, num_pairs=10)
  config.imitation.update(interval=interval, num_students=1)


def _celeba_paper(config: config_dict.ConfigDict) -> None:
  _celeba(config)
  _as_in_paper(config, steps=300_000)


def _celeba_paper_imitation(config: config_dict.ConfigDict) -> None:
  _celeba_paper(config)
  _imitate(config, interval=10)


def _imagenet_paper(config: config_dict.ConfigDict) -> None:
  _take_best(config)
  _as_in_paper(config, steps=900_000)


def _imagenet_paper_imitation(config: config_dict.ConfigDict) -> None:
  _imagenet_paper(config)
  _imitate(config, interval=100)


SWEEPS: dict[str, Callable[[config_dict.ConfigDict], None]] = {
    "emoji": _emoji,
    "emoji_people": _emoji_people,
    "emoji_attributes": _emoji_attributes,
    "mnist": _mnist,
    "debug": _debug,
    "celeba": _celeba,
    "imagenet": _take_best,
    "imagenet_imitation": _imagenet_imitation,
    "celeba_paper": _celeba_paper,
    "celeba_paper_imitation": _celeba_paper_imitation,
    "imagenet_paper": _imagenet_paper,
    "imagenet_paper_imitation": _imagenet_paper_imitation,
}


def get_config(sweep: str = "emoji") -> config_dict.ConfigDict:
  """Returns the configuration of `sweep`; raises KeyError with the known ones for another."""
  if sweep not in SWEEPS:
    raise KeyError(f"unknown sweep {sweep!r}: lewis_config.py has {', '.join(SWEEPS)}")
  config = _published()
  SWEEPS[sweep](config)
  config.sweep = sweep
  return config
