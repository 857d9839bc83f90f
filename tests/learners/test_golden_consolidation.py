"""Online EWC, its importance, and learning without forgetting against golden numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.agents import classifiers
from socialized_learning.learners import ewc_on
from socialized_learning.learners import importance
from socialized_learning.learners import lwf
from socialized_learning.learners import steps
from socialized_learning.learners import types
from tests.learners import golden
from tests.learners import world

_RTOL = 2e-6


@pytest.fixture(autouse=True)
def _float64():
  with jax.enable_x64(True):
    yield


def _close(found, expected, rtol=_RTOL):
  np.testing.assert_allclose(np.asarray(found, np.float64), expected, rtol=rtol)


def _filled(numbers, size) -> types.Batch:
  """Images as examples, filled up to `size` with what does not count."""
  missing = size - len(numbers)
  batch = world.batch([*numbers, *[0] * missing])
  return batch._replace(valid=jnp.arange(size) < len(numbers))


def _task(numbers, size, **values) -> types.Task:
  """Images as a task's examples, after one and before others that do not count."""
  nothing = jnp.zeros(0, bool)
  examples = jax.tree.map(lambda x: jnp.roll(x, 1), _filled(numbers, size))
  return types.Task(**(dict(number=jnp.int32(0), examples=examples, outputs=nothing, seen=nothing)
                       | values))


def _gradients(name, before, after):
  """What a step of descent followed, from the parameters before and after it."""
  before, after = jax.device_get((before.net.params, after.net.params))
  return jax.tree.map(lambda old, new: (old - new) / world.LEARNING_RATE[name], before, after)


def _show(name, numbers):
  """A `Show` of these images."""
  images, labels = (jnp.asarray(of(name, numbers)) for of in (golden.images, golden.labels))
  return lambda at: (images[at], labels[at])


_EWC = {
    ("small_mlp", False): dict(
        weight=100.0, losses=[1.6157247, 1.7052145, 1.7233933, 1.4727498, 2.7697037],
        penalties={2: 0, 3: 0.00056771343, 5: 0.00046593719},
        importance=[(3.077906, 0.076676538), (6.3679071, 0.37893311)],
        norms=[0.6960473, 0.31322382, 2.4993312, 0.47221246, 3.3606081, 0.70583829],
        theta=(3.5488556, 230.33627)),
    ("resnet", False): dict(
        weight=0.01, losses=[2.5371229, 2.9751855, 4.6068413, 2.2051953], penalties={3: 18.384386},
        importance=[(34592.56, 431041.66), (31725.338, 349438.22)],
        norms=[32.789802, 4.5696549, 5.0470739, 24.476324, 8.1007244, 18.728924, 6.8289402,
               0.62826336], theta=(639.89854, 1334.4205), running=(29.618494, 882.6695)),
    ("resnet", True): dict(
        weight=0.01, losses=[2.5371229, 2.9751855, 4.576937, 2.2072662], penalties={3: 15.393958},
        importance=[(34592.56, 142815.77), (31675.683, 115831.65)],
        norms=[32.791921, 4.5696549, 5.0470739, 24.476755, 8.1004579, 18.728926, 6.8289402,
               0.62826336], theta=(639.92207, 1334.4263), running=(29.638221, 882.60028)),
}
_BATCHES = [range(4), range(8, 12), [12, 13], range(4), [4, 5]]


def _ewc(name, **values):
  """Online EWC, its step and its end of a task compiled, and its state at the start."""
  settings = world.config(name, **(dict(ewc_weight=1.0, ewc_decay=0.9, fidelity="reference",
                                        batch_size=4, has_short_batches=True) | values))
  learner = world.make(ewc_on, name, settings)
  shown, net = world.world(name), golden.net(name)
  state = ewc_on.State(net, net.params, jax.tree.map(jnp.zeros_like, net.params))

  def observe(state, batch):
    return learner.observe(state, batch, shown, world.KEY)

  def end_task(state, task):
    return learner.end_task(state, task, shown, world.KEY)

  return jax.jit(observe), jax.jit(end_task), state


