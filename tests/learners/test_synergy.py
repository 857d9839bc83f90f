"""SYNERgy against golden numbers, its ablations, its coins and what it counts."""

import functools

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np
import pytest

from socialized_learning import memory as memory_lib
from socialized_learning.agents import classifiers
from socialized_learning.learners import er
from socialized_learning.learners import importance
from socialized_learning.learners import mean_er
from socialized_learning.learners import replay
from socialized_learning.learners import synergy
from socialized_learning.learners import types
from socialized_learning.memory import policies
from tests.learners import golden
from tests.learners import world

_GOLDEN = {
    "mlp": dict(
        values=dict(consistency_weight=0.4, penalty_weight=200.0, ema_decay=0.7,
                    importance_decay=0.6),
        consistency=[0, 0.18333925, 0.10548741], entropy=[2.1603499, 2.3438434, 2.1249594],
        penalty=[0, 0.028227306, 0.18912224], loss=[2.1603499, 2.4454064, 2.3562766],
        norms=[[4.4075129, 0.27055879, 0.86608982, 0.36243898, 0.87888042, 0.38996007],
               [6.0724885, 0.43097675, 1.911696, 0.40589533, 2.4682388, 0.5765273],
               [2.3858717, 0.16027363, 0.9861629, 0.21596652, 3.0599278, 0.39775921]],
        theta=[(11.052246, 237.55013), (-22.204669, 237.41422), (-27.887072, 237.51907)],
        phi=[(9.0214443, 237.36006), (-1.38726, 237.28598), (-9.3372035, 237.30507)],
        estimate=[(10.008695, 0.059306369), (8.1171717, 0.044758811), (7.6932536, 0.044723294)],
        importance=[(10.008695, 0.059306369), (9.2520858, 0.042929795), (8.6285529, 0.038908914)],
        of_tensors=[[8.2469347, 0.038199008, 0.63535226, 0.060740854, 0.91563283, 0.11183557],
                    [7.4045766, 0.032135114, 0.65846676, 0.057603816, 0.98802308, 0.11128043],
                    [6.745097, 0.027886466, 0.67329352, 0.054770737, 1.0183057, 0.10919951]],
        labels=[[3, 0, 7, 4, 3, 3], [3, 0, 5, 4, 1, 8], [9, 0, 0, 4, 1, 3]],
        working=[0.097403729, -0.45183731, -0.6395666, 0.69380179, 0.096433251, -0.34843611,
                 -0.096920869, -0.19295565, 0.20195101, -0.042230808],
        semantic=[-0.27206943, -0.39263482, -0.53963927, 0.40671547, 0.4979992, 0.19407551,
                  -0.15392365, -0.3080802, 0.026320301, -0.1350414]),
    "resnet": dict(
        values=dict(consistency_weight=0.2, penalty_weight=2.0, ema_decay=0.999,
                    importance_decay=0.999),
        consistency=[0, 1.2455635], entropy=[2.5371229, 2.6246172], penalty=[0, 0.74085314],
        loss=[2.5371229, 3.614583],
        norms=[[9.7404953, 4.3816568, 2.8731859, 10.470993, 3.1055053, 6.5163843, 4.026382,
                0.35264501],
               [4.122237, 1.4821535, 1.6560175, 3.777723, 1.9487386, 5.2124071, 3.3980043,
                0.20941268]],
        theta=[(622.88283, 1301.6914), (623.57854, 1302.2797)],
        phi=[(625.19576, 1298.0421), (624.65668, 1298.9707)],
        estimate=[(17674.179, 50235.241), (32807.214, 538811.4)],
        importance=[(17674.179, 50235.241), (22718.524, 90508.666)],
        averaged=[(17674.179, 15324.977), (22718.524, 33143.62)],
        of_tensors=[[59.172452, 10.697502, 53.459494, 95.689384, 78.697493, 2252.8957, 4.5002876,
                     0.095555525],
                    [105.81343, 14.212915, 42.906184, 139.42386, 80.171915, 3204.2405, 4.7075145,
                     0.10080728]],
        running={"net": [(2.5186316, 633.9127), (7.282686, 731.49378)],
                 "semantic": [(17.543511, 636.41674), (23.134168, 672.73017)]},
        labels=[[3, 0, 7, 4, 3, 3], [3, 0, 5, 4, 1, 8]],
        working=[-2.7783108, -1080.4747, 12.98942, 602.06987, -464.55696, 68.707468, -169.86019,
                 -92.345524, 619.85316, 423.66439],
        semantic=[-80.395219, -701.54719, -145.62482, 172.7892, 29.240522, 1.2367347, -15.751981,
                  250.33346, 95.730776, 166.55677]),
}
_VALUES = dict(ema_rate=1.0, importance_rate=1.0, average_filters=True, fidelity="reference")


