"""What a user is told of errors of other packages."""

import jax
import pytest

from socialized_learning.platform import run


@pytest.mark.parametrize("error", [
    MemoryError(),
    jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes."),
    jax.errors.JaxRuntimeError("INTERNAL: Error: Out of memory allocating 9 bytes")])
def test_want_of_memory(error):
  assert "use a smaller batch_size" in run._explain(error)


def test_a_defect_is_not_explained_away():
  assert run._explain(ValueError("Gloo")) is None  # There is but one process.
