"""Settings that must stand before the first JAX device is made: four simulated devices.

And the order of the tests: those that take longest first, so that no worker is left with them.
"""

import atexit
import os
import shutil
import tempfile

from socialized_learning.platform import startup
from tests import quick

# More threads than cores: with one thread a core the devices' collectives wait for each other for
# ever; the timeout lets such a hang end as a failure.
os.environ.setdefault("PJRT_NPROC", "16")
os.environ["XLA_FLAGS"] = " ".join([
    os.environ.get("XLA_FLAGS", ""),
    "--xla_force_host_platform_device_count=4",
    "--xla_cpu_collective_call_terminate_timeout_seconds=120",
    *quick.FLAGS,
]).strip()
os.environ["JAX_PLATFORMS"] = "cpu"

startup.collect_garbage_rarely()

# What one test has compiled, the next need not: all workers share a folder of this session.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
  os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="socialized_learning_tests_")
  os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
  atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

_LONGEST = ("experiments/test_command_line", "population/test_collaboration",
            "experiments/test_continual", "experiments/test_masc", "experiments/test_ease_of_learning",
            "population/test_newcomers", "experiments/test_sweeps", "benchmarks", "games",
            "learners", "agents")


def pytest_collection_modifyitems(items):
  """Sorts modules by how long they take, as far as that is known."""
  rank = lambda item: next((i for i, name in enumerate(_LONGEST) if f"tests/{name}" in item.nodeid),
                           len(_LONGEST))
  items.sort(key=rank)
