"""Divergences from teachers, and whose on which images, against golden numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.society import distillation
from tests.society import golden_logits

# Five classes of teacher 0, then one or two of each other.
_GROUPS = np.zeros((4, 10), bool)
for _agent, _classes in enumerate(((0, 1, 2, 3, 4), (5, 6), (7, 8), (9,))):
  _GROUPS[_agent, list(_classes)] = True
_ALL = np.ones(4, bool)


@pytest.fixture(autouse=True)
def _float64():
  with jax.enable_x64(True):
    yield


def _distil(mode, logits=None, groups=_GROUPS, valid=_ALL, axis_name=None,
            diverge=distillation.divergence, targets=None, labels=golden_logits.LABELS):
  logits = golden_logits.student() if logits is None else logits
  targets = golden_logits.teachers() if targets is None else targets
  return distillation.distil(mode, diverge, jnp.asarray(logits), targets, groups, labels, valid,
                             axis_name)


@pytest.mark.parametrize("temperature, each, total, norm, images", [
    (1, [1.308552, 1.016849, 3.345239, 2.809992], 8.480633, 0.851009,
     [0.969784, 1.079275, 1.558022, 1.627127]),
    (2, [1.517588, 1.712925, 4.131159, 3.768000], 11.129672, 1.104709,
     [0.987812, 1.167897, 1.920924, 1.993720]),
    (4, [1.567661, 2.122759, 4.395695, 4.253220], 12.339334, 1.257790,
     [0.969564, 1.161871, 2.042745, 2.096463])])
def test_divergence(temperature, each, total, norm, images):
  diverge = functools.partial(distillation.divergence, temperature=temperature)
  found = diverge(golden_logits.student(), golden_logits.teachers()[0])
  np.testing.assert_allclose(found, images, rtol=1e-6, atol=1e-6)
  np.testing.assert_allclose(_distil("all_teachers", diverge=diverge), each, rtol=1e-6)
  value, grad = jax.value_and_grad(
      lambda z: _distil("all_teachers", z, diverge=diverge).sum())(golden_logits.student())
  np.testing.assert_allclose(value, total, rtol=1e-6)
  np.testing.assert_allclose(np.linalg.norm(grad), norm, rtol=1e-5)


def test_the_released_divergence():
  found = _distil("all_teachers", diverge=distillation.doubled_divergence)
  np.testing.assert_allclose(
      found, np.array([12.203627, 9.828242, 22.002909, 18.936820]) * 1e-4, rtol=1e-6)
  np.testing.assert_allclose(found.sum(), 6.297160e-3, rtol=1e-6)


def test_the_released_divergence_of_two_sure_and_different_answers():
  sure = 1000 * np.eye(100)
  found = distillation.doubled_divergence(sure[:1], sure[1:2])
  np.testing.assert_allclose(found, [1.689256e-4], rtol=1e-6)


def test_owner_slice():
  among = _GROUPS[0]
  found = distillation.divergence(golden_logits.student(), golden_logits.teachers()[0], among)
  np.testing.assert_allclose(found, [1.133421, 0.468731, 0.168165, 0.313994], atol=1e-6)
  of_each = _distil("owner_slice")
  # Images 0, 1 and 3 are of teacher 0, image 2 of teacher 2; the others have none.
  np.testing.assert_allclose(of_each[0], 0.638715, atol=1e-6)
  assert of_each[2] > 0 and of_each[1] == of_each[3] == 0
  grad = jax.grad(lambda z: _distil("owner_slice", z).sum())(golden_logits.student())
  assert np.isfinite(grad).all()
  np.testing.assert_array_equal(grad[[0, 1, 3], 5:], 0)
  assert np.abs(grad[[0, 1, 3], :5]).min() > 0


def test_a_slice_is_as_a_network_of_those_classes_alone():
  for diverge in (distillation.divergence, distillation.doubled_divergence):
    sliced = diverge(golden_logits.student(), golden_logits.teachers()[1], np.arange(10) % 3 == 0)
    alone = diverge(golden_logits.student()[:, ::3], golden_logits.teachers()[1][:, ::3])
    np.testing.assert_allclose(sliced, alone, rtol=1e-9)


@pytest.mark.parametrize("mode", ["owner_head", "mid_feature"])
def test_logits_of_each_teachers_own_on_its_own_images(mode):
  logits = np.stack([golden_logits.student() + 0.1 * i * np.arange(10) for i in range(4)])
  found = _distil(mode, logits)
  of_image = lambda i: distillation.divergence(logits[i], golden_logits.teachers()[i])
  np.testing.assert_allclose(found[0], of_image(0)[np.array([0, 1, 3])].mean(), rtol=1e-9)
  np.testing.assert_allclose(found[2], of_image(2)[2], rtol=1e-9)
  assert found[1] == found[3] == 0


def test_what_fills_up_the_batch_does_not_count():
  valid = np.array([True, False, True, True])
  logits = golden_logits.student()
  logits[1] = np.nan
  for mode, images in (("owner_slice", [0, 3]), ("all_teachers", [0, 2, 3])):
    found = _distil(mode, logits, valid=valid)
    among = _GROUPS[0] if mode == "owner_slice" else None
    expected = distillation.divergence(logits, golden_logits.teachers()[0], among)[np.array(images)]
    np.testing.assert_allclose(found[0], expected.mean(), rtol=1e-9)
  np.testing.assert_array_equal(_distil("all_teachers", valid=np.zeros(4, bool)), np.zeros(4))


def test_no_gradient_flows_to_teachers():
  for diverge in (distillation.divergence, distillation.doubled_divergence):
    grad = jax.grad(lambda q: _distil("all_teachers", targets=q, diverge=diverge).sum())(
        golden_logits.teachers())
    np.testing.assert_array_equal(grad, 0)


def test_devices_share_the_images_of_a_teacher_unevenly():
  whole = _distil("owner_slice")
  halves = lambda x: x.reshape(2, 2, *x.shape[1:])

  def share(logits, targets, labels, valid):
    found = _distil("owner_slice", logits, valid=valid, targets=targets, labels=labels,
                    axis_name="devices")
    return jax.lax.pmean(found, "devices")

  found = jax.pmap(share, axis_name="devices", devices=jax.devices()[:2])(
      halves(golden_logits.student()), golden_logits.teachers().reshape(4, 2, 2, 10).swapaxes(0, 1),
      halves(golden_logits.LABELS), halves(_ALL))
  np.testing.assert_allclose(found[0], whole, rtol=1e-9)


def test_owned():
  np.testing.assert_array_equal(
      distillation.owned(_GROUPS, golden_logits.LABELS),
      [[1, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])


def test_an_unknown_mode():
  with pytest.raises(ValueError, match="one of owner_head, owner_slice, all_teachers, mid_feature"):
    _distil("everybody")
