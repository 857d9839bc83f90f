"""Fidelities against golden numbers: losses of given logits, and whole steps of a small network."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from socialized_learning.agents import classifiers
from socialized_learning.agents import vgg
from socialized_learning.platform.errors import UserError
from socialized_learning.society import fidelity
from tests.agents import golden_vgg
from tests.society import golden_logits

_LABELS = golden_logits.LABELS
_TENSORS = (0, 2, 3, 42, 75, 78, 82, 83)  # Whose gradients the golden numbers list.


@pytest.fixture(autouse=True)
def _float64():
  with jax.enable_x64(True):
    yield


def _losses(name):
  settings = fidelity.settings(name)
  return settings, fidelity.make_losses(name, anchor=settings.anchor,
                                        temperature=settings.temperature)


def _taught(losses, logits):
  """What all teachers ask, on all images."""
  of_each = jnp.stack([losses.divergence(logits, q).mean() for q in golden_logits.teachers()])
  return of_each.sum() if losses.sums_teachers else of_each.mean()


def _check_gradient(objective, value, norm, first):
  found, grad = jax.value_and_grad(objective)(golden_logits.student())
  np.testing.assert_allclose(found, value, rtol=1e-6)
  np.testing.assert_allclose(np.linalg.norm(grad), norm, rtol=1e-5)
  np.testing.assert_allclose(grad[0, :4], first, rtol=1e-5, atol=1e-6)


def test_released_losses():
  settings, losses = _losses("code")
  ce = lambda z: losses.cross_entropy(z, _LABELS).mean()
  np.testing.assert_allclose(ce(golden_logits.student()), 2.279712, rtol=1e-6)
  _check_gradient(lambda z: ce(z) + settings.alignment_weight * losses.alignment(z).mean(),
                  6.192208, 0.370862, [0.009688, -0.033534, 0.012790, 0.004573])
  _check_gradient(lambda z: ce(z) + settings.kd_weight * _taught(losses, z), 2.286010, 0.077687,
                  np.array([0.513190, -34.494993, 12.629181, 1.950269]) * 1e-3)


@pytest.mark.parametrize("name", ["clean", "paper"])
def test_losses_as_they_should_be(name):
  settings, losses = _losses(name)
  ce = lambda z: losses.cross_entropy(z, _LABELS).mean()
  np.testing.assert_allclose(ce(golden_logits.student()), 3.277909, rtol=1e-6)
  _check_gradient(
      lambda z: (ce(z) + settings.kd_weight * _taught(losses, z)
                 + settings.alignment_weight * losses.alignment(z).mean()),
      30.993602, 0.745193, [-0.032483, -0.316690, -0.097145, -0.034001])


def test_a_temperature_is_that_of_divergence_and_energy():
  losses = fidelity.make_losses("clean", anchor=-20, temperature=2)
  z = golden_logits.student()
  np.testing.assert_allclose(losses.alignment(z).mean(), 202.563556, rtol=1e-6)
  np.testing.assert_allclose(4 * _taught(losses, z), 11.129672, rtol=1e-6)


def test_bounds_of_the_released_cross_entropy():
  _, losses = _losses("code")
  z = jnp.stack([1000 * jnp.eye(100)[0], jnp.zeros(100), 1000 * jnp.eye(100)[1]])
  found = losses.cross_entropy(z, jnp.zeros(3, int))
  np.testing.assert_allclose(found, [3.622207, 4.605170, 4.622207], rtol=1e-6)


@functools.cache
def _backbone():
  """Of the golden batch in training: (params, stats, cotangent) -> features, stats, gradient.

  Compiled once for all fidelities.
  """
  made, images = golden_vgg.small("wide"), golden_vgg.images(range(4))

  @jax.jit
  def pull(params, stats, cotangent):
    def features(params):
      seen, after = made.backbone(classifiers.Net(params, stats), images, is_training=True)
      return seen.features, after

    found, pull_back, after = jax.vjp(features, params, has_aux=True)
    return found, after, pull_back(cotangent)[0]

  return pull


def _stepper(name):
  """A network's first state, and a step of it on the golden batch with fixed dropout."""
  made, pull, nothing = golden_vgg.small("wide"), _backbone(), np.zeros((4, 64))
  settings, losses = _losses(name)
  optimiser = optax.chain(optax.add_decayed_weights(settings.weight_decay),
                          optax.sgd(0.005, momentum=settings.momentum))

  def objective(head, features, second):
    logits = lambda features: made.head(head, features, golden_vgg.kept())
    z = logits(features)
    terms = {"cross_entropy": losses.cross_entropy(z, _LABELS).mean()}
    if not losses.aligns_second_pass:
      terms["taught"] = settings.kd_weight * _taught(losses, z)
    terms["alignment"] = settings.alignment_weight * losses.alignment(logits(second)).mean()
    return sum(terms.values()), terms

  differentiate = jax.jit(jax.value_and_grad(objective, argnums=(0, 1, 2), has_aux=True))

  def step(params, stats, opt_state):
    features, after, _ = pull(params["backbone"], stats, nothing)
    second = features
    if losses.aligns_second_pass:
      second, after, _ = pull(params["backbone"], after, nothing)
    (total, terms), (head, *of_features) = differentiate(params["head"], features, second)
    # In training both passes have the same gradient, whatever the running statistics.
    grads = {"backbone": pull(params["backbone"], stats, sum(of_features))[2], "head": head}
    updates, opt_state = jax.jit(optimiser.update)(grads, opt_state, params)
    return (optax.apply_updates(params, updates), after, opt_state), total, terms, grads

  net = golden_vgg.net(made)
  params = {"backbone": net.backbone.params, "head": net.head}
  return (params, net.backbone.stats, jax.jit(optimiser.init)(params)), step


