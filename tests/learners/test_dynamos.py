"""One step of Dynamos against golden numbers, and what reaches whom in it."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning import learners
from socialized_learning import memory as memory_lib
from socialized_learning.agents import gated_resnet
from socialized_learning.experiments import base
from socialized_learning.learners import dynamos
from socialized_learning.learners import gating
from socialized_learning.learners import steps
from socialized_learning.memory import policies
from socialized_learning.platform.errors import NonFiniteError
from tests.learners import gated_golden as golden
from tests.learners import world
from tests.learners.golden import summary

_WEIGHTS = dict(logit_weight=0.2, label_weight=2.0, policy_logit_weight=0.3, policy_weight=0.5,
                prototype_weight=0.3)
_REST = dict(buffer_size=6, replay_batch_size=6, keep_ratio=0.7, policy_penalty=-500.0,
             learning_rate=0.07, fidelity="clean", memory_policy="reservoir", thresholds=())
_METRICS = {
    "cross_entropy": 2.025669, "policy_loss": -23.365641, "prototype_loss": 0.601032,
    "logit_loss": 0.280529, "policy_logit_loss": 0.076643, "label_loss": 1.702874,
    "replayed_policy_loss": -1.029834, "replayed_prototype_loss": 0.427317, "loss": -6.893633,
    "right_share": 4 / 6}
_NORMS = {0: 27.932502, 13: 1.088581, 14: 0.567545, 15: 7.494080, 16: 0.920676, 17: 0.244046,
          18: 0.671042, 19: 0.248810, 20: 0.116512, 58: 3.114620, 59: 0.778305}
_STEM = "resnet/~/stem"
_BOTH = pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-5), (np.float32, 1e-3)])


def _memory(dtype=np.float64, seen=6) -> memory_lib.Memory:
  """Six slots with the golden replayed images and what was noted beside them."""
  n, q, j = np.arange(6)[:, None], np.arange(10), np.arange(128)
  index = golden.REPLAYED + jnp.arange(6, dtype=jnp.int32)
  notes = {"logits": 0.2 * np.sin(n + 2 * q), "written": np.ones(6),
           "policy_logits": 0.1 * np.cos(0.3 * n + 0.2 * j).reshape(6, 4, 32)}
  return memory_lib.Memory(index, jnp.zeros_like(index), {
      name: jnp.asarray(x * (seen > 0), dtype) for name, x in notes.items()}, jnp.int32(seen))


@pytest.fixture(name="observe", scope="module")
def _observe():
  """(state, dtype, warmup_steps, detached, weights) -> state, metrics, gradients, all choices forced.

  One program for all weights, and for agents that are cut off from what they read.
  """
  gradient, reservoir = steps.gradient, policies.reservoir_slots
  look = gated_resnet._Agent.__call__

  def step(state, shown, warmup_steps, detached, weights):
    grads = []
    config = types.SimpleNamespace(**_REST, warmup_steps=warmup_steps, **weights)
    learner = dynamos.make(golden.classifier(), config, images=jnp.zeros((1, *golden.SHAPE)),
                           num_outputs=10, axis_name=None)
    with pytest.MonkeyPatch.context() as patch:
      patch.setattr(gated_resnet._Agent, "__call__", lambda agent, x, *args: look(
          agent, jnp.where(detached, jax.lax.stop_gradient(x), x), *args))
      patch.setattr(gating, "draw_bars", lambda *_: jnp.asarray(golden.bars()))
      patch.setattr(memory_lib, "sample", lambda key, held, num: (
          jnp.arange(6), jnp.arange(6) < held.seen))
      patch.setitem(memory_lib.POLICIES, "reservoir", lambda key, *args: reservoir(
          jnp.asarray([5, 3, 9, 3, 2, 4], jnp.int32), *args))
      patch.setattr(steps, "gradient", lambda *args: grads.append(gradient(*args)) or grads[-1])
      after, metrics = learner.observe(state, world.batch(range(6)), shown, world.KEY)
    return after, metrics, grads[0][0]

  compiled = jax.jit(lambda state, images, labels, *args: step(
      state, learners.World(lambda index, view, keys: images[index], labels), *args))

  def run(state, dtype=np.float64, warmup_steps=0, detached=False, **weights):
    with jax.enable_x64(True):
      shown, labels = golden.images_of_world(dtype)
      return jax.device_get(
          compiled(state, shown, labels, warmup_steps, detached, _WEIGHTS | weights))

  return run


@pytest.fixture(autouse=True)
def _float64():
  with jax.enable_x64(True):
    yield


def _state(dtype=np.float64, seen=6):
  return dynamos.State(golden.net(dtype), _memory(dtype, seen), jnp.int32(0))


def _norms(grads):
  return {t: np.linalg.norm(grads[module][which])
          for t, (module, which) in enumerate(golden.tensors())}


@_BOTH
def test_golden_step(observe, dtype, rtol):
  state, metrics, grads = observe(_state(dtype), dtype)
  found = [metrics[name] for name in _METRICS]
  np.testing.assert_allclose(found, list(_METRICS.values()), rtol=rtol)
  norms = _norms(grads)
  np.testing.assert_allclose([norms[t] for t in _NORMS], list(_NORMS.values()), rtol=rtol)
  whole = np.linalg.norm(list(norms.values()))
  np.testing.assert_allclose(metrics["gradient_norm"], whole, rtol=rtol)
  np.testing.assert_allclose(summary(state.net.params), (362.828076, 870.103757), rtol=rtol)
  np.testing.assert_allclose(state.net.params[_STEM]["w"].sum(), 4.892561, rtol=rtol)
  stats = state.net.stats["resnet/~/stem_norm"]  # Of two passes, one after the other.
  np.testing.assert_allclose([stats[name].sum() for name in ("mean", "var")],
                             (0.207231, 13.579996), rtol=rtol)
  # Slots 5, 3, none, 3 go to images 0, 1, 2, 3; 2 and 4 not to the last two, which are wrong.
  assert state.memory.index.tolist() == [10, 11, 12, 3, 14, 0] and state.memory.seen == 12
  # What is noted is from before the step: the golden logits of image 0, and what its agents said.
  noted = {name: notes[5] for name, notes in state.memory.notes.items()}
  np.testing.assert_allclose(noted["logits"][:3], [0.625174, -0.804429, 0.098166], rtol=rtol)
  np.testing.assert_allclose(noted["policy_logits"].sum(axis=-1), [
      -0.128247, 1.503032, -2.256248, 0.584531], rtol=rtol, atol=rtol)


@_BOTH
def test_cross_entropy_does_not_reach_the_agents(observe, dtype, rtol):
  _, _, grads = observe(_state(dtype), dtype, policy_weight=0.0, policy_logit_weight=0.0,
                        prototype_weight=0.0)
  for module, leaves in grads.items():
    if "agent" in module:
      assert not any(leaf.any() for leaf in leaves.values()), module
  norms = _norms(grads)
  np.testing.assert_allclose([norms[0], norms[58]], [7.942801, 3.114620], rtol=rtol)


@_BOTH
def test_agents_that_are_cut_off_from_what_they_read(observe, dtype, rtol):
  norms = _norms(observe(_state(dtype), dtype, detached=True)[2])
  found = [norms[0], norms[58], norms[16]]
  np.testing.assert_allclose(found, [7.942801, 3.114620, 0.920676], rtol=rtol)


@pytest.mark.parametrize("weight", ["policy_weight", "prototype_weight", "policy_logit_weight"])
def test_what_teaches_the_agents_reaches_the_trunk(observe, weight):
  nothing = dict.fromkeys(_WEIGHTS, 0.0)
  without, with_it = (observe(_state(), **(nothing | {weight: value}))[2] for value in (0.0, 1.0))
  assert np.abs(with_it[_STEM]["w"] - without[_STEM]["w"]).max() > 1e-6
  # The head is behind the agents, not before them.
  np.testing.assert_allclose(with_it["resnet/~/linear"]["w"], without["resnet/~/linear"]["w"],
                             atol=1e-12)


def test_warm_up_is_the_dense_network_alone(observe):
  before = _state(seen=0)
  after, metrics, grads = observe(before, warmup_steps=1)
  # The golden logits of the dense network say this.
  plain = golden.classifier(has_agents=False)
  logits = jax.jit(lambda net: plain.apply(net, golden.images(0), is_training=True)[0].logits)(
      golden.net(has_agents=False))
  expected = steps.cross_entropy(logits, jnp.asarray(golden.LABELS)).mean()
  np.testing.assert_allclose([metrics["loss"], metrics["cross_entropy"]], expected, rtol=1e-9)
  for module in grads:
    if "agent" in module:
      assert not any(leaf.any() for leaf in grads[module].values())
  for module, leaves in after.net.stats.items():
    assert np.array_equal(leaves["mean"], before.net.stats[module]["mean"]) == ("agent" in module)
  assert after.memory.seen == 0 and after.step == 1
  # The next step is none of it: with all kept the reward would be -0.09.
  after, metrics, _ = observe(after, warmup_steps=1)
  assert metrics["keep_rate"] < 0.7 and after.memory.seen == 6 and metrics["label_loss"] == 0


def test_a_number_that_is_not_finite_is_found_at_once(observe):
  state = _state()
  bad = dict(state.net.params)
  bad["resnet/~/agent_2/~/excite"] = {
      name: np.full_like(leaf, np.nan) for name, leaf in bad["resnet/~/agent_2/~/excite"].items()}
  _, metrics, _ = observe(state._replace(net=state.net._replace(params=bad)))
  assert np.isfinite(metrics["keep_rate"])  # It does not show everywhere.
  with pytest.raises(NonFiniteError, match="^loss is nan at step 7: gradient_norm, policy_l.* too"):
    base.check_finite(7, {name: np.asarray(x)[None] for name, x in metrics.items()})
  assert base.not_finite(bad) == ["resnet/~/agent_2/~/excite/b", "resnet/~/agent_2/~/excite/w"]


def test_batches_of_one_image_on_each_of_two_devices():
  """They make of them what one device does; the base width is below half the bottleneck's ratio."""
  shown, labels = golden.images_of_world()
  seen = learners.World(lambda index, view, keys: shown[index], labels)
  config = types.SimpleNamespace(**_REST, **_WEIGHTS, warmup_steps=0)
  alone, each = (golden.classifier(width=4, axis_name=name) for name in (None, "devices"))
  random = np.random.default_rng(0)  # By NumPy: one program less to compile.
  net = jax.tree.map(lambda x: jnp.asarray(0.5 * np.abs(random.normal(size=x.shape))),
                     jax.eval_shape(alone.init, world.KEY, shown[:1]))
  held = _memory()
  held.notes["policy_logits"] = held.notes["policy_logits"][..., :8]
  state, batch = dynamos.State(net, held, jnp.int32(0)), world.batch([1, 4])

  def observe(classifier, axis_name):
    learner = dynamos.make(classifier, config, images=shown[:1], num_outputs=10, axis_name=axis_name)
    return lambda state, batch: learner.observe(state, batch, seen, world.KEY)

  one, of_one = jax.jit(observe(alone, None))(state, batch)
  two, of_two = jax.pmap(observe(each, "devices"), "devices", in_axes=(None, 0))(
      state, jax.tree.map(lambda x: x.reshape(2, 1), batch))
  for name, value in of_one.items():
    np.testing.assert_allclose(of_two[name], [value] * 2, rtol=1e-9, err_msg=name)
  assert of_one["prototype_loss"] == 0  # Two are too few for it.
  assert all(of_one[name] > 0 for name in ("label_loss", "logit_loss", "policy_logit_loss"))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, [b] * 2, rtol=1e-7, atol=1e-12), two, one)
  assert one.memory.seen == 6 + 2
  for module, which in (("stem", "w"), ("agent_0/~/excite", "w"), ("linear", "b")):
    after = one.net.params[f"resnet/~/{module}"][which]
    assert np.isfinite(after).all() and (after != net.params[f"resnet/~/{module}"][which]).any()