@pytest.mark.parametrize("name, averages", _EWC)
def test_ewc(name, averages, monkeypatch):
  # Images in chunks must be as good as images one by one.
  monkeypatch.setitem(importance._CHUNK, "cpu", 4 if averages else 1)
  expected = _EWC[name, averages]
  observe, end_task, state = _ewc(name, ewc_weight=expected["weight"], average_filters=averages)
  for number, loss in enumerate(expected["losses"], start=1):
    before = state
    state, metrics = observe(state, _filled(_BATCHES[number - 1], 4))
    _close(metrics["loss"], loss)
    if number in expected["penalties"]:
      _close(metrics["penalty"], expected["penalties"][number])
    if number == 3:
      grads = _gradients(name, before, state)
      _close(golden.norms(name, grads, world.TENSORS[name]), expected["norms"])
      _close(golden.summary(state.net.params), expected["theta"])
    if number == 4 and "running" in expected:
      _close(golden.running(state.net.stats), expected["running"])
    if number in (1, 3):
      numbers = range(6) if number == 1 else range(8, 14)
      state = end_task(state, _task(numbers, 8))
      _close(golden.summary(state.importance), expected["importance"][number // 2])


def test_clean_importance_is_a_mean_and_leaves_statistics_alone():
  of = {}
  for fidelity in importance.FIDELITIES:
    _, end_task, state = _ewc("small_mlp", fidelity=fidelity)
    of[fidelity] = jax.device_get(end_task(state, _task(range(6), 9)).importance)
  jax.tree.map(lambda clean, other: np.testing.assert_allclose(clean, other * 8 / 6, rtol=1e-12),
               of["clean"], of["reference"])
  _, end_task, state = _ewc("small_mlp", has_short_batches=False)
  jax.tree.map(np.testing.assert_array_equal, of["clean"],
               jax.device_get(end_task(state, _task(range(6), 9)).importance))
  _, end_task, state = _ewc("small_mlp", fidelity="clean")
  nobody = end_task(state, _task([], 8))
  assert golden.summary(nobody.importance) == (0, 0)


@pytest.mark.parametrize("name", ["small_mlp", "resnet"])
def test_importance_is_the_sum_over_examples(name):
  made, net = golden.classifier(name), golden.net(name)
  show, weights = _show(name, range(6)), np.array([1, 0, 0.5, 2, 1, 0])
  # Statistics of the batch itself: with those at the start all probabilities are 0.
  after = made.apply(net, show(jnp.arange(6))[0], is_training=True)[1]
  net = net._replace(stats=jax.tree.map(lambda new, old: (new - 0.9 * old) / 0.1, after, net.stats))
  estimate = importance.make_importance(made, "clean", chunk_size=2)
  found, stats = jax.jit(lambda net: estimate(net, show, jnp.asarray(weights)))(net)

  @jax.jit
  def one(number):
    def likelihood(params):
      images, labels = show(number[None])
      output, _ = made.apply(net._replace(params=params), images, is_training=False)
      return jax.nn.log_softmax(output.logits)[0, labels[0]]

    value, grads = jax.value_and_grad(likelihood)(net.params)
    return jax.tree.map(lambda g: jnp.exp(value) * g**2, grads)

  by_hand = [one(jnp.int32(number)) for number in range(6)]
  jax.tree.map(lambda mine, *theirs: np.testing.assert_allclose(
      mine, np.tensordot(weights, np.stack(theirs), 1), rtol=1e-9, atol=1e-12), found, *by_hand)
  assert golden.summary(found)[0] > 1
  jax.tree.map(np.testing.assert_array_equal, stats, net.stats)


def test_devices_share_the_examples():
  made, net = golden.classifier("small_mlp"), golden.net("small_mlp")
  show, weights = _show("small_mlp", range(7)), jnp.asarray([1, 1, 0, 1, 1, 1, 1])
  alone = jax.jit(lambda net: importance.make_importance(made, "clean")(net, show, weights)[0])(net)
  estimate = importance.make_importance(made, "clean", axis_name="devices", chunk_size=2)
  together = jax.pmap(lambda net, _: estimate(net, show, weights)[0], axis_name="devices",
                      in_axes=(None, 0))(net, jnp.arange(4))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(b, np.stack([a] * 4), rtol=1e-12), alone,
               together)


def test_single_images_are_not_for_several_devices():
  made = golden.classifier("resnet")
  estimate = importance.make_importance(made, "reference", axis_name="devices")
  call = jax.pmap(lambda x: estimate(golden.net("resnet"), _show("resnet", range(4)), x),
                  axis_name="devices")
  with pytest.raises(ValueError, match="use one device"):
    call(jnp.ones((2, 4)))
  with pytest.raises(ValueError, match="one of"):
    importance.make_importance(made, "typo")


def test_average_of_filters():
  kernel = np.arange(24.0).reshape(2, 3, 2, 2)**2
  tree = {"conv": {"w": kernel}, "linear": {"w": kernel[0, 0], "b": kernel[0, 0, 0]}}
  averaged = importance.average_filters(tree)
  np.testing.assert_allclose(averaged["conv"]["w"].mean((0, 1, 2)), kernel.mean((0, 1, 2)))
  assert (np.ptp(averaged["conv"]["w"], axis=(0, 1, 2)) == 0).all()
  jax.tree.map(np.testing.assert_array_equal, averaged["linear"], tree["linear"])
  jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-14),
               importance.average_filters(averaged), averaged)


def _recorded(num_outputs):
  n, q = np.ogrid[:4, :num_outputs]
  return 2 * np.sin(0.5 + n + 1.3 * q)


