"""The VGG against golden numbers, its sizes, dropout, devices, and the adapter between two."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.agents import adapter
from socialized_learning.agents import vgg
from tests.agents import golden_vgg

# Of the small networks with entries by formula: number and sums of all parameters.
_PARAMETERS = {"narrow": (81_234, 163.520970, 1125.681021),
               "wide": (257_746, 206.341799, 1895.259041)}
# Logits of image 0, sums of all, answers.
_EVALUATION = {
    "narrow": ([0.269499, 0.284877, -0.107803, -0.083107, -0.148238, 0.163892, 0.039776, -0.092975,
                -0.343164, -0.057556], (-0.816969, 1.119749), [1, 0, 0, 0]),
    "wide": ([0.394797, 0.513074, 0.023589, -0.610038, -0.977037, 0.767895, 0.394579, -0.506798,
              -0.259431, 0.334224], (0.216597, 4.453190), [5, 5, 5, 0]),
}
_TRAINING = {
    "narrow": ([-0.116621, 0.206130, -0.474685, -0.507821, 0.422167, 0.211614, 0.315515, 0.044678,
                -0.154331, -0.265288], (-0.766386, 3.902184), [4, 0, 0, 7]),
    "wide": ([0.620146, 0.597075, -0.994327, -0.005150, 0.120181, 0.555681, 0.257805, -0.339236,
              -0.357475, -0.204073], (1.428741, 5.381044), [0, 0, 5, 5]),
}
_DROPOUT = {
    "narrow": ([0.427338, 1.008456, -0.778893, -1.368685, -0.900599, 1.211963, 1.280303, 1.558859,
                -0.570727, -2.099349], (0.688708, 32.878882)),
    "wide": ([0.953568, 1.492071, -1.177379, -0.823373, -1.459228, 2.184682, 1.783804, 0.540141,
              -1.792964, -1.368119], (4.698537, 36.949637)),
}
# Sums of running mean and variance of the last block after one batch.
_LAST_RUNNING = {"narrow": (-0.066505, 88.405435), "wide": (-0.457981, 178.657361)}
_KEY = jax.random.PRNGKey(0)


@functools.cache
def _tiny():
  """One to eight channels."""
  return vgg.make_vgg("wide", 3, width_divisor=64, hidden_size=6, dropout_rate=0.25)


@functools.cache
def _tiny_net():
  return golden_vgg.net(_tiny(), np.float32, channels=1)


def _tiny_images(count):
  return np.random.default_rng(0).normal(size=(count, 8, 8, 1)).astype(np.float32)


def _see(layout, is_training, dtype=np.float64):
  made = golden_vgg.small(layout)
  net = golden_vgg.net(made, dtype)
  see = jax.jit(functools.partial(made.backbone, is_training=is_training))
  seen, stats = see(net.backbone, golden_vgg.images(range(4), dtype))
  return seen, stats, functools.partial(made.head, net.head, seen.features)


def _check(logits, first, sums, answers=None, **tolerance):
  logits = np.asarray(logits)
  np.testing.assert_allclose(logits[0], first, **tolerance)
  np.testing.assert_allclose(golden_vgg.summary(logits), sums, **tolerance)
  if answers:
    assert logits.argmax(1).tolist() == answers


@pytest.mark.parametrize("layout", vgg.LAYOUTS)
def test_golden_parameters(layout):
  with jax.enable_x64(True):
    net = golden_vgg.net(golden_vgg.small(layout))
  count, *sums = _PARAMETERS[layout]
  params = (net.backbone.params, net.head)
  assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
  np.testing.assert_allclose(golden_vgg.summary(params), sums, rtol=1e-8)


@pytest.mark.parametrize("layout", vgg.LAYOUTS)
def test_golden_evaluation(layout):
  with jax.enable_x64(True):
    seen, stats, head = _see(layout, False)
    _check(head(), *_EVALUATION[layout], rtol=1e-6, atol=2e-6)
  before = golden_vgg.net(golden_vgg.small(layout)).backbone.stats
  jax.tree.map(np.testing.assert_array_equal, stats, before)
  sides = [x.shape[1] for x in seen.inputs]
  assert sides == [32, 32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2]


@pytest.mark.parametrize("layout", vgg.LAYOUTS)
def test_golden_training(layout):
  with jax.enable_x64(True):
    _, stats, head = _see(layout, True)
    _check(head(), *_TRAINING[layout], rtol=1e-6, atol=2e-6)
    _check(head(golden_vgg.kept()), *_DROPOUT[layout], rtol=1e-6, atol=2e-6)
  np.testing.assert_allclose(golden_vgg.running(stats, 0), (-0.147804, 24.047478), rtol=1e-5)
  np.testing.assert_allclose(golden_vgg.running(stats, 12), _LAST_RUNNING[layout], rtol=1e-5)


def test_golden_training_in_single_precision():
  _, _, head = _see("wide", True, np.float32)
  first, sums, answers = _TRAINING["wide"]
  _check(head(), first, sums, answers, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout, total, convolutions, affine, head, statistics", [
    ("narrow", 5_146_788, 3_727_168, 4_352, 1_415_268, 4_352),
    ("wide", 16_400_548, 14_714_688, 8_448, 1_677_412, 8_448)])
def test_published_sizes(layout, total, convolutions, affine, head, statistics):
  made = vgg.make_vgg(layout, 100)
  net = golden_vgg.shapes(made)
  size = lambda tree: sum(leaf.size for leaf in jax.tree.leaves(tree))
  of = lambda part: size([leaves for name, leaves in net.backbone.params.items() if part in name])
  assert (of("conv"), of("norm"), size(net.head)) == (convolutions, affine, head)
  assert size((net.backbone.params, net.head)) == total and size(net.backbone.stats) == statistics
  assert made.widths[-1] == {"narrow": 256, "wide": 512}[layout]


@pytest.mark.parametrize("shape, last_side", [
    ((28, 28, 1), 1), ((32, 32, 3), 2), ((32, 32, 1), 2), ((8, 8, 1), 1), ((64, 64, 3), 4)])
def test_images_of_any_size(shape, last_side):
  made = vgg.make_vgg("narrow", 10, width_divisor=16)
  images = jnp.zeros((2, *shape))

  def see():
    net = made.init_backbone(_KEY, images)
    return made.backbone(net, images, is_training=False)[0]

  seen = jax.eval_shape(see)
  assert seen.features.shape == (2, 16)
  assert seen.inputs[-1].shape == (2, last_side, last_side, 16)


def test_poolings_of_mnist_drop_odd_rows_and_stop_at_one_place():
  made = _tiny()
  images = jnp.zeros((1, 28, 28, 1))
  seen = jax.eval_shape(lambda: made.backbone(made.init_backbone(_KEY, images), images,
                                              is_training=False)[0])
  assert [x.shape[1] for x in seen.inputs] == [28, 28, 14, 14, 7, 7, 7, 3, 3, 3, 1, 1, 1]


def test_the_rest_of_a_network_from_any_block_on():
  made, net = _tiny(), _tiny_net()

  @jax.jit
  def both(images):
    seen, _ = made.backbone(net.backbone, images, is_training=False)
    rest, stats = made.backbone(net.backbone, seen.inputs[7], is_training=False, first_block=7)
    nothing, _ = made.backbone(net.backbone, seen.inputs[4], is_training=False, first_block=13)
    return seen, rest, nothing, stats

  seen, rest, nothing, stats = jax.device_get(both(_tiny_images(3)))
  np.testing.assert_array_equal(rest.features, seen.features)
  assert len(rest.inputs) == 6 and not nothing.inputs
  # Where no block is left, what remains is the mean over places.
  np.testing.assert_allclose(nothing.features, seen.inputs[4].mean(axis=(1, 2)), rtol=1e-6)
  assert np.ptp(seen.inputs[4]) > 0
  jax.tree.map(np.testing.assert_array_equal, stats, net.backbone.stats)


def test_devices_share_the_batch_and_what_fills_it_up_does_not_count():
  images = _tiny_images(6)
  net = _tiny_net().backbone
  whole, stats = jax.jit(functools.partial(_tiny().backbone, is_training=True))(net, images[:5])
  made = vgg.make_vgg("wide", 3, width_divisor=64, axis_name="devices")
  see = jax.pmap(lambda x, weights: made.backbone(net, x, is_training=True, weights=weights),
                 axis_name="devices", devices=jax.devices()[:2])
  weights = np.float32([1, 1, 1, 1, 1, 0]).reshape(2, 3)
  shared, stats_of_both = see(images.reshape(2, 3, 8, 8, 1), weights)
  np.testing.assert_allclose(shared.features.reshape(6, 8)[:5], whole.features, rtol=1e-4,
                             atol=1e-5)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-4, atol=1e-6),
               stats_of_both, stats)


def test_dropout_scales_up_what_it_keeps():
  head, features = _tiny_net().head, np.random.default_rng(1).normal(size=(2, 8)).astype(np.float32)
  kept = np.random.default_rng(2).random((2, 2, 6)) < 0.5
  layer = lambda i, x: x @ head[f"head/~/linear_{i}"]["w"] + head[f"head/~/linear_{i}"]["b"]

  def expected(kept, scale):
    x = np.maximum(layer(0, features), 0) * kept[0] * scale
    return layer(2, np.maximum(layer(1, x), 0) * kept[1] * scale)

  found = _tiny().head(head, features, kept)
  np.testing.assert_allclose(found, expected(kept, 1 / 0.75), rtol=1e-5)
  found = _tiny().head(head, features)
  np.testing.assert_allclose(found, expected(np.ones((2, 2, 6)), 1), rtol=1e-5)


def test_each_example_has_units_of_its_own_whatever_the_batch():
  made = vgg.make_vgg("narrow", 3, hidden_size=500, dropout_rate=0.25)
  keys = jax.random.split(_KEY, 8)
  kept = np.asarray(made.draw_kept(keys))
  assert kept.shape == (2, 8, 500) and kept.dtype == bool
  assert abs(kept.mean() - 0.75) < 0.02
  np.testing.assert_array_equal(made.draw_kept(keys[5:6])[:, 0], kept[:, 5])
  assert len(np.unique(kept.reshape(16, 500), axis=0)) == 16


def test_initial_weights():
  inputs = [1, *_tiny().widths[:-1]]
  blocks = (0, 4, 12)  # Not all of them, to compile less.

  @jax.jit
  def init():
    params = _tiny().init_backbone(_KEY, jnp.zeros((1, 8, 8, 1))).params
    heads = jax.vmap(_tiny().init_head)(jax.random.split(_KEY, 4))
    return [params[f"backbone/~/conv_{i}"] for i in blocks], heads["head/~/linear_0"]

  convolutions, heads = jax.device_get(init())
  for i, conv in zip(blocks, convolutions, strict=True):
    bound = (9 * inputs[i])**-0.5
    assert conv["w"].shape == (3, 3, inputs[i], _tiny().widths[i])
    assert 0.7 * bound < np.abs(conv["w"]).max() <= bound
    assert 0 < np.abs(conv["b"]).max() <= bound
  assert heads["w"].shape == (4, 8, 6) and len(np.unique(heads["w"])) == heads["w"].size


@pytest.mark.parametrize("kwargs, message", [
    (dict(layout="broad"), "one of narrow, wide"), (dict(width_divisor=3), "power of 2 up to 64"),
    (dict(width_divisor=128), "power of 2"), (dict(width_divisor=0), "power of 2")])
def test_mistakes(kwargs, message):
  with pytest.raises(ValueError, match=message):
    vgg.make_vgg(**(dict(layout="narrow", num_outputs=10) | kwargs))


@pytest.mark.parametrize("block", [1, 3, 6, 12])
def test_a_specialist_can_go_on_with_the_activations_of_a_generalist(block):
  student, teacher = (vgg.make_vgg(layout, 5, width_divisor=16) for layout in ("wide", "narrow"))
  between = adapter.make_adapter(student.widths[block - 1], teacher.widths[block - 1])
  images = jnp.zeros((2, 28, 28, 1))

  def critic():
    of_student, of_teacher = (made.init_backbone(_KEY, images) for made in (student, teacher))
    seen, _ = student.backbone(of_student, images, is_training=True)
    adapted = between.apply(between.init(_KEY), seen.inputs[block])
    seen, _ = teacher.backbone(of_teacher, adapted, is_training=False, first_block=block)
    return teacher.head(teacher.init_head(_KEY), seen.features)

  assert jax.eval_shape(critic).shape == (2, 5)


def test_an_adapter_mixes_channels_place_by_place():
  made = adapter.make_adapter(4, 2)
  params = jax.device_get(made.init(_KEY))
  x = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype(np.float32)
  w, b = params["adapter"]["w"], params["adapter"]["b"]
  assert w.shape == (4, 2) and 0 < np.abs(w).max() <= 0.5
  expected = np.einsum("nyxi,io->nyxo", x, w) + b
  np.testing.assert_allclose(made.apply(params, x), expected, rtol=1e-5, atol=1e-6)