def _force(monkeypatch):
  """Draws and reservoirs of the golden steps, by how much the memory has been offered."""
  draws = jnp.asarray([[0, 0, 0, 0], [2, 0, 3, 1], [5, 1, 3, 0]])
  integers = jnp.asarray([[0, 0, 0, 0], [0, 0, 2, 7], [0, 6, 5, 2]])

  def sample(key, memory, num):
    del key
    return draws[memory.seen // num], jnp.arange(num) < memory.seen

  def place(key, seen, valid, num_slots):
    del key
    return policies.reservoir_slots(integers[seen // valid.shape[0]], seen, valid, num_slots)

  monkeypatch.setattr(replay.memory_lib, "sample", sample)
  monkeypatch.setitem(memory_lib.POLICIES, "reservoir", place)


def _start(name):
  net, count = golden.net(name), lambda x: jnp.int32(x)
  return synergy.State(net, net, jax.tree.map(jnp.zeros_like, net.params), memory_lib.empty(6),
                       count(0), synergy.Counts(count(0), count(0), count(-1)))


def _observe(module, name, **values):
  """A step of a learner, compiled: (state, batch, key) -> (state, metrics)."""
  learner, shown = world.make(module, name, world.config(name, **values)), world.world(name)
  return jax.jit(lambda state, batch, key=world.KEY: learner.observe(state, batch, shown, key))


def _close(found, expected, rtol=2e-6):
  found, expected = np.asarray(found, np.float64), np.asarray(expected)
  np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-9 * np.abs(expected).max())


@pytest.fixture(name="float64")
def _float64():
  with jax.enable_x64(True):
    yield


@pytest.mark.parametrize("name", _GOLDEN)
def test_golden_steps(name, monkeypatch, float64):
  expected, steps = _GOLDEN[name], range(len(_GOLDEN[name]["loss"]))
  _force(monkeypatch)
  observe = _observe(synergy, name, **_VALUES, **expected["values"])
  states, metrics = [_start(name)], []
  for step in steps:
    state, of_step = observe(states[-1], world.batch(range(4 * step, 4 * step + 4)))
    states.append(state)
    metrics.append(of_step)
  for key, found in {"consistency_loss": "consistency", "cross_entropy": "entropy",
                     "loss": "loss"}.items():
    _close([of_step[key] for of_step in metrics], expected[found])
  weight = expected["values"]["penalty_weight"]
  _close([weight * of_step["penalty"] for of_step in metrics], expected["penalty"])
  for step in steps:
    _check_step(name, step, *jax.device_get(states[step:step + 2]))
  assert jax.tree.map(int, states[-1].counts) == (len(steps), len(steps), 1)
  image, apply = golden.images(name, [30]), golden.classifier(name).apply
  for head, net in (("working", states[-1].net), ("semantic", states[-1].semantic)):
    _close(apply(net, image, is_training=False)[0].logits[0], expected[head])


def _check_step(name, step, before, after):
  expected = _GOLDEN[name]
  grads = jax.tree.map(lambda old, new: (old - new) / world.LEARNING_RATE[name], before.net.params,
                       after.net.params)
  _close(golden.norms(name, grads, world.TENSORS[name]), expected["norms"][step])
  _close(golden.summary(after.net.params), expected["theta"][step])
  _close(golden.summary(after.semantic.params), expected["phi"][step])
  _close(golden.summary(after.importance), expected["importance"][step])
  tensors = [golden.tensors(name)[t] for t in world.TENSORS[name]]
  _close([after.importance[module][which].sum() for module, which in tensors],
         expected["of_tensors"][step])
  keep = min(expected["values"]["importance_decay"], 1 - 1 / (step + 2)) if step else 0
  estimate = jax.tree.map(lambda old, new: (new - keep * old) / (1 - keep), before.importance,
                          after.importance)
  _close(golden.summary(estimate), expected["estimate"][step])
  assert world.labels(name, after.memory) == expected["labels"][step]
  if name == "resnet":
    averaged = importance.average_filters(after.importance)
    _close(golden.summary(averaged), expected["averaged"][step])
    if step == 1:
      _close(averaged["resnet/~/stem"]["w"][..., 0], np.full((3, 3, 3), 0.82101642))
    for which, sums in expected["running"].items():
      _close(golden.running(getattr(after, which).stats), sums[step])


def test_clean_importance_is_of_filled_slots(monkeypatch, float64):
  values = _VALUES | _GOLDEN["mlp"]["values"] | {"fidelity": "clean"}
  _force(monkeypatch)
  state, metrics = _observe(synergy, "mlp", **values)(_start("mlp"), world.batch(range(4)))
  _close(golden.summary(state.importance), (14.919248, 0.12978976))
  assert metrics["pull_norm"] == metrics["penalty"] == 0


@pytest.mark.parametrize("averages", [False, True])
def test_filters_are_averaged_if_asked_for(averages, monkeypatch, float64):
  called, average = [], importance.average_filters
  monkeypatch.setattr(importance, "average_filters", lambda x: called.append(1) or average(x))
  observe = _observe(synergy, "resnet", **_VALUES | {"average_filters": averages},
                     **_GOLDEN["resnet"]["values"])
  jax.eval_shape(observe, _start("resnet"), world.batch(range(4)))
  assert bool(called) == averages


def test_slots_that_are_not_filled_are_images_of_zeros():
  images = jnp.arange(1.0, 4.0)[:, None, None, None] * jnp.ones((1, 2, 2, 3))
  blank = jnp.asarray([-1.0, -2, -3])
  shown = types.World(lambda index, view, keys: images[index], jnp.asarray([7, 8, 9]), blank)
  memory = memory_lib.empty(4)._replace(index=jnp.asarray([2, 1, 0, 0]), seen=jnp.int32(2))
  found, labels = synergy.recall(memory, shown, world.KEY)(jnp.arange(4))
  assert labels.tolist() == [9, 8, 0, 0]
  np.testing.assert_array_equal(found, jnp.stack(
      [images[2], images[1], *[jnp.broadcast_to(blank, (2, 2, 3))] * 2]))


_CLASSIFIER = classifiers.make_classifier(
    config_dict.create(kind="mlp", hidden_sizes=(5,), width=0), 3)
_SETTINGS = dict(learning_rate=0.3, buffer_size=8, memory_policy="reservoir", replay_batch_size=3,
                 consistency_weight=0.5, ema_rate=1.0, ema_decay=0.8, penalty_weight=30.0,
                 importance_decay=0.7, importance_rate=1.0, average_filters=True, fidelity="clean")


@functools.cache
def _compiled(module, static):
  """Walks of a small learner, for many keys at once: (keys, rates) -> states and metrics."""
  images = jax.random.normal(world.KEY, (30, 2, 2, 1))
  shown = types.World(lambda index, view, keys: images[index], jnp.arange(30, dtype=jnp.int32) % 3)

  def walk(key, rates):
    learner = module.make(
        _CLASSIFIER, config_dict.ConfigDict(_SETTINGS | dict(static) | rates), axis_name=None,
        images=jnp.zeros((1, 2, 2, 1)), num_outputs=3)

    def step(state, number):
      batch = world.batch(range(4))._replace(index=4 * number + jnp.arange(4))
      state, metrics = learner.observe(state, batch, shown, jax.random.fold_in(key, number))
      return state, (state, metrics)

    return jax.lax.scan(step, learner.init(world.KEY), jnp.arange(6))[1]

  return jax.jit(jax.vmap(walk, in_axes=(0, None)))


def _walk(module, ema_rate=1.0, importance_rate=1.0, **static):
  """States and metrics after each of six steps, leaves [100 keys, 6, ...]."""
  rates = {"ema_rate": ema_rate, "importance_rate": importance_rate}
  keys = jax.random.split(jax.random.PRNGKey(5), 100)
  return jax.device_get(_compiled(module, tuple(static.items()))(keys, rates))


def test_without_penalty_it_is_mean_er():
  mine, _ = _walk(synergy, 0.5, penalty_weight=0.0)
  theirs, _ = _walk(mean_er, 0.5)
  for name in theirs._fields:
    jax.tree.map(np.testing.assert_array_equal, getattr(mine, name), getattr(theirs, name))
  assert not mine.counts.importance_updates.any()


def test_a_copy_in_place_of_an_average_is_experience_replay():
  """Nothing pulls where the semantic network is the working one."""
  copies, metrics = _walk(synergy, ema_decay=0.0)
  theirs, _ = _walk(er)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), copies.net,
               theirs.net)
  assert metrics["penalty"].max() == metrics["pull_norm"].max() == 0
  averages, metrics = _walk(synergy)
  assert metrics["pull_norm"][:, 2:].min() > 0
  weights = [state.net.params["mlp/~/linear_0"]["w"][:, -1] for state in (averages, theirs)]
  assert np.abs(weights[0] - weights[1]).max() > 1e-3


