"""Trained networks without the channels that no test image of a kind needs."""

import jax
import numpy as np
import pytest

from socialized_learning.agents import compaction
from socialized_learning.configs import continual_config
from socialized_learning.experiments import continual
from socialized_learning.experiments import continual_skipping as skipping
from socialized_learning.experiments import continual_world
from tests.learners import gated_golden as golden


@pytest.fixture(name="found", scope="module")
def _found():
  """What is said of two members with the golden network, on some test images of two classes."""
  config = continual_config.get_config("dynamos_sgd,seq-mnist5k")
  config.stream.num_tasks, config.population.size, config.stream.validation = 1, 2, 0.01
  config.network.width = 16
  config = continual.ContinualExperiment.resolve(config, None)
  planned = continual_world.plan(config)
  world = continual_world.make_world(continual_world.load_images(config), planned)
  nets = jax.tree.map(lambda x: np.stack([x, -x if x.ndim == 2 else x]), golden.net(np.float32))
  nets = nets._replace(params=nets.params | {"resnet/~/linear": {
      name: leaf[..., :planned[0].num_outputs] for name, leaf in nets.params["resnet/~/linear"].items()}})
  return planned, skipping.report(config, planned, world, nets)


def test_kinds_and_members(found):
  planned, said = found
  assert said["kind"] == ["all", "class 0", "class 1", "image 0", "image 1", "image 2"]
  assert said["batch"] == [10, 10, 10, 1, 1, 1]
  for key in ("channels", "macs", "time", "milliseconds", "largest_difference"):
    assert np.shape(said[key])[:2] == (len(planned), len(said["kind"])), key


def test_what_is_cut_is_not_missed(found):
  _, said = found
  channels, macs = np.array(said["channels"]), np.array(said["macs"])
  assert channels.shape[2] == 4 and (channels % 8 == 0).all() and channels.max() <= 32
  assert channels.min() < 32  # Something is cut.
  # All images need what those of a class do, and these what one of them does.
  assert (channels[:, :1] >= channels).all()
  assert (macs <= 1).all() and ((macs < 1) == (channels < 32).any(axis=-1)).all()
  assert np.max(said["largest_difference"]) < 1e-4 and np.min(said["time"]) > 0


def test_a_channel_that_is_needed_is_missed():
  net, images = golden.net(np.float32), golden.images(0, dtype=np.float32)
  whole = golden.classifier()
  channels = [np.arange(16)] * 4
  config = continual_config.get_config("dynamos_sgd,seq-mnist5k")
  config.network.update(golden.CONFIG)
  cut = skipping.logits_of(skipping.make(config, 10, channels), compaction.compact(net, channels))
  found = skipping.compare(skipping.logits_of(whole, net), cut, images, 4)
  assert found["largest_difference"] > 0.1 and found["batch"] == 4
