"""The probes of gated networks: what they add up, and what they report of that."""

import jax
import jax.numpy as jnp
import numpy as np

from socialized_learning.learners import dynamos_sgd
from socialized_learning.learners import sparsity
from socialized_learning.metrics import sparsity as metrics
from socialized_learning.report import sparsity_figure
from tests.learners import gated_golden as golden

# Channels of 32 that each agent keeps of five images, as the golden numbers have it.
_KEPT = np.array([[16, 15, 16, 16], [15, 13, 13, 16], [14, 13, 15, 18], [13, 14, 19, 17],
                  [13, 14, 18, 19]])


def _looked(name, thresholds):
  """Sums over five of six golden images, and the probe that made them."""
  probe = sparsity.probes(golden.classifier(), jnp.zeros((1, *golden.SHAPE)), 10, thresholds)[name]
  state = dynamos_sgd.State(golden.net(np.float32), jnp.int32(0))
  return jax.device_get(jax.jit(probe.look)(
      state, golden.images(0, dtype=np.float32), np.array(golden.LABELS), np.arange(6) < 5)), probe


def test_sums_over_images():
  sums, _ = _looked("sparsity", ())
  assert sums.images.tolist() == [3, 0, 0, 0, 0, 0, 0, 1, 0, 1]  # Labels 0, 9, 7, 0, 0.
  np.testing.assert_array_equal(sums.kept.sum(axis=(0, 2)), _KEPT.sum(axis=0))
  np.testing.assert_array_equal(sums.kept[7].sum(axis=-1), _KEPT[2])
  shares = _KEPT / 32
  np.testing.assert_allclose(sums.neighbours[0], (shares[:, :-1] * shares[:, 1:]).sum(axis=0),
                             rtol=1e-5)
  np.testing.assert_array_equal(sums.probability[7] >= 0.5, sums.kept[7] == 1)


def test_report_by_hand():
  """Two members, two classes of one image each, two channels an agent."""
  kept = np.zeros((2, 2, 4, 2))
  kept[0, 0] = 1  # The first member keeps all of the first class, half of the second.
  kept[0, 1, :, 0] = 1
  sums = sparsity.Sums(images=np.ones((2, 2)), kept=kept, probability=np.full(kept.shape, 0.5),
                       neighbours=np.stack([[[1.25] * 3, [0.5] * 3], [[0.0] * 3, [0.5] * 3]]))
  geometry = metrics.Geometry(4, 4, 1, 1, 1, 2)
  found = sparsity.report(sums, geometry)
  np.testing.assert_allclose(found["keep_rate"]["thresholded"], [[0.75] * 4, [0] * 4])
  np.testing.assert_allclose(found["keep_rate"]["drawn"], [[0.5] * 4] * 2)
  np.testing.assert_allclose(found["kept_by_any"], [[1] * 4, [0] * 4])
  gated = metrics.dense_macs(geometry).gated
  macs = found["macs"]
  assert macs["dense_gated"] == sum(gated)
  np.testing.assert_allclose(macs["thresholded_gated"], [
      0.75 * (gated[0] + gated[4]) + 0.625 * sum(gated[1:4]), 0])
  np.testing.assert_allclose(macs["thresholded"] - macs["thresholded_gated"],
                             macs["dense"] - macs["dense_gated"])
  np.testing.assert_allclose(found["overlap"]["cosine"][0], [[1, 0.5**0.5], [0.5**0.5, 1]])
  np.testing.assert_allclose(found["overlap"]["jaccard"][0], [[1, 0.5], [0.5, 1]])
  assert np.isnan(found["overlap"]["cosine"][1]).all()
  assert sparsity_figure.draw(found).startswith(b"\x89PNG")


def test_other_thresholds():
  """At 0 all is kept; at any other what a network with that threshold of inference keeps."""
  thresholds = (0.0, 0.5, 0.8)
  sums, probe = _looked("thresholds", thresholds)
  found = probe.report(jax.tree.map(lambda x: x[None], sums))
  assert found["threshold"] == list(thresholds) and sums.images == 5
  images, labels = golden.images(0, dtype=np.float32)[:5], np.array(golden.LABELS)[:5]
  kept, right = [], []
  for threshold in thresholds:
    output, decisions, _ = golden.classifier(threshold=threshold).gated(
        golden.net(np.float32), images, is_training=False)
    kept.append(decisions.kept.mean(axis=-1))
    right.append(np.mean(output.logits.argmax(axis=-1) == labels))
  np.testing.assert_allclose(found["keep_rate"], [np.mean(kept, axis=1)], rtol=1e-6)
  np.testing.assert_allclose(found["keep_rate"][0, :2], [[1] * 4, _KEPT.mean(axis=0) / 32])
  np.testing.assert_allclose(found["accuracy"], [100 * np.array(right)])

  shares, neighbours = _KEPT / 32, _KEPT[:, :-1] * _KEPT[:, 1:] / 32**2
  dense = metrics.dense_macs(metrics.Geometry(*golden.SHAPE, 16, 2, 10))
  always = dense.stem + dense.first_stage + dense.agents_at_inference + dense.head
  half = metrics.gated_macs(dense, shares.mean(axis=0), neighbours.mean(axis=0))
  np.testing.assert_allclose(found["macs"][0, :2], [always + sum(dense.gated), always + half],
                             rtol=1e-6)
  assert found["macs"][0, 2] < always + half


def test_no_thresholds_no_probe():
  assert list(sparsity.probes(golden.classifier(), jnp.zeros((1, *golden.SHAPE)), 10, ())) == ["sparsity"]
