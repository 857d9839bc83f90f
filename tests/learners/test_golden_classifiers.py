"""The classifiers against golden numbers: logits, gradients, running statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from socialized_learning.agents import classifiers
from tests.learners import golden

_RESNET_TENSORS = (0, 1, 2, 15, 21, 54, 60, 61)
# Name -> images, parameters, their sums, cross-entropy, norms of gradients, of the whole gradient.
_CASES = {
    "mlp": (4, 89610, (6.9906429, 237.27652), (1583.5608, 1063.2693), 2.1603499,
            [4.4075129, 0.27055879, 0.86608982, 0.36243898, 0.87888042, 0.38996007], 4.6157714),
    "small_mlp": (4, 11905, (5.7194986, 230.22146), (20.282353, 11.24792), 1.6157247,
                  [0.28066271, 0.15450801, 0.86307933, 0.19937268, 0.98250032, 0.24465967],
                  1.382919),
    "resnet": (6, 176402, (627.50868, 1296.8584), (2316.0471, 1550.9368), 2.4680536,
               [6.4374883, 2.1413638, 1.2711474, 7.6586954, 2.6130679, 4.4684579, 3.2065375,
                0.24841883], 27.926745),
}
_LOGITS = {
    "mlp": [-0.27358418, -0.14225118, -0.35137911, 0.23458185, -0.18664327, 0.022983113, 0.17820743,
            0.18625729, 0.25154836, 0.34063389],
    "small_mlp": [-0.17161511, -0.056082424, -0.42602303, 0.11425113, 0.056393406],
    "resnet": [0.46678011, 0.040986931, 0.74246134, -0.74378258, -0.58208574, -1.4203148, 0.014259111,
               -0.38378398, -0.21219574, -0.36267075],
}
_ALL_LOGITS = {"mlp": (-0.16904869, 2.7432589), "small_mlp": (-3.5017965, 1.6265384),
               "resnet": (0.99058304, 46.675944)}


@pytest.fixture(autouse=True)
def _float64():
  with jax.enable_x64(True):
    yield


def _loss(name, net, images, labels):
  output, stats = golden.classifier(name).apply(net, images, is_training=True)
  loss = optax.softmax_cross_entropy_with_integer_labels(output.logits, labels).mean()
  return loss, (output, stats)


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-6), (np.float32, 1e-3)])
@pytest.mark.parametrize("name", _CASES)
def test_forward_and_backward(name, dtype, rtol):
  count, num_params, of_params, of_images, loss, norms, norm = _CASES[name]
  net, images = golden.net(name, dtype=dtype), golden.images(name, range(count), dtype)
  assert sum(leaf.size for leaf in jax.tree.leaves(net.params)) == num_params
  np.testing.assert_allclose(golden.summary(net.params), of_params, rtol=rtol)
  np.testing.assert_allclose(golden.summary(images), of_images, rtol=rtol)
  step = jax.jit(jax.value_and_grad(lambda params: _loss(
      name, net._replace(params=params), images, golden.labels(name, range(count))), has_aux=True))
  (value, (output, _)), grads = jax.device_get(step(net.params))
  np.testing.assert_allclose(value, loss, rtol=rtol)
  np.testing.assert_allclose(output.logits[0], _LOGITS[name], rtol=rtol, atol=rtol)
  np.testing.assert_allclose(golden.summary(output.logits), _ALL_LOGITS[name], rtol=rtol, atol=rtol)
  numbers = _RESNET_TENSORS if name == "resnet" else range(6)
  np.testing.assert_allclose(golden.norms(name, grads, numbers), norms, rtol=rtol)
  np.testing.assert_allclose(float(optax.tree.norm(grads)), norm, rtol=rtol)


def _train(net, images, passes, **kwargs):
  """Passes in training mode; returns the first's logits and the network after all."""
  logits = None
  for _ in range(passes):
    output, stats = golden.classifier("resnet").apply(net, images, is_training=True, **kwargs)
    net, logits = net._replace(stats=stats), output.logits if logits is None else logits
  return logits, net


def _evaluate(net, images):
  return jax.device_get(golden.classifier("resnet").apply(net, images, is_training=False)[0].logits)


def test_running_statistics():
  images = golden.images("resnet", range(6))
  _, once = _train(golden.net("resnet"), images, 1)
  np.testing.assert_allclose(golden.running(once.stats), (2.5509339, 636.8554), rtol=1e-6)
  stem = once.stats["resnet/~/stem_norm"]
  np.testing.assert_allclose(stem["mean"], [
      0.27042685, 0.080418282, -0.16734129, -0.1270202, 0.049708229, 0.078698654, 0.0045174549,
      0.00085536492], rtol=1e-6)
  np.testing.assert_allclose(stem["var"], [
      0.935735, 0.92402381, 0.92688998, 0.92671671, 0.92626511, 0.92145061, 0.9249311, 0.9208109],
                             rtol=1e-6)
  last = once.stats["resnet/~/stage_3_block_1/norm_2"]
  np.testing.assert_allclose([last["mean"].sum(), last["var"].sum()], [0.69519559, 61.314474],
                             rtol=1e-6)
  np.testing.assert_allclose(_evaluate(once, images)[0], [
      -494.6487, -1915.8645, -566.3871, 180.77802, -683.63322, 115.53574, -291.62255, 382.39486,
      1730.8073, 610.12493], rtol=1e-5)


