"""What it is worth to cut out the channels that no test image of a kind needs.

Which channels a batch needs is known only agent by agent, so that a test cannot skip by itself; what
all images of a class drop is known beforehand. With `inference.skip_channels` the last networks of a run
answer its test images once more without those channels.

Shapes: `N` members, `n` test images, `K` kinds of them, `L` agents, `C` channels of each.
"""

from collections.abc import Callable, Sequence
import time
from typing import Any

import chex
import jax
from ml_collections import config_dict
import numpy as np

from socialized_learning import streams
from socialized_learning.agents import classifiers
from socialized_learning.agents import compaction
from socialized_learning.experiments import continual_world
from socialized_learning.learners import sparsity as probes
from socialized_learning.metrics import sparsity
from socialized_learning.population import compilation

_BATCH = 10  # Images of a pass.
_MULTIPLE = 16  # Other numbers of channels are slower than the next multiple.
_SINGLE_IMAGES = 3  # Kinds of one image.
_CHUNK = 500  # Images at a time that are asked what they need.
_TIMED, _REPEATS = 10, 7  # Passes that are timed, and how often: the fastest time counts.

Pass = Callable[[chex.Array], chex.Array]  # Images [B, H, W, C'] -> logits.


def report(config: config_dict.ConfigDict, planned: Sequence[streams.Stream], world: dict[str, Any],
           nets: classifiers.Net) -> dict[str, Any]:
  """What `summary.json` says of networks with leading axis [N].

  `kind` [K]: all test images, those of a class, or one of them; `batch` [K]: images of a pass. Then
  for each member: `channels` [N, K, L] that are left, rounded up; `macs` and `time` [N, K], shares of the
  masked network's; `milliseconds` [N, K] of the masked network's pass; `largest_difference` [N, K]
  between the logits of both, over all images of the kind.
  """
  found = [_of_member(config, stream, world, member, jax.tree.map(lambda x, m=member: np.asarray(x[m]), nets))
           for member, stream in enumerate(planned)]
  # Of classes that all members are tested in: held-out images are others for each.
  names = [name for name in found[0] if all(name in of_one for of_one in found)]
  return {"kind": names, "batch": [found[0][name]["batch"] for name in names]} | {
      key: [[of_one[name][key] for name in names] for of_one in found]
      for key in ("channels", "macs", "time", "milliseconds", "largest_difference")}


def _of_member(config: config_dict.ConfigDict, stream: streams.Stream, world: dict[str, Any],
               member: int, net: classifiers.Net) -> dict[str, dict[str, Any]]:
  images, labels = _tested(stream, world, member)
  whole = make(config, stream.num_outputs)
  ask = compilation.jit(lambda part: whole.gated(net, part, is_training=False)[1].kept)
  kept = np.concatenate([ask(part) for part in np.array_split(images, -(-len(images) // _CHUNK))])
  kinds = {"all": np.arange(len(images))}
  kinds |= {f"class {label}": np.flatnonzero(labels == label) for label in np.unique(labels)}
  single = {f"image {i}": np.array([i]) for i in range(_SINGLE_IMAGES)}
  masked, cut = logits_of(whole, net), {}
  rows = {}
  for name, which in (kinds | single).items():
    channels = compaction.needed(kept[which], min(_MULTIPLE, max(1, config.network.width // 2)))
    key = b",".join(each.tobytes() for each in channels)
    if key not in cut:  # Kinds that need the same are answered by the same network.
      cut[key] = logits_of(make(config, stream.num_outputs, channels), compaction.compact(net, channels))
    rows[name] = compare(masked, cut[key], images[which], 1 if name in single else _BATCH) | {
        "channels": [len(each) for each in channels],
        "macs": share_of_macs(config, stream.num_outputs, net, images.shape[1:], channels)}
  return rows


def _tested(stream: streams.Stream, world: dict[str, Any], member: int
            ) -> tuple[np.ndarray, np.ndarray]:
  """All test images once, as the network reads them, and their labels."""
  tests = stream.tests
  if tests.nested is not None:  # The last set holds all others.
    tests = tests._replace(index=tests.index[-1:], view=tests.view[-1:], valid=tests.valid[-1:])
  index, view = tests.index[tests.valid], tests.view[tests.valid]
  shown = continual_world.show(stream, world["test"], world["table"][member], index, view, None)
  return np.asarray(shown), np.asarray(world["test_labels"])[index]


def make(config: config_dict.ConfigDict, num_outputs: int,
         channels: Sequence[np.ndarray] | None = None) -> classifiers.Classifier:
  """The network of a run, or what is left of it."""
  return classifiers.make_classifier(config.network, num_outputs, inference=config.inference,
                                     channels=channels)


def logits_of(classifier: classifiers.Classifier, net: classifiers.Net) -> Pass:
  """A compiled pass at inference."""
  return compilation.jit(lambda images: classifier.apply(net, images, is_training=False)[0].logits)


def compare(masked: Pass, cut: Pass, images: np.ndarray, batch: int) -> dict[str, Any]:
  """Logits and time of two networks on the same images, in passes of `batch`."""
  filled = np.resize(np.arange(len(images)), -(-len(images) // batch) * batch)
  passes = images[filled].reshape(-1, batch, *images.shape[1:])
  logits = [np.concatenate([call(each) for each in passes]) for call in (masked, cut)]  # Compiles.
  timed = passes[:_TIMED]
  paces = np.array([[_seconds(call, timed) for call in (masked, cut)] for _ in range(_REPEATS)])
  of_masked, of_cut = paces.min(axis=0)
  return {"batch": batch, "time": float(of_cut / of_masked),
          "milliseconds": float(1e3 * of_masked / len(timed)),
          "largest_difference": float(np.abs(logits[0] - logits[1]).max())}


def _seconds(call: Pass, passes: np.ndarray) -> float:
  started = time.perf_counter()
  jax.block_until_ready([call(each) for each in passes])
  return time.perf_counter() - started


def share_of_macs(config: config_dict.ConfigDict, num_outputs: int, net: classifiers.Net,
                  image_shape: Sequence[int], channels: Sequence[np.ndarray]) -> float:
  """Multiply-accumulates of an image with some of the channels, of those with all."""
  dense = sparsity.dense_macs(probes.geometry(net.params, image_shape, num_outputs))
  shares = np.array([len(each) for each in channels]) / (2 * config.network.width)
  left = dense.always_at_inference + sparsity.gated_macs(dense, shares, shares[:-1] * shares[1:])
  return float(left / dense.total_at_inference)
