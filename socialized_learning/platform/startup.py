"""What must be settled before JAX looks for its first device."""

from collections.abc import Iterator
import contextlib
import gc
import importlib
import logging as python_logging
import os
import re
import socket
import sys
import threading
import time
from typing import Any
import warnings

from ml_collections import config_dict

from socialized_learning.platform import signals
from socialized_learning.platform.errors import UserError

_PATIENCE = 300  # Seconds that the other processes may be late.
_SILENCE = 10  # Seconds until the user is told what is waited for.


def prepare_environment() -> None:
  """Sets environment variables that are read once, when the first device is made.

  With several simulated CPU devices, XLA's thread pool (one thread a core) is too small for their
  collectives to meet, and the program would wait for ever: `PJRT_NPROC` makes it larger.
  """
  simulated = re.search(r"xla_force_host_platform_device_count=(\d+)", os.environ.get("XLA_FLAGS", ""))
  if (simulated and int(simulated[1]) > 1) or os.environ.get("JAX_NUM_CPU_DEVICES"):
    os.environ.setdefault("PJRT_NPROC", "16")


def load_jax() -> None:
  """Loads JAX, which reads its settings from the environment.

  Raises:
    UserError: one of them has no such value.
  """
  try:
    importlib.import_module("jax")
  except ValueError as error:
    raise UserError(f"an environment variable cannot be used, JAX says: {error}") from error


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
  sys.unraisablehook = _unraisable
  # A kill leaves half an entry, and a folder may be read-only: then the step is compiled again.
  warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")


def _unraisable(problem: Any) -> None:
  """Drops what TensorStore's threads report after a save has failed, for instance on a full disk.

  Each of them calls an event loop that is no longer there; the failure itself has been raised.
  """
  error = problem.exc_value
  if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
    sys.__unraisablehook__(problem)


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
  import jax

  os.environ.setdefault("PJRT_NPROC", "16")
  try:
    with _together(config):
      if config.process_id:
        _wait_for(host.strip("[]"), int(port))
      else:
        _check_port(int(port))
      jax.distributed.initialize(config.coordinator, config.num_processes, config.process_id,
                                 initialization_timeout=2 * _PATIENCE)
    signals.rearm()  # JAX takes SIGTERM for a service of its own.
    signals.before_exit(linger)
  except (RuntimeError, ValueError) as error:
    raise UserError(f"process {config.process_id} could not join {config.coordinator}: "
                    f"{str(error).splitlines()[0]}") from error


def is_bound() -> bool:
  """Whether this process is one of several that have not parted."""
  return "jax" in sys.modules and sys.modules["jax"].distributed.is_initialized()


def linger() -> None:
  """Lets processes that end for the same reason as this one say so; returns at once if there are none.

  The end of one breaks off what the others compute together, and that of process 0 makes JAX end
  them in words of its own.
  """
  if is_bound():
    time.sleep(1 if sys.modules["jax"].process_index() else 3)


@contextlib.contextmanager
def _together(config: config_dict.ConfigDict) -> Iterator[None]:
  """Tells if the other processes are late, and ends the program if they are too late.

  JAX would end it with the state of its own stack.
  """
  awaited = f"the {config.num_processes} processes to meet at {config.coordinator}"

  def give_up():
    print(f"error: waited {_PATIENCE} s for {awaited}: start all of them, with the same "
          "distributed.coordinator", file=sys.stderr, flush=True)
    os._exit(2)  # The main thread is inside of JAX, and nothing has begun.

  timers = [
      threading.Timer(_SILENCE, print, [f"waiting for {awaited}, up to {_PATIENCE} s"], {"flush": True}),
      threading.Timer(_PATIENCE, give_up)]
  for timer in timers:
    timer.daemon = True
    timer.start()
  try:
    yield
  finally:
    for timer in timers:
      timer.cancel()


def _check_port(port: int) -> None:
  """Raises UserError if process 0 cannot listen at the port, which would crash JAX."""
  family, address = ((socket.AF_INET6, "::") if socket.has_dualstack_ipv6() else
                     (socket.AF_INET, "0.0.0.0"))
  with socket.socket(family) as trial:
    # The connections of a run that has just ended do not count; another program that listens does.
    trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
      trial.bind((address, port))
      trial.listen()
    except OSError as error:
      raise UserError(f"distributed.coordinator: process 0 cannot listen at port {port} "
                      f"({error.strerror}): choose another port, the same for all processes") from error


def _wait_for(host: str, port: int) -> None:
  """Waits until process 0 listens, before JAX does so with an end of its own.

  Raises:
    UserError: there is no such host.
  """
  while True:
    try:
      socket.create_connection((host, port), timeout=5).close()
      return
    except socket.gaierror as error:
      raise UserError(f"distributed.coordinator={host}:{port}: {error.strerror}") from error
    except OSError:
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
