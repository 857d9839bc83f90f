"""Networks of PyTorch turned into ours: golden numbers, plain NumPy, and what cannot be turned."""

import jax
from ml_collections import config_dict
import numpy as np
import pytest

from socialized_learning.agents import classifiers
from socialized_learning.agents import vgg
from socialized_learning.platform.errors import UserError
from socialized_learning.tools import state_dicts
from tests.agents import golden_vgg
from tests.tools import torch_states

# Of the wide network's images: first six logits, the sum of all, the answer, the soft maximum.
_WIDE = [
    ([-90.603950, -124.045548, -122.642023, -99.647140, -91.953792, 9.663209], -1245.229015, 28,
     143.206054),
    ([-36.282897, -49.168129, -48.841609, -38.015146, -34.745709, 3.208794], -494.565681, 28,
     56.735794)]
_WIDE_LAST = [-59.144298, -31.892068, -29.906424, -22.871883, -9.184882, 12.242663]
_NARROW = ([-21.017559, -18.062340, -22.912040, -20.109389, -19.278035, 2.342838],
           (-336.720343, -134.046616), 26, (28.444465, 11.428829))
# Sums and sums of squares of the wide network's activations after its poolings.
_POOLED = [(10176.223569, 20889.049430), (14259.033913, 85080.662675),
           (48325.227856, 1841539.885654), (122972.609443, 34181520.342694),
           (29236.044896, 3728597.723524)]


def _trainable(state):
  return {name: x for name, x in state.items() if "running" not in name and "num_" not in name}


def _forward(layout, tree):
  made = vgg.make_vgg(layout, 100)

  @jax.jit
  def forward(tree, images):
    seen, _ = made.backbone(tree.backbone, images, is_training=False)
    return made.head(tree.head, seen.features), seen

  return jax.device_get(forward(tree, golden_vgg.images([0, 1], np.float32)))


@pytest.fixture(scope="module", name="wide")
def _wide():
  return torch_states.masc("wide")


def test_the_golden_state_dict(wide):
  assert len(wide) == 97
  np.testing.assert_allclose(golden_vgg.summary(_trainable(wide)), (4757.897177, 15167.200839),
                             rtol=1e-6)
  total = lambda name: wide[name].sum(dtype=np.float64)
  np.testing.assert_allclose(
      [total(name) for name in ("layers.0.weight", "layers.7.weight", "layers.41.running_var",
                                "classifier.0.weight", "classifier.6.weight", "classifier.6.bias")],
      [8.796466, 65.060355, 1534.266247, -48.044341, 4.089470, 0.134528], rtol=1e-5)
  np.testing.assert_allclose(
      [wide["layers.7.weight"][5, 3, 2, 0], wide["layers.14.weight"][200, 100, 1, 2],
       wide["classifier.3.weight"][7, 11]], [-0.0832730, -0.0584841, -0.0350380], rtol=1e-5)


def test_golden_logits_of_the_wide_network(wide):
  converted = state_dicts.convert(wide)
  assert (converted.kind, converted.num_outputs) == ("wide VGG", 100)
  logits, seen = _forward("wide", converted.tree)
  for z, (first, total, answer, lse) in zip(logits, _WIDE, strict=True):
    np.testing.assert_allclose(z[:6], first, rtol=1e-5, atol=3e-4)
    np.testing.assert_allclose(z.sum(), total, rtol=1e-5)
    np.testing.assert_allclose(jax.nn.logsumexp(z), lse, rtol=1e-5)
    assert z.argmax() == answer
  np.testing.assert_allclose(logits[0, -6:], _WIDE_LAST, rtol=1e-5, atol=3e-4)
  after = [*(seen.inputs[block + 1] for block in vgg.POOLED[:-1]), seen.features]
  np.testing.assert_allclose([golden_vgg.summary(x) for x in after], _POOLED, rtol=1e-5)


def test_golden_logits_of_the_narrow_network():
  state = torch_states.masc("narrow")
  np.testing.assert_allclose(golden_vgg.summary(_trainable(state)), (2304.008678, 8987.990676),
                             rtol=1e-6)
  converted = state_dicts.convert({f"module.{name}": x for name, x in state.items()})
  assert converted.kind == "narrow VGG"
  logits, _ = _forward("narrow", converted.tree)
  first, totals, answer, lse = _NARROW
  np.testing.assert_allclose(logits[0, :6], first, rtol=1e-5, atol=1e-4)
  np.testing.assert_allclose(logits.sum(axis=1), totals, rtol=1e-5)
  np.testing.assert_allclose(jax.nn.logsumexp(logits, axis=1), lse, rtol=1e-5)
  assert logits[0].argmax() == answer


def test_every_tensor_finds_its_place():
  state = torch_states.masc("wide", 32, 12, 7)
  found = state_dicts.convert(state).tree
  expected = golden_vgg.net(vgg.make_vgg("wide", 7, width_divisor=32, hidden_size=12), np.float32)
  assert jax.tree.structure(found) == jax.tree.structure(expected)
  jax.tree.map(np.testing.assert_array_equal, found, expected)


