"""Settings outside of the configuration that change numbers."""

import jax
import pytest

from socialized_learning.platform import numerics
from socialized_learning.platform.errors import UserError


@pytest.mark.parametrize("option, value, message", [
    (jax.threefry_partitionable, False, "JAX_THREEFRY_PARTITIONABLE=True, now False: "
     "set JAX_THREEFRY_PARTITIONABLE=True"),
    (jax.enable_x64, True, "JAX_ENABLE_X64=False, now True: set JAX_ENABLE_X64=False"),
    (jax.default_prng_impl, "rbg", "JAX_DEFAULT_PRNG_IMPL=threefry2x32, now rbg: "
     "set JAX_DEFAULT_PRNG_IMPL=threefry2x32"),
    (jax.default_matmul_precision, "highest", "JAX_DEFAULT_MATMUL_PRECISION=(unset), now highest: "
     "unset JAX_DEFAULT_MATMUL_PRECISION"),
    (jax.disable_jit, True, "JAX_DISABLE_JIT=False, now True: set JAX_DISABLE_JIT=False")])
def test_options_of_jax(option, value, message):
  saved = numerics.settings()
  numerics.check_same(saved, "it")
  with option(value):
    numerics.check_same(numerics.settings(), "it")
    with pytest.raises(UserError) as caught:
      numerics.check_same(saved, "it")
  assert str(caught.value) == f"it was made with {message}, or use a new --workdir"


def test_flags_of_xla(monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp --xla_cpu_enable_fast_math=true --xla_a=1 "
                     "--xla_force_host_platform_device_count=4 "
                     "--xla_cpu_collective_call_terminate_timeout_seconds=20")
  saved = numerics.settings()
  assert saved["XLA_FLAGS"] == "--xla_a=1 --xla_cpu_enable_fast_math=true"
  monkeypatch.setenv("XLA_FLAGS", "--xla_a=1")
  with pytest.raises(UserError, match="XLA_FLAGS='--xla_a=1 --xla_cpu_enable_fast_math=true', now --xla_a=1: "
                     "set XLA_FLAGS='--xla_a=1 --xla_cpu_enable_fast_math=true'"):
    numerics.check_same(saved, "it")
  monkeypatch.delenv("XLA_FLAGS")
  assert numerics.settings()["XLA_FLAGS"] is None


def test_other_variables(monkeypatch):
  saved = numerics.settings()
  monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
  with pytest.raises(UserError, match=r"=\(unset\), now 0: unset NVIDIA_TF32_OVERRIDE"):
    numerics.check_same(saved, "it")


def test_what_a_checkpoint_does_not_tell_is_not_compared():
  for saved in (None, {}, [], {"JAX_OF_A_LATER_VERSION": 3}):
    numerics.check_same(saved, "it")


def test_settings_of_the_program(monkeypatch):
  monkeypatch.setattr(numerics, "settings", lambda: {"compiler": "b"})
  with pytest.raises(UserError, match="compiler=a, now b: use the version of the program that made it"):
    numerics.check_same({"compiler": "a"}, "it")


def test_software_is_told_and_not_refused():
  saved = numerics.software()
  assert saved["jax"] == jax.__version__ and saved["devices"] == jax.device_count()
  assert numerics.changed_software(saved) is numerics.changed_software(None) is None
  told = numerics.changed_software(saved | {"jaxlib": "0.1\n2", "devices": 9})
  assert told == (f"jaxlib 0.1 2 (now {saved['jaxlib']}), devices 9 (now {saved['devices']}): "
                  "results are the same up to rounding")