def test_evaluation_after_twenty_passes():
  images = golden.images("resnet", range(6))
  _, net = _train(golden.net("resnet"), images, 20)
  np.testing.assert_allclose(golden.running(net.stats), (22.407999, 923.74644), rtol=1e-6)
  logits = _evaluate(net, images)
  np.testing.assert_allclose(logits[0], [
      -6.6094953, -35.47344, -17.368219, 10.441111, -6.2103939, -4.6125069, -7.8136411, 8.5193025,
      24.598726, 20.22848], rtol=1e-5)
  assert logits.argmax(1).tolist() == [8, 8, 8, 8, 9, 9]


def test_batches_of_one_image():
  expected = {
      0: [-0.14102861, -0.11841595, -0.42543026, 0.35386829, 0.56846561, 0.10559353, 0.07624041,
          -0.052837298, -0.088317163, 0.17573127],
      None: [-0.47313271, -0.093129671, -0.027506003, 0.34860926, 0.29955561, -0.3335296, 0.1225235,
             0.17983667, -0.37224854, 0.27691225]}
  for number, logits in expected.items():
    image = np.zeros((1, 16, 16, 3)) if number is None else golden.images("resnet", [number])
    np.testing.assert_allclose(_train(golden.net("resnet"), image, 1)[0][0], logits, rtol=1e-5,
                               atol=1e-7)


def test_examples_without_weight_do_not_count():
  images = golden.images("resnet", range(4))
  filled = np.concatenate([images, golden.images("resnet", [50, 51])])
  weights = np.array([1, 1, 1, 1, 0, 0])
  net = golden.net("resnet")
  logits, after = _train(net, images, 1)
  of_filled, after_filled = _train(net, filled, 1, weights=weights)
  np.testing.assert_allclose(of_filled[:4], logits, rtol=1e-9)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), after_filled, after)
  _, nobody = _train(net, filled, 1, weights=np.zeros(6))
  jax.tree.map(np.testing.assert_array_equal, nobody.stats, net.stats)


def test_a_batch_in_which_nobody_counts_is_finite():
  net = golden.net("resnet", dtype=np.float32)
  images = golden.images("resnet", range(4), np.float32)

  def loss(params):
    output, _ = golden.classifier("resnet").apply(
        net._replace(params=params), images, is_training=True, weights=np.zeros(4))
    return jnp.where(np.zeros(4, bool)[:, None], output.logits, 0).sum()

  grads = jax.device_get(jax.jit(jax.grad(loss))(net.params))
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))


def test_devices_share_the_statistics_of_the_batch():
  images = golden.images("resnet", range(8))
  net = golden.net("resnet")
  _, (output, stats) = _loss("resnet", net, images, golden.labels("resnet", range(8)))
  made = classifiers.make_classifier(golden.RESNET, 10, axis_name="devices")
  apply = jax.pmap(lambda x: made.apply(net, x, is_training=True), axis_name="devices")
  on_four, stats_on_four = apply(images.reshape(4, 2, 16, 16, 3))
  np.testing.assert_allclose(on_four.logits.reshape(8, 10), output.logits, rtol=1e-7, atol=1e-9)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-9), stats_on_four, stats)


@pytest.mark.parametrize("outputs, count", [(10, 11_173_962), (100, 11_220_132), (200, 11_271_432)])
def test_published_sizes(outputs, count):
  config = golden.RESNET.copy_and_resolve_references()
  config.width = 64
  made = classifiers.make_classifier(config, outputs)
  net = jax.eval_shape(made.init, jax.random.PRNGKey(0), jnp.zeros((1, 32, 32, 3)))
  assert sum(leaf.size for leaf in jax.tree.leaves(net.params)) == count


def test_initial_weights():
  made = classifiers.make_classifier(golden.RESNET, 10)
  net = jax.device_get(jax.jit(made.init)(jax.random.PRNGKey(0), jnp.zeros((1, 16, 16, 3))))
  w = net.params["resnet/~/stage_3_block_1/conv_2"]["w"]
  bound = (9 * w.shape[2])**-0.5
  assert 0.98 * bound < np.abs(w).max() <= bound
  np.testing.assert_allclose(w.std(), bound / 3**0.5, rtol=0.02)
  linear = net.params["resnet/~/linear"]
  assert np.abs(linear["b"]).max() <= 64**-0.5 and linear["b"].std() > 0
  mlp = classifiers.make_classifier(golden.MLP, 10)
  net = jax.device_get(jax.jit(mlp.init)(jax.random.PRNGKey(0), jnp.zeros((1, 28, 28, 1))))
  first = net.params["mlp/~/linear_0"]
  bound = (6 / 884)**0.5
  assert 0.98 * bound < np.abs(first["w"]).max() <= bound and not first["b"].any()