def _resnet(state, x, last):
  """A ResNet-18 in NumPy, as PyTorch lays it out; x [n, C, H, W]."""

  def convolve(name, x, stride=1):
    w = state[f"{name}.weight"]
    pad = w.shape[2] // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    side = (x.shape[2] - w.shape[2]) // stride + 1
    at = lambda i: slice(i, i + stride * (side - 1) + 1, stride)
    return sum(np.einsum("ncyx,oc->noyx", x[:, :, at(i), at(j)], w[:, :, i, j])
               for i in range(w.shape[2]) for j in range(w.shape[2]))

  def normalise(name, x):
    weight, bias, mean, var = (state[f"{name}.{leaf}"][:, None, None] for leaf in (
        "weight", "bias", "running_mean", "running_var"))
    return (x - mean) / np.sqrt(var + 1e-5) * weight + bias

  x = np.maximum(normalise("bn1", convolve("conv1", x)), 0)
  for stage in range(4):
    for block in range(2):
      name, stride = f"layer{stage + 1}.{block}", 2 if stage and not block else 1
      out = np.maximum(normalise(f"{name}.bn1", convolve(f"{name}.conv1", x, stride)), 0)
      out = normalise(f"{name}.bn2", convolve(f"{name}.conv2", out))
      if stride == 2:
        x = normalise(f"{name}.shortcut.1", convolve(f"{name}.shortcut.0", x, 2))
      x = np.maximum(out + x, 0)
  return x.mean(axis=(2, 3)) @ state[f"{last}.weight"].T + state[f"{last}.bias"]


@pytest.mark.parametrize("last", ["linear", "classifier"])
def test_a_resnet_against_numpy(last):
  state = torch_states.resnet18(2, 5, last)
  images = np.random.default_rng(3).normal(size=(2, 3, 16, 16)).astype(np.float32)
  expected = _resnet(state, images, last)
  if last == "linear":  # As older versions hold it: once more as a sequence.
    state |= {"_features.0.weight": state["conv1.weight"],
              "classifier.1.bias": state["linear.bias"]}
  converted = state_dicts.convert(state)
  assert (converted.kind, converted.num_outputs) == ("ResNet-18", 5)
  made = classifiers.make_classifier(config_dict.create(kind="resnet18", width=2), 5)
  apply = jax.jit(lambda net, x: made.apply(net, x, is_training=False)[0].logits)
  found = apply(converted.tree, images.transpose(0, 2, 3, 1))
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_an_mlp_against_numpy():
  state = torch_states.mlp()
  converted = state_dicts.convert({f"net.{name}": x for name, x in state.items()})
  assert (converted.kind, converted.num_outputs, converted.tree.stats) == ("MLP", 10, {})
  made = classifiers.make_classifier(config_dict.create(kind="mlp", hidden_sizes=(100, 100)), 10)
  images = np.random.default_rng(2).random((3, 28, 28, 1), np.float32)
  x = images.reshape(3, 784)
  for name in ("fc1", "fc2"):
    x = np.maximum(x @ state[f"{name}.weight"].T + state[f"{name}.bias"], 0)
  expected = x @ state["classifier.weight"].T + state["classifier.bias"]
  found = made.apply(converted.tree, images, is_training=False)[0].logits
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def _refused(state):
  with pytest.raises(UserError) as caught:
    state_dicts.convert(state)
  assert "\n" not in str(caught.value)
  return str(caught.value)


@pytest.mark.parametrize("changes, message", [
    ({"layers.11.running_var": None}, "lacks layers.11.running_var, expected of shape [4]"),
    ({"classifier.6.bias": None}, "lacks classifier.6.bias, expected of shape [?]"),
    ({"layers.7.weight": np.zeros((2, 4, 3, 3))},
     "holds layers.7.weight of shape [2, 4, 3, 3], expected [4, 4, 3, 3]"),
    ({"layers.0.weight": np.zeros(3)}, "holds layers.0.weight of shape [3], expected [?, ?, 3, 3]"),
    ({"layers.0.weight": np.zeros((5, 3, 3, 3))}, "holds layers.0.weight with 5 outputs"),
    ({"classifier.3.weight": np.zeros((12, 11))},
     "holds classifier.3.weight of shape [12, 11], expected [12, 12]"),
    ({"layers.44.weight": np.zeros(1)}, "holds layers.44.weight, which no narrow VGG has"),
])
def test_tensors_that_are_not_right_are_named(changes, message):
  state = torch_states.masc("narrow", 16, 12, 7) | changes
  assert message in _refused({name: x for name, x in state.items() if x is not None})


def test_counters_may_be_missing():
  state = torch_states.masc("narrow", 32, 12, 7)
  without = {name: x for name, x in state.items() if not name.endswith(torch_states.COUNTER)}
  assert len(state) - len(without) == 13
  jax.tree.map(np.testing.assert_array_equal, state_dicts.convert(without).tree,
               state_dicts.convert(state).tree)


def test_networks_that_are_not_known():
  message = _refused({"encoder.weight": np.zeros(3), "module.bias": np.zeros(3)})
  assert message == ("holds no network that is known here (its tensors are encoder.weight, "
                     "module.bias, …): expected one of layers.0.weight, conv1.weight, fc1.weight")
  assert "its tensors are nothing" in _refused({})
  assert "lacks fc2.weight" in _refused({"fc1.weight": np.zeros((2, 2))})
  assert "holds fc3.weight, which no MLP has" in _refused(
      torch_states.mlp() | {"fc3.weight": np.zeros((2, 2))})
