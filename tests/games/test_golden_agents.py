"""Golden numbers of the speaker (F), the listener (G) and their initial sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning import agents
from socialized_learning.configs import lewis_config
from socialized_learning.games import listener_losses
from socialized_learning.games import speaker_losses
from tests.games import golden

_TOLERANCE = {np.float64: dict(rtol=1e-6, atol=2e-6), np.float32: dict(rtol=1e-5, atol=2e-6)}
# Sums of many squares in float32 are off by up to 2e-5 absolute.
_SUMS = {np.float64: dict(rtol=1e-6, atol=2e-6), np.float32: dict(rtol=1e-5, atol=2e-5)}


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def dtype(request):
  with jax.enable_x64(request.param == np.float64):
    yield request.param


@pytest.fixture
def close(dtype):
  return lambda actual, expected: np.testing.assert_allclose(actual, expected, **_TOLERANCE[dtype])


@pytest.fixture
def sums(dtype):
  return lambda tree, expected: np.testing.assert_allclose(
      golden.summary(np.asarray(tree) if not isinstance(tree, dict) else tree), expected,
      **_SUMS[dtype])


def _hear(head, table, dtype, candidates=None):
  listener = agents.make_listener(golden.listener_config(head), golden.MESSAGE_CONFIG,
                                  {"x": 3, "y": 2})
  params = golden.params(golden.LISTENER | table, dtype=dtype)
  candidates = golden.inputs(dtype) if candidates is None else candidates
  return jax.jit(listener.apply)(params, golden.ACTIONS, candidates)


def _crowd():
  return listener_losses.Crowd(jnp.arange(golden.B))


def test_the_world(close, sums, dtype):
  x = golden.inputs(dtype)
  sums(x, (-0.917145, 36.506378))
  close(x[1, 2], 0.9738476)
  sums(golden.params(golden.SPEAKER, dtype=dtype), (5.652286, 341.048474))
  sums(golden.params(golden.LISTENER | golden.CPC_HEAD, dtype=dtype), (2.303336, 242.769048))
  sums(golden.params(golden.SPEAKER, 0.3, dtype=dtype), (4.740505, 340.899909))
  count = lambda table: sum(np.prod(shape) for _, _, shape in table.values())
  assert count(golden.SPEAKER) == 718
  assert count(golden.LISTENER | golden.CPC_HEAD) == 685


def test_published_sizes():
  config = lewis_config.get_config("imagenet")
  inputs = jax.ShapeDtypeStruct((1, 2048), jnp.float32)
  messages = jax.ShapeDtypeStruct((1, 10), jnp.int32)
  key = jax.ShapeDtypeStruct((2,), jnp.uint32)
  size = lambda tree: sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
  speaker = agents.make_speaker(config.speaker, config.message)
  listener = agents.make_listener(config.listener, config.message, {})
  assert size(jax.eval_shape(speaker.init, key, inputs)) == 1_333_500
  assert size(jax.eval_shape(listener.init, key, messages, inputs)) == 1_727_176


def test_speaker_shapes():
  output = golden.make_speaker().forced(golden.params(golden.SPEAKER, dtype=np.float32),
                             golden.inputs(np.float32), golden.ACTIONS)
  assert output.actions.shape == output.log_probs.shape == output.entropies.shape == (6, 4)
  assert output.logits.shape == output.q_values.shape == (6, 4, 5)
  assert output.values.shape == (6, 4)


def test_speaker_forced(close, sums, dtype):
  output = golden.make_speaker().forced(golden.params(golden.SPEAKER, dtype=dtype), golden.inputs(dtype),
                             golden.ACTIONS)
  np.testing.assert_array_equal(output.actions, golden.ACTIONS)
  close(output.logits[0], [
      [-0.249852, -0.551529, 0.732879, -1.074333, 1.017129],
      [-0.576401, -0.066964, 0.892130, -0.714512, 0.704430],
      [-0.767337, 0.831795, 0.649073, -1.333491, 0.322578],
      [-0.936622, 0.203562, 0.937778, -0.356302, -0.375212]])
  sums(output.logits, (2.759449, 119.960546))
  close(output.log_probs[0], [-2.128220, -2.578529, -1.011875, -2.090705])
  close(output.log_probs[1], [-2.485306, -1.445611, -2.333331, -2.726022])
  sums(output.log_probs, (-44.365805, 93.084118))
  close(output.entropies[0], [1.349768, 1.419693, 1.386232, 1.397034])
  sums(output.entropies, (31.005982, 40.642371))
  close(output.values[0], [-0.381815, -0.027273, 0.392724, 0.251515])
  sums(output.values, (5.634127, 4.182193))
  close(output.q_values[0, 0], [0.481689, 0.133390, 0.925771, -0.009572, 0.752118])
  close(output.q_values[0, 3], [-0.155483, 0.300067, 0.872236, 0.265033, 0.082881])
  sums(output.q_values, (-10.675882, 69.640701))


def test_speaker_greedy(close, sums, dtype):
  x = golden.inputs(dtype)
  output = golden.make_speaker().greedy(golden.params(golden.SPEAKER, dtype=dtype), x)
  np.testing.assert_array_equal(output.actions, [
      [4, 4, 4, 4], [0, 4, 4, 4], [0, 1, 1, 1], [0, 1, 1, 3], [4, 1, 2, 1], [4, 4, 1, 1]])
  close(output.log_probs[0], [-0.861239, -0.574693, -0.586942, -0.554397])
  sums(output.log_probs, (-18.601848, 15.353433))
  sums(output.values, (7.073293, 5.121375))
  sums(output.logits, (7.703612, 170.322716))
  top_two = np.sort(output.logits, axis=-1)[..., -2:]
  assert np.round((top_two[..., 1] - top_two[..., 0]).min(), 3) == 0.031
  target = golden.make_speaker().greedy(golden.params(golden.SPEAKER, 0.3, dtype=dtype), x)
  np.testing.assert_array_equal(target.actions, np.repeat([[4], [4], [0], [0], [4], [4]], 4, 1))


@pytest.mark.parametrize("teacher, loss, norms", [
    ("actions", 1.848575, (0.529698, 0.481487, 0.146775)),
    ("target", 0.823226, (0.566753, 0.565174, 0.284655)),
])
def test_imitation(close, dtype, teacher, loss, norms):
  x = golden.inputs(dtype)
  words = golden.ACTIONS
  if teacher == "target":
    words = golden.make_speaker().greedy(golden.params(golden.SPEAKER, 0.3, dtype=dtype), x).actions
  study = lambda params: speaker_losses.imitation(golden.make_speaker().forced(params, x, words))
  value, grads = jax.jit(jax.value_and_grad(study))(golden.params(golden.SPEAKER, dtype=dtype))
  close(value, loss)
  for t, norm in zip((1, 3, 5), norms, strict=True):
    np.testing.assert_allclose(np.linalg.norm(golden.of(grads, golden.SPEAKER, t)), norm,
                               rtol=1e-4 if dtype == np.float32 else 1e-6, atol=2e-6)


def test_listener_projections(close, sums, dtype):
  heard = _hear("cpc", golden.CPC_HEAD, dtype)
  close(heard.message[0],
        [-0.577535, -0.138981, 1.053962, -0.564087, -0.420223, 0.401777, 0.038968])
  sums(heard.message, (-1.117208, 9.839372))
  close(heard.target[0],
        [1.859052, -0.462663, -0.187209, -0.076726, -0.286108, 0.470595, -0.322564])
  sums(heard.target, (-0.561556, 60.474830))
  cosine = listener_losses.pair_scores(heard.message, heard.target, score="cos", temperature=1.)
  close(np.diag(cosine), [-0.293205, -0.170659, -0.463342, 0.134214, 0.516772, -0.282129])
  close(cosine[0], [-0.293205, -0.129933, 0.200188, 0.327819, 0.410263, -0.083563])
  sums(cosine, (1.137387, 4.500813))


@pytest.mark.parametrize("score, losses, mean, probs", [
    ("2cos-2", [2.648707, 2.436597, 2.967341, 1.516241, 1.116567, 2.921222], 2.267779,
     [0.070743, 0.098061, 0.189774, 0.244960, 0.288872, 0.107590]),
    ("cos", [2.189420, 2.075345, 2.327021, 1.634597, 1.392590, 2.239577], 1.976425,
     [0.111982, 0.131842, 0.183411, 0.208379, 0.226287, 0.138100]),
])
def test_cpc(close, dtype, score, losses, mean, probs):
  heard = _hear("cpc", golden.CPC_HEAD, dtype)
  verdict = listener_losses.cpc(heard.message, heard.target, _crowd(), score=score)
  close(verdict.loss, losses)
  close(verdict.loss.mean(), mean)
  close(verdict.probs["candidate"][0], probs)
  np.testing.assert_array_equal(verdict.probs["candidate"].argmax(1), [4, 4, 0, 4, 4, 4])
  np.testing.assert_array_equal(verdict.accuracy, [0, 0, 0, 0, 1, 0])
  np.testing.assert_array_equal(listener_losses.reward(verdict, "success_rate"),
                                [0, 0, 0, 0, 1, 0])
  np.testing.assert_array_equal(listener_losses.reward(verdict, "log_prob"), -verdict.loss)


def test_cpc_temperature(close, dtype):
  heard = _hear("cpc", golden.CPC_HEAD, dtype)
  verdict = listener_losses.cpc(heard.message, heard.target, _crowd(), score="cos", temperature=0.1)
  close(verdict.loss.mean(), 6.087794)


@pytest.mark.parametrize("score, bound", [("2cos-2", 4.937692), ("cos", 5.933148)])
def test_cpc_lower_bound_of_1024_orthogonal_candidates(score, bound):
  eye = jnp.eye(1024)
  verdict = listener_losses.cpc(eye, eye, listener_losses.Crowd(jnp.arange(1024)), score=score)
  np.testing.assert_allclose(verdict.loss.mean(), bound, rtol=1e-5)


def test_cpc_explicit_distractors(close, dtype):
  heard = _hear("cpc", golden.CPC_HEAD, dtype)
  games = np.arange(6)
  candidates = np.stack([games, (games + 1) % 6, (games + 3) % 6], axis=1)
  verdict = listener_losses.cpc(heard.message, heard.target, _crowd(), candidates=candidates)
  close(verdict.loss, [1.766247, 1.891793, 1.934527, 1.062702, 0.401306, 1.438318])
  close(verdict.loss.mean(), 1.415816)
  np.testing.assert_array_equal(verdict.accuracy, [0, 0, 0, 0, 1, 0])
  close(verdict.probs["candidate"][0], [0.170973, 0.236998, 0.592029])
  np.testing.assert_array_equal(verdict.correct["candidate"], 0)


def test_second_view(close, sums, dtype):
  view = golden.second_view(dtype)
  close(view.astype(np.float64).sum(), -1.290402)
  heard = _hear("cpc", golden.CPC_HEAD, dtype, view)
  close(heard.target[0],
        [0.062254, 1.490516, -0.217487, -0.018829, -0.829106, 0.365686, -0.365192])
  for score, mean in (("2cos-2", 2.395057), ("cos", 2.045109)):
    verdict = listener_losses.cpc(heard.message, heard.target, _crowd(), score=score)
    close(verdict.loss.mean(), mean)


def test_classification(close, dtype):
  heard = _hear("multi_mlp", golden.LABEL_HEADS, dtype)
  close(heard.logits["x"][0], [0.626112, -0.623546, -0.505518])
  close(heard.logits["y"][0], [-0.462744, -0.397202])
  verdict = listener_losses.classification(heard.logits, golden.LABELS)
  close(verdict.loss, [1.225897, 0.609045, 1.196005, 0.950359, 0.555523, 1.218990])
  close(verdict.loss.mean(), 0.959303)
  np.testing.assert_array_equal(verdict.accuracy, [0, 0.5, 0, 0.5, 0.5, 0])
  hits = {name: int((probs.argmax(1) == golden.LABELS[name]).sum())
          for name, probs in verdict.probs.items()}
  assert hits == {"x": 2, "y": 1}
