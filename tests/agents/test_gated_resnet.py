"""The gated ResNet against golden numbers: dense, gated, in training, at inference, compacted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.agents import classifiers
from socialized_learning.agents import compaction
from socialized_learning.agents import gated_resnet
from socialized_learning.population import randomness
from tests.learners import gated_golden as golden
from tests.learners.golden import summary

_TOLERANCES = {np.float64: 1e-5, np.float32: 1e-3}
# (training, dense) -> logits of image 0, sum of squares of all.
_LOGITS = {
    (True, True): ([0.354736, -1.325925, 0.604728, 1.152049, 1.337574, 1.294054, 0.153987,
                    -0.417143, 0.390350, -0.076692], 15.151439),
    (False, True): ([-4.167108, -8.666612, -7.780427, 0.825406, 12.628927, -14.909965, -2.927517,
                     9.089334, 4.607641, 9.062510], 2289.485041),
    (True, False): ([0.625174, -0.804429, 0.098166, -1.710701, -0.165970, 0.033241, -0.393628,
                     -0.563566, -0.018830, -0.632669], 15.591878),
    (False, False): ([-4.769987, -10.017671, -13.912528, -1.825020, 15.015605, -14.290090,
                      -3.823839, 7.293776, 5.055896, 6.620786], 3799.348499),
}
_KEPT_AT_INFERENCE = [[16, 15, 16, 16], [15, 13, 13, 16], [14, 13, 15, 18], [13, 14, 19, 17],
                      [13, 14, 18, 19], [13, 15, 19, 19]]
_KEPT_IN_TRAINING = [[26, 19, 26, 19], [23, 22, 23, 22], [26, 20, 26, 20], [16, 16, 16, 16],
                     [25, 19, 25, 19], [23, 22, 23, 22]]
_LOG_PROBS = [
    [-41.212923, -42.378619, -44.939146, -51.083695],
    [-26.156162, -19.382888, -36.680614, -62.384880],
    [-28.512264, -33.135984, -33.087839, -44.345305],
    [-21.044841, -36.662165, -30.247272, -24.094441],
    [-21.953671, -31.010573, -28.479643, -34.471607],
    [-29.932539, -33.800913, -36.884228, -31.056278]]


@pytest.fixture(name="run", scope="module")
def _run():
  """(net, images, bars, is_training, is_dense) -> output, decisions, statistics; compiled once."""
  apply = jax.jit(golden.classifier().gated, static_argnames="is_training")

  def run(net, images, bars, is_training, is_dense=False):
    with jax.enable_x64(True):
      bars = jnp.broadcast_to(jnp.asarray(bars, images.dtype), (len(images), 4, 32))
      return jax.device_get(apply(net, images, bars, is_training=is_training, is_dense=is_dense))

  return run


@pytest.fixture(autouse=True)
def _float64():
  with jax.enable_x64(True):
    yield


def test_the_closed_form_world_is_the_golden_one():
  params = golden.net().params
  assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 47_714
  np.testing.assert_allclose(summary(params), (383.738748, 857.682961), rtol=1e-8)
  np.testing.assert_allclose(golden.images(0).sum(), 550.406576, rtol=1e-8)
  np.testing.assert_allclose(golden.images(0)[1, 3, 4, 2], 0.0282257, rtol=1e-5)


@pytest.mark.parametrize("dtype", _TOLERANCES)
@pytest.mark.parametrize("is_training, is_dense", _LOGITS)
def test_logits(run, is_training, is_dense, dtype):
  first, squares = _LOGITS[is_training, is_dense]
  bars = golden.bars() if is_training else 0.5
  output, decisions, _ = run(golden.net(dtype), golden.images(0, dtype=dtype), bars, is_training,
                             is_dense)
  rtol = _TOLERANCES[dtype]
  assert output.logits.dtype == dtype
  np.testing.assert_allclose(output.logits[0], first, rtol=rtol, atol=rtol)
  np.testing.assert_allclose((output.logits**2).sum(), squares, rtol=rtol)
  if is_dense:
    assert decisions.kept.all()
    if is_training:
      np.testing.assert_allclose(output.logits.sum(), -1.700362, rtol=rtol)
    return
  kept = _KEPT_IN_TRAINING if is_training else _KEPT_AT_INFERENCE
  assert decisions.kept.sum(axis=-1).tolist() == kept
  if is_training:
    np.testing.assert_allclose(decisions.logits[0].sum(axis=-1), [
        -0.128247, 1.503032, -2.256248, 0.584531], rtol=rtol, atol=rtol)
    np.testing.assert_allclose((decisions.logits**2).sum(), 67.026358, rtol=rtol)
    np.testing.assert_allclose(decisions.log_probs, _LOG_PROBS, rtol=rtol)
    assert output.logits.argmax(axis=-1).tolist() == [0, 9, 7, 0, 9, 4]
    replayed, _, _ = run(golden.net(dtype), golden.images(golden.REPLAYED, dtype=dtype), bars, True)
    assert replayed.logits.argmax(axis=-1).tolist() == [8, 9, 5, 5, 9, 4]
  else:
    np.testing.assert_allclose(np.abs(decisions.logits).min(), 0.0049, atol=5e-5)


def test_while_all_is_dense_the_agents_remember_nothing(run):
  net = golden.net()
  for is_dense in (True, False):
    _, _, stats = run(net, golden.images(0), golden.bars(), True, is_dense)
    for module, leaves in stats.items():
      is_as_before = np.array_equal(leaves["mean"], net.stats[module]["mean"])
      assert is_as_before == (is_dense and "agent" in module), module


def test_threshold_is_honoured(run):
  images = golden.images(0)
  _, at_half, _ = run(golden.net(), images, 0.5, False)
  _, at_more, _ = run(golden.net(), images, 0.7, False)
  # The first agent reads the same whatever is kept behind it.
  expected = at_half.probabilities[:, 0] >= 0.7
  np.testing.assert_array_equal(at_more.kept[:, 0], expected)
  assert 0 < expected.sum() < at_half.kept[:, 0].sum()
  # What `apply` takes is the classifier's own threshold; or bars of its own.
  strict = golden.classifier(threshold=0.7)
  logits = jax.jit(lambda net: strict.apply(net, images, is_training=False)[0].logits)(golden.net())
  np.testing.assert_allclose(logits, run(golden.net(), images, 0.7, False)[0].logits, rtol=1e-9)
  drawn, key = golden.classifier(mode="sample"), jax.random.PRNGKey(3)
  logits = jax.jit(lambda net: drawn.apply(net, images, is_training=False, key=key)[0].logits)(
      golden.net())
  bars = gated_resnet.draw_bars(randomness.each(key, jnp.arange(6)), (4, 32))
  np.testing.assert_allclose(logits, run(golden.net(), images, bars, False)[0].logits, rtol=1e-9)


def test_without_agents_it_is_the_dense_network():
  plain = golden.classifier(has_agents=False)
  assert plain.gated is None
  net = golden.net(has_agents=False)
  train = jax.jit(lambda images: plain.apply(net, images, is_training=True)[0].logits)
  np.testing.assert_allclose(train(golden.images(0))[0], _LOGITS[True, True][0], rtol=1e-5)


def test_channels_are_kept_with_their_probability():
  logits = jnp.asarray([[-100.0, -0.15, 0.0, 0.3, 100.0]])
  keys = jax.random.split(jax.random.PRNGKey(0), 4000)
  bars = gated_resnet.draw_bars(keys, (4, 5))
  assert bars.shape == (4000, 4, 5) and bars.min() > 0 and bars.max() <= 1
  decided = gated_resnet._decide(logits, bars[:, 1], False, 0.15)
  expected = 1 / (1 + np.exp(-np.asarray(logits[0]) / 0.15))
  np.testing.assert_allclose(decided.kept.mean(axis=0), expected, atol=0.03)
  assert decided.kept[:, 0].sum() == 0 and decided.kept[:, 4].all()
  # Of keeping two of the three in the middle, by hand.
  kept = gated_resnet._decide(logits[:, 1:4], jnp.asarray([[0.0, 2.0, 0.0]]), False, 0.15)
  p = expected[1:4]
  np.testing.assert_allclose(kept.log_probs, [np.log(p[0] * (1 - p[1]) * p[2])], rtol=1e-9)


@pytest.mark.parametrize("outputs, has_agents, count", [
    (10, True, 187_578), (9, True, 187_513), (10, False, 170_410), (9, False, 170_345)])
@pytest.mark.parametrize("channels", [1, 3])
def test_published_sizes(outputs, has_agents, count, channels):
  config = golden.CONFIG.copy_and_resolve_references()
  config.update(width=32, has_agents=has_agents, grey_as_colour=True)
  made = classifiers.make_classifier(config, outputs, inference=golden.INFERENCE)
  net = jax.eval_shape(made.init, jax.random.PRNGKey(0), jnp.zeros((1, 28, 28, channels)))
  assert sum(leaf.size for leaf in jax.tree.leaves(net.params)) == count


def test_a_grey_image_is_seen_as_three_equal_channels(run):
  grey = golden.images(0)[..., :1]
  shown = golden.classifier(grey_as_colour=True)
  logits = jax.jit(lambda net: shown.apply(net, grey, is_training=False)[0].logits)(golden.net())
  copied = run(golden.net(), np.repeat(grey, 3, axis=-1), 0.5, False)[0].logits
  np.testing.assert_allclose(logits, copied, rtol=1e-9)


def test_a_network_with_agents_is_not_trained_as_if_it_had_none():
  with pytest.raises(ValueError, match="gated"):
    golden.classifier().apply(golden.net(), golden.images(0), is_training=True)


def test_compacted_network_gives_the_same_logits(run):
  images = golden.images(0)[3:5]
  output, decisions, _ = run(golden.net(), images, 0.5, False)
  channels = compaction.needed(decisions.kept)
  sizes = [len(each) for each in channels]
  assert max(sizes) < 32, sizes  # Something is cut everywhere.
  made = classifiers.make_classifier(
      golden.CONFIG, 10, inference=golden.INFERENCE, channels=channels)
  small = compaction.compact(golden.net(), channels)
  assert small.params["resnet/~/stage_1_block_1/conv_2"]["w"].shape == (3, 3, sizes[2], sizes[3])
  logits = jax.jit(lambda net: made.apply(net, images, is_training=False)[0].logits)(small)
  np.testing.assert_allclose(logits, output.logits, rtol=1e-9)


def test_channels_that_are_needed():
  kept = np.zeros((2, 4, 3))
  kept[0, 0, 2] = kept[1, 0, 1] = kept[0, 1, 0] = kept[1, 3, 2] = 1
  # The third agent keeps nothing, and gets one.
  assert [each.tolist() for each in compaction.needed(kept)] == [[1, 2], [0], [0], [2]]
  in_twos = [each.tolist() for each in compaction.needed(kept, multiple_of=2)]
  assert in_twos == [[1, 2], [0, 1], [0, 1], [0, 2]]
