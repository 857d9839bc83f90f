"""Convolutions by one matrix product, and the head that draws with them."""

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.agents import convolutions
from socialized_learning.agents import heads
from socialized_learning.agents import layers

_INPUTS = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype(np.float32)


def _both(with_bias):
  """Our convolution and Haiku's, as (init, apply), for 3 x 3 kernels to 7 channels."""
  made = (lambda: convolutions.PatchConv2D(7, 3, with_bias=with_bias, name="conv"),
          lambda: hk.Conv2D(7, 3, padding="VALID", with_bias=with_bias, name="conv"))
  return [hk.without_apply_rng(hk.transform(lambda x, make=make: make()(x))) for make in made]


@pytest.mark.parametrize("with_bias", [False, True])
def test_numbers_and_gradients_are_those_of_haikus_convolution(with_bias):
  ours, haikus = _both(with_bias)
  params = jax.jit(haikus.init)(jax.random.PRNGKey(0), _INPUTS)
  if with_bias:
    params["conv"]["b"] = jnp.arange(7.)
  weights = np.random.default_rng(1).normal(size=(2, 3, 2, 7))

  def outcome(apply):
    def score(params, x):
      out = apply(params, x)
      return (weights * jnp.tanh(out)).sum(), out
    return jax.jit(jax.grad(score, argnums=(0, 1), has_aux=True))(params, _INPUTS)

  (grads, out), (expected_grads, expected) = jax.device_get(
      (outcome(ours.apply), outcome(haikus.apply)))
  assert out.shape == (2, 3, 2, 7)
  np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
  jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), grads,
               expected_grads)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("height, width", [(1, 1), (2, 2), (2, 4), (3, 3)])
def test_an_image_of_any_size_is_convolved_alike(height, width, stride):
  """Those smaller than the kernel are matrix products of patches."""
  layer = hk.without_apply_rng(hk.transform(
      lambda x: layers.TorchConv2D(5, 3, stride=stride, name="conv")(x)))
  x = np.random.default_rng(0).normal(size=(2, height, width, 4)).astype(np.float32)
  params = layer.init(jax.random.PRNGKey(0), x)
  expected = jax.lax.conv_general_dilated(
      x, params["conv"]["w"], (stride, stride), [(1, 1), (1, 1)],
      dimension_numbers=("NHWC", "HWIO", "NHWC"))
  np.testing.assert_allclose(layer.apply(params, x), expected, rtol=1e-5, atol=1e-6)


def test_initial_parameters_are_those_of_haikus_convolution():
  ours, haikus = _both(with_bias=True)
  # The same key: the same numbers, not only the same distribution.
  params = jax.jit(ours.init)(jax.random.PRNGKey(3), _INPUTS)
  jax.tree.map(np.testing.assert_array_equal, params,
               jax.jit(haikus.init)(jax.random.PRNGKey(3), _INPUTS))
  # The standard deviation is 0.8796 of a normal distribution's that is cut at two of them.
  wide = hk.without_apply_rng(hk.transform(
      lambda x: convolutions.PatchConv2D(128, 3, with_bias=True, name="conv")(x)))
  params = jax.jit(wide.init)(jax.random.PRNGKey(0), np.zeros((1, 3, 3, 16), np.float32))["conv"]
  np.testing.assert_allclose(np.std(params["w"]), 0.8796 / np.sqrt(3 * 3 * 16), rtol=0.02)
  assert np.abs(params["w"]).max() <= 2 / 12 + 1e-6
  assert not np.any(params["b"])


def test_one_product_by_hand():
  ours, _ = _both(with_bias=False)
  x = np.zeros((1, 3, 3, 1), np.float32)
  x[0, 0, 2], x[0, 2, 1] = 2, 5  # Row 0, column 2; row 2, column 1.
  kernel = np.arange(63, dtype=np.float32).reshape(3, 3, 1, 7)
  out = jax.jit(ours.apply)({"conv": {"w": kernel}}, x)
  np.testing.assert_array_equal(out[0, 0, 0], 2 * kernel[0, 2, 0] + 5 * kernel[2, 1, 0])


def test_drawings_and_how_many_parameters_draw_them():
  init, apply = hk.without_apply_rng(hk.transform(lambda features: heads.ImageHead(2)(features)))
  features = 10 * np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
  # Drawn by NumPy: one program less to compile.
  random = np.random.default_rng(1)
  params = jax.tree.map(
      lambda x: random.normal(size=x.shape, scale=x.shape[-2]**-0.5 / 3 if x.ndim > 1 else 0.1),
      jax.eval_shape(init, jax.random.PRNGKey(0), features))
  params = jax.tree.map(np.float32, params)
  drawn = np.asarray(jax.jit(apply)(params, features))
  assert drawn.shape == (2, heads.ImageHead.SIZE, heads.ImageHead.SIZE, 2)
  assert heads.ImageHead.SIZE == 32
  assert -1 < drawn.min() < 0 < drawn.max() < 1
  assert np.abs(drawn[0] - drawn[1]).max() > 0.01
  sizes = {name.rsplit("/", 1)[-1]: sum(x.size for x in leaves.values())
           for name, leaves in params.items()}
  # 6 features to 4 x 4 x 128 with bias; 3 x 3 kernels from 128 to 64, 32, 16, 16 channels without.
  assert sizes == {"linear": 7 * 2048, "conv_0": 73_728, "conv_1": 18_432, "conv_2": 4_608,
                   "conv_3": 2_304, "conv_last": 145 * 2}


@pytest.mark.parametrize("size, stride, side", [
    (3, 1, 6), (3, 2, 6), (3, 2, 7), (1, 1, 5), (1, 2, 6), (1, 2, 7), (3, 3, 8)])
def test_gradients_of_a_convolution(size, stride, side):
  rng = np.random.default_rng(0)
  x, w = rng.normal(size=(2, side, side + 1, 3)), rng.normal(size=(size, size, 3, 4))

  def plain(x, w):
    return jax.lax.conv_general_dilated(x, w, (stride, stride), [(size // 2, size // 2)] * 2,
                                        dimension_numbers=("NHWC", "HWIO", "NHWC"))

  with jax.enable_x64(True):
    ours = lambda x, w: convolutions.convolve(x, w, stride, size // 2)
    out, pull = jax.vjp(plain, x, w)
    slope = rng.normal(size=out.shape)
    np.testing.assert_allclose(ours(x, w), out, rtol=1e-12)
    for mine, theirs in zip(jax.vjp(ours, x, w)[1](slope), pull(slope), strict=True):
      np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12)
    one_by_one = jax.lax.map(lambda x: ours(x[None], w)[0], x)  # As in a loop, or for agents at once.
    np.testing.assert_allclose(one_by_one, jax.vmap(lambda x: ours(x[None], w)[0])(x), rtol=1e-10)