def test_terms_add_up():
  _, metrics = _walk(synergy)
  total = (metrics["cross_entropy"] + 0.5 * metrics["consistency_loss"] + 30 * metrics["penalty"])
  np.testing.assert_allclose(metrics["loss"], total, rtol=1e-5)
  # Four current examples and three replayed ones, of which the first step has none.
  both = (4 * metrics["current_cross_entropy"] + 3 * metrics["replay_cross_entropy"]) / 7
  np.testing.assert_allclose(metrics["cross_entropy"][:, 1:], both[:, 1:], rtol=1e-5)
  np.testing.assert_allclose(metrics["current_cross_entropy"][:, 0], metrics["cross_entropy"][:, 0],
                             rtol=1e-5)


def test_norm_of_the_pull_is_that_of_its_gradient():
  weights, params, anchor = ({"a": jnp.asarray(x), "b": jnp.asarray(y)} for x, y in (
      ([1.0, 2], [0.5]), ([3.0, 1], [2.0]), ([1.0, 2], [-2.0])))
  assert float(synergy.pull_norm(weights, params, anchor)) == pytest.approx(
      2 * np.sqrt(2**2 + 2**2 + 2**2))


def test_coins_and_counts():
  states, _ = _walk(synergy, 0.3, 0.7)
  counts = states.counts
  follows, updates = (np.diff(x, prepend=0) for x in counts[:2])
  # 600 tosses each: the standard deviation is 0.019.
  assert abs(follows.mean() - 0.3) < 0.07 and abs(updates.mean() - 0.7) < 0.07
  first = np.where(updates.any(1), 1 + updates.argmax(1), -1)
  np.testing.assert_array_equal(counts.first_importance_step[:, -1], first)
  np.testing.assert_array_equal(counts.first_importance_step < 0, counts.importance_updates == 0)
  # Semantic network and importance change when it is counted, and at no other time.
  for happens, tree in ((follows, states.semantic.params), (updates, states.importance)):
    changes = (np.diff(tree["mlp/~/linear_1"]["w"], axis=1) != 0).any(axis=(2, 3))
    np.testing.assert_array_equal(changes, happens[:, 1:])


def test_coins_do_not_hang_on_each_other():
  both = _walk(synergy, 0.3, 0.7)[0].counts
  for rate in (0.0, 1.0):
    np.testing.assert_array_equal(_walk(synergy, 0.3, rate)[0].counts.ema_updates, both.ema_updates)
    np.testing.assert_array_equal(_walk(synergy, rate, 0.7)[0].counts.importance_updates,
                                  both.importance_updates)
