"""Continual learning: one method on one stream, several seeds at once.

  python -m socialized_learning.main
    --config=socialized_learning/configs/continual_config.py[:METHOD,STREAM,BUFFER]

For example `:er,rot-mnist,500`, `:sgd,seq-mnist` (no memory), `:derpp,rot-mnist5k,200`. The default,
`er,rot-mnist5k,200`, runs on embedded data. Values come from the tuned presets (`configs.presets`) and
can be changed one by one: `--config.learner.learning_rate=0.1`, `--config.num_epochs=1`.

| stream | setting | data |
|---|---|---|
| rot-mnist5k, perm-mnist5k, seq-mnist5k, mnist5k-360 | as below | embedded, 5,000 images of MNIST train |
| rot-mnist, perm-mnist | 20 rotations or permutations of the same digits | MNIST |
| seq-mnist | 5 tasks of 2 digits | MNIST |
| mnist-360 | one pass without tasks, digits that turn | MNIST |
| seq-cifar10, seq-cifar100, seq-tinyimg, seq-svhn | 5 or 10 tasks of classes | CIFAR, Tiny ImageNet, SVHN |
| gcil-cifar100-unif, gcil-cifar100-longtail | 20 phases of random classes | CIFAR-100 |

`dynamos`, `dynamos_sgd` and `multi_scale` train the network they were published on, all others an
MLP (MNIST) or a ResNet-18; `--config.network.kind=gated_resnet --config.network.width=32
--config.network.grey_as_colour=True` gives them the former, without its agents.
"""

from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

from ml_collections import config_dict

from socialized_learning.configs import common
from socialized_learning.configs import presets
from socialized_learning.streams import definitions
from socialized_learning.streams import options as stream_options
from socialized_learning.streams import STREAMS

_GCIL = "gcil-cifar100"
# Where a value of a preset stands if it is not one of the method's own, `learner`.
_PLACES = {
    "batch_size": "batch_size", "num_epochs": "num_epochs", "width": "network.width",
    "grey_as_colour": "network.grey_as_colour",
    "bottleneck_ratio": "network.bottleneck_ratio",
    "policy_temperature": "network.policy_temperature", "inference": "inference.mode",
    "inference_threshold": "inference.threshold"}
_ABOUT = ("source", "ours", "reason")
# How streams are walked where rows are for the network of Dynamos, as published with them.
_STREAM_OF_DYNAMOS = {"short_batch": "keep", "mnist360_outputs": 9}


def get_config(sweep: str = "er,rot-mnist5k,200") -> config_dict.ConfigDict:
  """Returns the configuration of `METHOD,STREAM[,BUFFER]`.

  Raises:
    KeyError: there is no such preset; with the ones that there are.
  """
  method, stream, buffer = _parse(sweep)
  values = presets.preset(method, stream, buffer)
  config = common.get_config("continual", sweep)
  config.method = method
  config.preset = {name: values[name] for name in _ABOUT}
  config.preset_values = _placed(values)
  config.batch_size = config.num_epochs = 1
  config.learner = config_dict.create(buffer_size=buffer or 0)
  if buffer and method != "agem":  # Which fills its memory at the end of tasks.
    config.learner.memory_policy = "reservoir"  # Or ring: the latest examples.
  if method in ("ewc_on", "synergy"):  # Whether importance is averaged over each filter.
    config.learner.average_filters = method == "synergy"
  # clean; reference for the published code's defects that a number depends on; of si: clean, paper.
  config.learner.fidelity = "clean"
  options = dataclasses.asdict(stream_options.Options())
  name, weights = stream, options["gcil_weights"]
  if stream.startswith(_GCIL):
    name, weights = _GCIL, stream.removeprefix(f"{_GCIL}-")
  options["gcil_weights"] = weights
  if "width" in values:
    options |= {option: value for option, value in _STREAM_OF_DYNAMOS.items()
                if option in STREAMS[name].understood}
  config.stream = config_dict.create(name=name, seed=0, **options)
  source = STREAMS[name].source
  is_mnist = source in (definitions.MNIST, definitions.MNIST5K)
  # Rows with a width are for the network of Dynamos, with its agents or without.
  kind = "gated_resnet" if "width" in values else "mlp" if is_mnist else "resnet18"
  config.network = config_dict.create(
      kind=kind, hidden_sizes=(100, 100), width=64, has_agents="keep_ratio" in values,
      bottleneck_ratio=16, policy_temperature=0.15, grey_as_colour=False)
  config.inference = config_dict.create(
      mode="threshold", threshold=0.5,
      skip_channels=False)  # Whether to answer the test without those that no image of a kind needs.
  config.data.name = source.name
  config.data.download = False
  config.data.order = "content"  # Of the images, whatever files hold them; files: as those have it.
  config.population = config_dict.create(
      size=1,  # Independent seeds, trained at once: run seed, plan and start are the member's own.
      mapping="auto")  # How members are computed: vmap, loop, auto.
  config.training_steps = 0  # 0 for the whole stream.
  config.updates_per_call = 50
  config.save_checkpoint_interval = 1_000
  config.evaluation = config_dict.create(
      interval=0, checkpoint="latest",
      thresholds=())  # Of networks with agents: others than that of inference, tried at the end.
  config.update(config.preset_values)
  return config


def _placed(values: Mapping[str, Any]) -> dict[str, Any]:
  """The values of a preset, nested as they stand in the configuration."""
  nested: dict[str, Any] = {}
  for name, value in values.items():
    if name not in _ABOUT:
      *groups, leaf = _PLACES.get(name, f"learner.{name}").split(".")
      functools.reduce(lambda node, group: node.setdefault(group, {}), groups, nested)[leaf] = value
  return nested


def _parse(sweep: str) -> tuple[str, str, int | None]:
  parts = sweep.split(",")
  if len(parts) not in (2, 3) or not all(parts):
    raise KeyError(f"sweep {sweep!r}: name METHOD,STREAM or METHOD,STREAM,BUFFER, as er,rot-mnist5k,200")
  if len(parts) == 3 and not parts[2].isdecimal():
    raise KeyError(f"sweep {sweep!r}: the buffer {parts[2]!r} is not a number of slots")
  return parts[0], parts[1], int(parts[2]) if len(parts) == 3 else None
