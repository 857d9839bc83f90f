"""Energies and alignment against golden numbers; double precision."""

import jax
import numpy as np
import pytest

from socialized_learning.society import energy
from tests.society import golden_logits


@pytest.fixture(autouse=True)
def _float64():
  with jax.enable_x64(True):
    yield


@pytest.mark.parametrize("temperature, expected", [
    (1, [-4.163477, -4.111711, -3.983825, -3.749759]),
    (2, [-6.001777, -5.958409, -5.674656, -5.442452]),
    (0.5, [-3.414191, -3.392944, -3.356803, -3.160514])])
def test_free_energy(temperature, expected):
  found = energy.free_energy(golden_logits.student(), temperature)
  np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("beta, expected", [
    (1, [-3.561920, -3.509103, -3.995872, -3.927960]),
    (0.5, [-5.136456, -5.092253, -5.709808, -5.681785]),
    (2, [-3.078456, -3.065404, -3.346490, -3.257904])])
def test_soft_minimum(beta, expected):
  found = energy.soft_minimum(golden_logits.student(), beta)
  np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kind, value, anchor, expected, norm, first, rows", [
    ("soft_minimum", 1, -10, 39.124956, 3.626206, [0.091370, 0.008714, 0.004920, 0.025350],
     [3.219040, 3.245448, 3.002064, 3.036020]),
    ("free_energy", 1, -20, 255.955349, 8.222835, [-0.123156, -1.291334, -2.286993, -0.443896],
     [-7.918262, -7.944144, -8.008087, -8.125121]),
    ("free_energy", 1, -10, 35.999207, 3.090185, [-0.045389, -0.475919, -0.842867, -0.163597],
     [-2.918262, -2.944144, -3.008087, -3.125121]),
    ("free_energy", 2, -20, 202.563556, 5.897268, [-0.348156, -1.127368, -1.500302, -0.660978],
     [-6.999112, -7.020796, -7.162672, -7.278774])])
def test_alignment(kind, value, anchor, expected, norm, first, rows):
  loss = lambda z: energy.alignment(getattr(energy, kind)(z, value), anchor).mean()
  found, grad = jax.value_and_grad(loss)(golden_logits.student())
  np.testing.assert_allclose(found, expected, rtol=1e-6)
  np.testing.assert_allclose(np.linalg.norm(grad), norm, rtol=1e-5)
  np.testing.assert_allclose(grad[0, :4], first, rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(grad.sum(1), rows, rtol=1e-5)


def test_a_constant_on_all_logits_moves_the_energy_by_as_much():
  z = golden_logits.student()
  for kind, sign in ((energy.free_energy, -1), (energy.soft_minimum, 1)):
    np.testing.assert_allclose(kind(z + 3, 2.0), kind(z, 2.0) + sign * 3, rtol=1e-12)
