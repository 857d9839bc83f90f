"""What must be settled before JAX looks for its first device."""

import gc
import logging as python_logging
import os
import re
import socket
import time
import warnings

from ml_collections import config_dict

from socialized_learning.platform.errors import UserError


_PATIENCE = 300  # Seconds that the other processes may be late.


def prepare_environment() -> None:
  """Sets environment variables that are read once, when the first device is made.

  With several simulated CPU devices, XLA's thread pool (one thread a core) is too small for their
  collectives to meet, and the program would wait for ever: `PJRT_NPROC` makes it larger.
  """
  simulated = re.search(r"xla_force_host_platform_device_count=(\d+)", os.environ.get("XLA_FLAGS", ""))
  if (simulated and int(simulated[1]) > 1) or os.environ.get("JAX_NUM_CPU_DEVICES"):
    os.environ.setdefault("PJRT_NPROC", "16")


def collect_garbage_rarely() -> None:
  """Looks for cycles of dead objects every 50,000 new ones, not every 700.

  Tracing makes millions of objects that live on: looking through them took a tenth of a run's start.
  """
  gc.set_threshold(50_000, 20, 20)


def quieten() -> None:
  """Lets only this program speak: libraries' progress notes are not for the user.

  Jaxline logs the traceback of every exception that passes it, and Orbax some; what they raise is
  told once, where it is caught.
  """
  from absl import logging  # Late, so that `--help` need not pay for it.

  logging.set_verbosity(logging.FATAL)
  logging.set_stderrthreshold(logging.FATAL)
  for name, level in (("absl", python_logging.CRITICAL), ("orbax", python_logging.CRITICAL),
                      ("asyncio", python_logging.CRITICAL), ("jax", python_logging.ERROR)):
    python_logging.getLogger(name).setLevel(level)
  warnings.filterwarnings("ignore", module="(orbax|haiku|jaxline|tensorstore|etils).*")
  # A kill leaves half an entry, and a folder may be read-only: then the step is compiled again.
  warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")


def use_compilation_cache(folder: str) -> None:
  """Keeps compiled steps in `folder`, so that the next run of the same sizes starts at once.

  The environment variables JAX_COMPILATION_CACHE_DIR (empty switches the cache off) and
  JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS win, if they are set.
  """
  import jax

  folder = os.environ.get("JAX_COMPILATION_CACHE_DIR", folder)
  if folder:
    jax.config.update("jax_compilation_cache_dir", folder)
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
      jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def join_processes(config: config_dict.ConfigDict) -> None:
  """Makes this process one of several, if `config.num_processes` says so.

  Raises:
    UserError: the coordinator is missing, or could not be reached.
  """
  if config.num_processes == 1:
    return
  if config.num_processes < 1:
    raise UserError(f"distributed.num_processes={config.num_processes}: must be at least 1")
  if not config.coordinator or not 0 <= config.process_id < config.num_processes:
    raise UserError("distributed.num_processes is more than 1: give distributed.coordinator=HOST:PORT "
                    f"and a distributed.process_id from 0 to {config.num_processes - 1}")
  host, _, port = config.coordinator.rpartition(":")
  if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
    raise UserError(f"distributed.coordinator={config.coordinator!r}: write HOST:PORT of process 0, as "
                    "127.0.0.1:1234")
  if config.process_id:
    _wait_for(host.strip("[]"), int(port))
  import jax

  os.environ.setdefault("PJRT_NPROC", "16")
  try:
    jax.distributed.initialize(config.coordinator, config.num_processes, config.process_id)
  except (RuntimeError, ValueError) as error:
    raise UserError(f"process {config.process_id} could not join {config.coordinator}: "
                    f"{str(error).splitlines()[0]}") from error


def _wait_for(host: str, port: int) -> None:
  """Waits until process 0 listens: JAX itself ends the program where it waits in vain."""
  deadline = time.monotonic() + _PATIENCE
  while True:
    try:
      socket.create_connection((host, port), timeout=5).close()
      return
    except OSError as error:
      if time.monotonic() > deadline or isinstance(error, socket.gaierror):
        raise UserError(f"distributed.coordinator={host}:{port} does not answer ({error.strerror}): "
                        "start process 0, and give its address to all") from error
    time.sleep(0.5)


def find_devices() -> None:
  """Makes JAX look for its devices.

  Raises:
    UserError: there are none of the kind that was asked for.
  """
  import jax

  try:
    jax.devices()
  except (AssertionError, RuntimeError) as error:
    said = str(error) or f"it knows no {os.environ.get('JAX_PLATFORMS', 'such kind')}"
    raise UserError(f"no device to compute on, JAX says: {said.splitlines()[0]}") from error