def test_lwf_of_given_logits():
  n, q = np.ogrid[:4, :8]
  logits = jnp.asarray(2 * np.cos(0.2 + 0.8 * n + 0.9 * q))
  old, seen = np.arange(8) < 4, np.arange(8) < 6

  @jax.jit
  def terms(logits):
    entropy = steps.cross_entropy(lwf.among(logits, seen), jnp.asarray([4, 5, 4, 4])).mean()
    distilled = lwf.distillation(logits, _recorded(8), old, 2.0).mean()
    return entropy + 0.8 * distilled, (entropy, distilled)

  (total, (entropy, distilled)), grads = jax.value_and_grad(terms, has_aux=True)(logits)
  _close([distilled, entropy, total], [1.220308, 1.6869474, 2.6631938])
  _close(grads[0], [0.17868974, 0.037931541, 0.0037779193, 0.0035559492, -0.24546677, 0.021511618,
                    0, 0])
  _close(np.linalg.norm(grads), 0.44327896)
  target = jax.nn.softmax(lwf.among(_recorded(8) / 2.0, old))[0, :4]
  _close(target, [0.28376527, 0.46524747, 0.18314945, 0.067837813])
  nothing, grads = jax.value_and_grad(
      lambda x: lwf.distillation(x, _recorded(8), np.zeros(8, bool), 2.0).sum())(logits)
  assert nothing == 0 and not grads.any()


def _lwf(made, **values):
  settings = world.config("small_mlp", distillation_weight=0.8, temperature=2.0, weight_decay=0.001,
                          num_epochs=3, batch_size=4, **values)
  return lwf.make(made, settings, num_outputs=5, images=jnp.zeros((1, *golden.SHAPES["small_mlp"])),
                  axis_name=None)


def test_lwf_step():
  """The teacher says the recorded logits, whatever it is shown."""
  made = golden.classifier("small_mlp")

  def apply(net, images, *, is_training, weights=None):
    if "recorded" in net.params:
      assert not is_training
      return classifiers.Classification(net.params["recorded"], None), net.stats
    return made.apply(net, images, is_training=is_training, weights=weights)

  shown = world.world("small_mlp")
  shown = shown._replace(labels=shown.labels.at[:4].set(jnp.asarray([2, 3, 3, 2], jnp.int32)))
  state = lwf.State(golden.net("small_mlp"),
                    classifiers.Net({"recorded": jnp.asarray(_recorded(5))}, {}),
                    seen=jnp.arange(5) < 4, old=jnp.arange(5) < 2)
  learner = _lwf(made._replace(apply=apply))
  after, metrics = jax.jit(lambda state, batch: learner.observe(state, batch, shown, world.KEY))(
      state, world.batch(range(4)))
  _close(metrics["loss"], 2.2035076)
  _close(golden.norms("small_mlp", _gradients("small_mlp", state, after), range(6)),
         [0.39251689, 0.25128488, 1.3862663, 0.38982842, 1.5451592, 0.5131381])
  _close(golden.summary(after.net.params), (5.0953984, 230.14669))


def test_lwf_warm_up_changes_new_outputs_alone():
  learner, shown = _lwf(golden.classifier("small_mlp")), world.world("small_mlp")
  net = golden.net("small_mlp")
  nothing = jnp.zeros(5, bool)
  begin = jax.jit(lambda state, task: learner.begin_task(state, task, shown, world.KEY))
  first = begin(lwf.State(net, net, nothing, nothing),
                _task([0, 2, 5], 6, seen=jnp.arange(5) < 2))
  jax.tree.map(np.testing.assert_array_equal, first.net, net)  # Nothing to warm up for.
  new = np.asarray([False, False, True, True, False])
  # Labels 3, 2, 3, 2 and 0, which is not new.
  second = jax.device_get(begin(first, _task([0, 2, 5, 7, 6], 6, number=jnp.int32(1),
                                             seen=jnp.arange(5) < 4)))
  head = second.net.params.pop("mlp/~/linear_2")
  before = jax.device_get(net.params)
  start = before.pop("mlp/~/linear_2")
  jax.tree.map(np.testing.assert_array_equal, second.net.params, before)
  for name in ("w", "b"):
    np.testing.assert_array_equal(head[name][..., ~new], start[name][..., ~new])
    assert (head[name][..., new] != start[name][..., new]).any(axis=0).all()
  assert second.old.tolist() == [1, 1, 0, 0, 0] and second.seen.tolist() == [1, 1, 1, 1, 0]
  np.testing.assert_array_equal(second.teacher.params["mlp/~/linear_2"]["w"], head["w"])


def test_lwf_warm_up_by_hand():
  """One epoch of one batch is one step of cross-entropy over the new outputs."""
  made, net, new = golden.classifier("small_mlp"), golden.net("small_mlp"), np.arange(5) >= 2
  settings = world.config("small_mlp", num_epochs=1, batch_size=4)
  warmed = jax.jit(lambda net: lwf.warm_up(made, net, _filled([0, 2, 3], 4), jnp.asarray(new),
                                           world.world("small_mlp"), world.KEY, settings))(net)
  images = golden.images("small_mlp", [0, 2, 3])
  output = jax.device_get(made.apply(net, images, is_training=False)[0])
  share = np.exp(output.logits) * new
  share = share / share.sum(1, keepdims=True) - np.eye(5)[[3, 2, 4]]
  head = jax.device_get(net.params["mlp/~/linear_2"])
  found = jax.device_get(warmed.params["mlp/~/linear_2"])
  np.testing.assert_allclose(found["w"], head["w"] - 0.1 * output.features.T @ share / 3, rtol=1e-9)
  np.testing.assert_allclose(found["b"], head["b"] - 0.1 * share.mean(0), rtol=1e-9)
