"""Compiler options: where they are given, and what does without."""

import jax
import jax.numpy as jnp
import pytest

from socialized_learning.population import compilation


@pytest.fixture(autouse=True)
def forgets():
  compilation.options.cache_clear()
  yield
  compilation.options.cache_clear()


def test_the_library_is_off_on_a_cpu_where_this_jaxlib_knows_it():
  assert set(compilation.options()) <= {compilation._LIBRARY}
  assert set(compilation.options().values()) <= {""}


def test_xla_flags_of_the_user_win(monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", f"--{compilation._LIBRARY}=LIBRARY_FUSION_TYPE_DOT")
  assert not compilation.options()


def test_an_accelerator_keeps_its_defaults(monkeypatch):
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  assert not compilation.options()


def test_a_jaxlib_without_the_option_keeps_its_defaults(monkeypatch):
  monkeypatch.setattr(compilation, "_LIBRARY", "xla_cpu_no_such_option")
  assert not compilation.options()
  assert compilation.jit(lambda x: 2 * x)(jnp.float32(3)) == 6