def _check_step(found, total, terms, norms, sums, running):
  (params, stats, _), found_total, found_terms, grads = jax.device_get(found)
  np.testing.assert_allclose(found_total, total, rtol=1e-6)
  for name, value in terms.items():
    np.testing.assert_allclose(found_terms[name], value, rtol=1e-6, atol=2e-6)
  as_net = lambda tree: vgg.VggNet(classifiers.Net(tree["backbone"], None), tree["head"])
  of_grads = [np.linalg.norm(golden_vgg.tensor(as_net(grads), t)) for t in _TENSORS]
  np.testing.assert_allclose(of_grads, norms, rtol=1e-5, atol=1e-6)
  of_params = (*golden_vgg.summary(params), golden_vgg.tensor(as_net(params), 83).sum())
  np.testing.assert_allclose(of_params, sums, rtol=1e-5, atol=2e-6)
  np.testing.assert_allclose(
      [*golden_vgg.running(stats, 0), *golden_vgg.running(stats, 12)], running, rtol=1e-5)


def test_a_released_step():
  state, step = _stepper("code")
  _check_step(
      step(*state), 7.867765, {"cross_entropy": 2.302669, "alignment": 5.565096},
      [36.285853, 7.154651, 3.504192, 6.231321, 0.257406, 2.243864, 3.779889, 0.522614],
      (207.222077, 1895.351016, -0.005484), [-0.116975, 22.714963, -0.936175, 166.776039])


def test_two_steps_as_they_should_be():
  state, step = _stepper("clean")
  first = step(*state)
  _check_step(
      first, 32.743177,
      {"cross_entropy": 2.344551, "taught": 1.012477, "alignment": 29.3861496},
      [137.625485, 23.721634, 8.517603, 18.922780, 0.823060, 6.864172, 9.378717, 1.211262],
      (206.105939, 1896.053092, 0.019110), [-0.147804, 24.047478, -0.457981, 178.657361])
  _check_step(
      step(*first[0]), 32.279388, {},
      [40.760404, 17.346888, 5.558667, 22.971433, 0.692723, 6.111238, 9.310444, 1.220260],
      (208.022976, 1898.401432, 0.051664), [-0.116756, 22.826931, -0.764380, 167.094268])


def test_settings():
  clean, paper, code = (fidelity.settings(name) for name in fidelity.FIDELITIES)
  assert (clean.anchor, paper.anchor, code.anchor) == (-20, -20, -10)
  assert (clean.batch_size, clean.num_epochs) == (paper.batch_size, paper.num_epochs) == (128, 500)
  assert (code.batch_size, code.num_epochs) == (32, 100)
  assert (clean.learning_rate, paper.learning_rate, code.learning_rate) == (0.1, 0.005, 0.005)
  assert code.resets_momentum and code.same_every_epoch and code.kd_mode == "all_teachers"
  # What is the same in all of them is in one place.
  differing = {name for name, *values in zip(clean._fields, clean, paper, code, strict=True)
               if len(set(values)) > 1}
  assert not differing & {
      "momentum", "weight_decay", "kd_weight", "alignment_weight", "temperature"}


def test_mistakes():
  with pytest.raises(UserError, match="fidelity='paper2': choose one of clean, paper, code"):
    fidelity.settings("paper2")
  with pytest.raises(UserError, match="temperature=2: the losses of fidelity='code' know none"):
    fidelity.make_losses("code", anchor=-10, temperature=2)
