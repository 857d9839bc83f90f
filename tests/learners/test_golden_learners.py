"""One or two steps of each learner against golden numbers, every random draw forced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.learners import agem
from socialized_learning.learners import clser
from socialized_learning.learners import derpp
from socialized_learning.learners import er
from socialized_learning.learners import sgd
from socialized_learning.learners import si
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


def _norms(name, grads):
  return golden.norms(name, grads, world.TENSORS[name])


_SGD = {
    "small_mlp": (1.6157247, [0.28066271, 0.15450801, 0.86307933, 0.19937268, 0.98250032, 0.24465967],
                  (5.0186577, 230.2306), None),
    "resnet": (2.5371229, [9.7404953, 4.3816568, 2.8731859, 10.470993, 3.1055053, 6.5163843, 4.026382,
                           0.35264501], (622.88283, 1301.6914), (2.5186316, 633.9127)),
}


@pytest.mark.parametrize("name", _SGD)
def test_sgd(name, monkeypatch):
  loss, norms, theta, running = _SGD[name]
  grads = world.record_gradients(monkeypatch, steps)
  learner = world.make(sgd, name, world.config(name))
  state, metrics = learner.observe(sgd.State(golden.net(name)), world.batch(range(4)),
                                   world.world(name), world.KEY)
  _close(metrics["loss"], loss)
  _close(_norms(name, grads[0]), norms)
  _close(golden.summary(state.net.params), theta)
  if running:
    _close(golden.running(state.net.stats), running)


_ER = {
    "small_mlp": (1.6504575, [0.286478, 0.13669164, 0.9471423, 0.19252888, 1.1243674, 0.25194366],
                  (5.1301882, 230.21062), [4, 3, 2, 4, 2, 3], None),
    "resnet": (2.47274, [4.0323996, 1.443854, 1.6541565, 4.4359952, 1.7352671, 4.2077266, 3.4170417,
                         0.38113893], (625.36505, 1297.7329), [4, 3, 7, 4, 7, 8],
               (2.503341, 641.02488)),
}


@pytest.mark.parametrize("name", _ER)
def test_er(name, monkeypatch):
  loss, norms, theta, labels, running = _ER[name]
  grads = world.record_gradients(monkeypatch, steps)
  world.force(monkeypatch, draws=[world.D1], reservoir=[[1, 10, 4, 0]])
  learner = world.make(er, name, world.config(name))
  state, metrics = learner.observe(er.State(golden.net(name), world.memory()),
                                   world.batch(range(4)), world.world(name), world.KEY)
  _close(metrics["loss"], loss)
  _close(_norms(name, grads[0]), norms)
  _close(golden.summary(state.net.params), theta)
  assert world.labels(name, state.memory) == labels and int(state.memory.seen) == 13
  if running:
    _close(golden.running(state.net.stats), running)


_DERPP = {
    "small_mlp": ((1.6157247, 0.7102755, 1.6012167, 2.4512274),
                  [0.3912505, 0.2298519, 1.4879741, 0.36103868, 1.7033039, 0.44839949],
                  (5.6166062, 230.15605), (-3.6653067, 9.2931339), None),
    "resnet": ((2.5371229, 1.5054497, 2.295041, 3.9783601),
               [11.199717, 4.5867228, 2.637945, 14.886723, 4.5897484, 7.4818965, 4.603724, 0.44362149],
               (623.19189, 1304.6974), (-0.73444047, 33.039547), (7.8986245, 689.71094)),
}


@pytest.mark.parametrize("name", _DERPP)
def test_derpp(name, monkeypatch):
  terms, norms, theta, logits, running = _DERPP[name]
  grads = world.record_gradients(monkeypatch, steps)
  world.force(monkeypatch, draws=[world.D1, world.D2], reservoir=[[1, 10, 4, 0]])
  j, q = np.ogrid[:6, :golden.OUTPUTS[name]]
  held = world.memory({"logits": jnp.asarray(np.sin(j + 2 * q))})
  learner = world.make(derpp, name, world.config(name, logit_weight=0.5, label_weight=0.3))
  state, metrics = learner.observe(derpp.State(golden.net(name), held), world.batch(range(4)),
                                   world.world(name), world.KEY)
  _close([metrics[key] for key in ("cross_entropy", "logit_loss", "label_loss", "loss")], terms)
  _close(_norms(name, grads[0]), norms)
  _close(golden.summary(state.net.params), theta)
  _close(golden.summary(state.memory.notes["logits"]), logits)
  if running:
    _close(golden.running(state.net.stats), running)


# Step -> which targets are the stable ones, losses, norms, sums of the three networks' parameters.
_CLSER = {
    "small_mlp": [
        (0.25, (0.22901096, 1.6504575, 1.6848091),
         [0.28341543, 0.13438762, 0.88534508, 0.18361495, 1.0588815, 0.23751224],
         {"net": (5.3242595, 230.1888), "plastic": (-0.88192197, 161.84986),
          "stable": (-3.0901474, 38.576635)}, {}),
        (0.25, (0.078714822, 1.6642026, 1.6760098),
         [0.2292016, 0.1294692, 0.63804495, 0.16499876, 0.67020397, 0.21973654],
         {"net": (5.1624316, 230.13276), "plastic": (1.1328626, 169.26371),
          "stable": (0.21088418, 68.877179)}, {})],
    "resnet": [
        (0.25, (1.6972193, 2.47274, 2.7273229),
         [4.8252798, 1.9159374, 2.2164098, 4.7290358, 1.9952884, 4.2961569, 3.4362928, 0.3875804],
         {"net": (625.43466, 1297.8803), "plastic": (608.19173, 1089.6199),
          "stable": (595.26936, 715.28356)},
         {"net": (5.002583, 668.70689), "plastic": (0.28184382, 626.28995),
          "stable": (-3.2877706, 633.47267)}),
        (0.75, (1.4613046, 2.7796311, 2.9988268),
         [6.4061847, 2.2134731, 1.8332687, 4.0183266, 1.9735288, 4.9936792, 3.4774811, 0.29572566],
         {"net": (631.04815, 1299.047), "plastic": (615.81054, 1113.6965),
          "stable": (609.58088, 809.50203)},
         {"net": (9.5378721, 734.59605), "plastic": (2.7370415, 629.31303),
          "stable": (-2.87387, 585.58927)})],
}


@pytest.mark.parametrize("name", _CLSER)
def test_clser(name, monkeypatch):
  grads = world.record_gradients(monkeypatch, steps)
  world.force(monkeypatch, draws=[world.D1, world.D2], reservoir=[[1, 10, 4, 0], [5, 12, 15, 3]])
  settings = world.config(name, consistency_weight=0.15, plastic_ema_rate=1.0, plastic_ema_decay=0.9,
                          stable_ema_rate=1.0, stable_ema_decay=0.6)
  learner = world.make(clser, name, settings)
  state = clser.State(golden.net(name), golden.net(name, seed=20), golden.net(name, seed=40),
                      world.memory(), jnp.int32(0))
  for number, (share, losses, norms, params, running) in enumerate(_CLSER[name]):
    state, metrics = learner.observe(state, world.batch(range(4 * number, 4 * number + 4)),
                                     world.world(name), world.KEY)
    _close(metrics["stable_share"], share)
    _close([metrics[key] for key in ("consistency_loss", "cross_entropy", "loss")], losses)
    _close(_norms(name, grads[number]), norms)
    for which, sums in params.items():
      _close(golden.summary(getattr(state, which).params), sums)
    for which, sums in running.items():
      _close(golden.running(getattr(state, which).stats), sums)
  assert world.labels(name, state.memory) == {"small_mlp": [4, 3, 2, 2, 2, 1],
                                              "resnet": [4, 3, 7, 2, 7, 1]}[name]


_SI = {
    "small_mlp": dict(
        weight=10.0, losses=[1.6157247, 1.9234119, 1.6007435, 1.8323604],
        norms=[0.28066271, 0.15450801, 0.86307933, 0.19937268, 0.98250032, 0.24465967],
        path=[(0.19124649, 0.00034621844), (0.68406679, 0.0053200906)],
        theta=[(3.9755336, 230.05477), (3.0788731, 230.00101)], penalty=0.0049154138,
        importance=[(66.410258, 40.904657), (142.4279, 260.71119)]),
    "resnet": dict(
        weight=0.5, losses=[2.5371229, 2.667252, 2.8073663, 3.7865353],
        norms=[8.0658222, 2.3933037, 2.0961218, 10.386596, 3.1055053, 6.5163843, 4.026382, 0.35264501],
        path=[(85.094077, 1.7031175), (128.95031, 2.2906733)],
        theta=[(624.51098, 1303.4708), (622.22306, 1306.6218)], penalty=0.36464993,
        importance=[(12007.016, 17086.537), (19284.927, 30454.302)]),
}


@pytest.mark.parametrize("name", _SI)
def test_si(name):
  expected = _SI[name]
  learner = world.make(si, name, world.config(name, si_weight=expected["weight"], si_damping=0.01))
  net = golden.net(name)
  zeros = jax.tree.map(jnp.zeros_like, net.params)
  state = si.State(net, net.params, zeros, zeros)
  for step, loss in enumerate(expected["losses"]):
    state, metrics = learner.observe(state, world.batch(range(4 * step, 4 * step + 4)),
                                     world.world(name), world.KEY)
    _close(metrics["loss"], loss)
    if step < 2:
      _close(golden.summary(state.path), expected["path"][step])
    if step == 0:  # omega is the learning rate times the clipped gradient squared.
      grads = jax.tree.map(lambda w: jnp.sqrt(w / world.LEARNING_RATE[name]), state.path)
      _close(_norms(name, grads), expected["norms"])
    if step == 3:
      _close(metrics["penalty"], expected["penalty"])
    if step % 2:
      _close(golden.summary(state.net.params), expected["theta"][step // 2])
      state = jax.jit(lambda state: learner.end_task(state, None, None, None))(state)
      _close(golden.summary(state.importance), expected["importance"][step // 2])
      assert golden.summary(state.path) == (0, 0)


def test_si_of_the_paper_leaves_the_penalty_out_of_the_path_integral():
  """Zenke et al.: omega sums the gradient of the task's loss times the way; Omega is not below 0."""
  name, weight, damping, rate = "small_mlp", 30.0, 0.01, world.LEARNING_RATE["small_mlp"]
  settings = world.config(name, si_weight=weight, si_damping=damping, fidelity="paper")
  learner, plain = world.make(si, name, settings), world.make(sgd, name, world.config(name))
  rng, net = np.random.default_rng(0), golden.net(name)
  random = lambda scale: jax.tree.map(lambda x: scale * jnp.asarray(rng.normal(size=x.shape)), net.params)
  anchor = jax.tree.map(jnp.add, net.params, random(0.1))
  importance, omega = jax.tree.map(jnp.abs, random(1)), random(1)
  state = si.State(net, anchor, importance, omega)
  after, _ = learner.observe(state, world.batch(range(4)), world.world(name), world.KEY)
  alone, _ = plain.observe(sgd.State(net), world.batch(range(4)), world.world(name), world.KEY)
  pairs = list(zip(*map(jax.tree.leaves, (net.params, alone.net.params, after.net.params, anchor, importance,
                                          omega, after.path)), strict=True))
  was_clipped = has_negative = False
  for old, by_task, new, at, held, before, found in pairs:
    task = np.asarray((old - by_task) / rate)
    total = task + 2 * weight * np.asarray(held * (old - at))
    np.testing.assert_allclose(old - new, rate * np.clip(total, -1, 1), atol=1e-12)
    np.testing.assert_allclose(found, before + task * (old - new), atol=1e-12)
    was_clipped |= bool((abs(total) > 1).any())
  assert was_clipped
  ended = learner.end_task(after, None, None, None)
  for held, at, new, found, kept in zip(*map(jax.tree.leaves, (
      importance, anchor, after.net.params, after.path, ended.importance)), strict=True):
    raw = np.asarray(held + found / ((new - at) ** 2 + damping))
    np.testing.assert_allclose(kept, np.maximum(raw, 0), rtol=1e-12)
    has_negative |= bool((raw < 0).any())
  assert has_negative


def test_si_has_no_other_fidelity():
  with pytest.raises(ValueError, match="fidelity 'reference': one of"):
    world.make(si, "small_mlp", world.config("small_mlp", fidelity="reference"))


def test_agem_projection():
  i = np.arange(20)
  g, m = np.sin(1 + 0.7 * i), np.cos(0.3 + 0.9 * i) - 0.5 * np.sin(1 + 0.7 * i)
  projected, product = agem.project({"a": g[:3], "b": g[3:]}, {"a": m[:3], "b": m[3:]})
  _close(product, -9.454614)
  _close(golden.summary(projected), (0.88795697, 5.3150338))
  _close(projected["a"], [1.1462831, 0.91556191, 0.19505283])
  np.testing.assert_allclose(projected["a"] @ m[:3] + projected["b"] @ m[3:], 0, atol=1e-12)
  same, product = agem.project({"a": g}, {"a": g})
  np.testing.assert_array_equal(same["a"], g)
  nothing, product = agem.project({"a": g}, {"a": np.zeros(20)})
  assert product == 0 and np.array_equal(nothing["a"], g)


@pytest.mark.parametrize("wrong, theta", [(False, (5.0186577, 230.2306)),
                                          (True, (5.0938566, 230.22392))])
def test_agem(wrong, theta, monkeypatch):
  world.force(monkeypatch, draws=[world.D1])
  learner = world.make(agem, "small_mlp", world.config("small_mlp", num_tasks=2))
  held, shown = world.memory(), world.world("small_mlp")
  if wrong:  # Slots 0 to 3 hold images 0 to 3 with labels that are one too high.
    copies = jnp.arange(140, 144)
    held = held._replace(index=held.index.at[:4].set(copies.astype(jnp.int32)))
    of_copy = shown.look
    look = lambda index, *rest: of_copy(jnp.where(index >= 140, index - 140, index), *rest)
    labels = shown.labels.at[copies].set((shown.labels[:4] + 1) % 5)
    shown = shown._replace(look=look, labels=labels)
  state, metrics = learner.observe(agem.State(golden.net("small_mlp"), held), world.batch(range(4)),
                                   shown, world.KEY)
  _close(metrics["loss"], 1.6157247)
  assert metrics["turned"] == wrong
  _close(golden.summary(state.net.params), theta)
  np.testing.assert_array_equal(state.memory.index, held.index)  # Nothing is stored in a step.


@pytest.mark.parametrize("num_valid", [1, 2])
def test_agem_keeps_all_of_a_task_with_fewer_images_than_its_share(num_valid):
  learner = world.make(agem, "small_mlp", world.config("small_mlp", num_tasks=2))  # Three each.
  task = types.Task(jnp.int32(0), world.batch([8, 9])._replace(valid=jnp.arange(2) < num_valid),
                    jnp.ones(5, bool), jnp.ones(5, bool))
  held = world.memory()._replace(seen=jnp.int32(3))
  state = learner.end_task(agem.State(golden.net("small_mlp"), held), task, world.world("small_mlp"),
                           world.KEY)
  assert state.memory.seen == 3 + num_valid
  assert sorted(state.memory.index[3:3 + num_valid].tolist()) == [8, 9][:num_valid]
  np.testing.assert_array_equal(state.memory.index[3 + num_valid:], held.index[3 + num_valid:])
