"""How benchmarks measure: first step, pace, memory, arithmetic, and what the machine can do.

Every system is measured in a process of its own (`in_fresh_process`), so that compiled programs,
memory peaks and thread pools of one do not touch another.
"""

from collections.abc import Callable, Mapping, Sequence
import contextlib
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from typing import Any, NamedTuple

from emcom_datasets import command_line

_DEVICE_COUNT = "--xla_force_host_platform_device_count"


class System(NamedTuple):
  """Something that trains, ready for its first step."""
  step: Callable[[], None]  # Makes `share` of a step; done when it returns.
  count_flops: Callable[[], float]  # Floating-point operations of a whole step.
  share: float = 1.0  # Part of a step that one call of `step` makes.


class Served(NamedTuple):
  """What a system that `alternate` asked for its steps took and makes."""
  seconds: Sequence[float]  # Of each step.
  flops: float  # Floating-point operations of a step; 0 if they were not counted.
  matmul_gflops: float  # What the machine can do, after the last step; 0 without JAX.


class MeasurementError(Exception):
  """A system did not live to be measured; its own complaint is on the standard error stream."""


class WrongFlag(MeasurementError):
  """It could not be measured as it was asked for, and has said why in one line."""


class Parser(command_line.Parser):
  """The flags of one benchmark."""

  def __init__(self, name: str, description: str):
    super().__init__(f"benchmarks.{name}", description)

  def add_count(self, name: str, default: int, meaning: str) -> None:
    """Adds a flag for a whole number from 1 on."""
    self.add_argument(f"--{name}", type=command_line.positive, default=default, metavar="N",
                      help=f"{meaning} ({default})")


def measure(build: Callable[[], System], *, num_steps: int, matmul_size: int) -> dict[str, Any]:
  """Builds a system in this process, trains it and says how that went.

  Where a call makes only part of a step, the rest is taken to be as fast as the part.

  Args:
    build: makes the system; its time counts towards the first step, that of imports does not.
    num_steps: calls to take the median of, after the first.
    matmul_size: side of the matrices that show what the machine can do.

  Returns:
    Seconds, steps per second, GiB, floating-point operations and 10^9 of them per second.
  """
  started = time.perf_counter()
  system = build()
  system.step()
  first = time.perf_counter() - started
  seconds = statistics.median(seconds_of(system.step) for _ in range(num_steps))
  peak = peak_memory_gib()  # Before the matrices below are made.
  matmul = matmul_gflops(matmul_size)
  flops = system.count_flops()
  steps_per_second = system.share / seconds
  gflops = flops * steps_per_second / 1e9
  return rounded({
      "seconds_to_first_step": first + seconds * (1 / system.share - 1),
      "steps_per_second": steps_per_second,
      "peak_memory_gib": peak,
      "flops_per_step": flops,
      "gflops": gflops,
      "matmul_gflops": matmul,
      "fraction_of_matmul_rate": gflops / matmul,
  })


def seconds_of(function: Callable[[], Any]) -> float:
  """How long a call takes."""
  started = time.perf_counter()
  function()
  return time.perf_counter() - started


def peak_memory_gib() -> float:
  """The most memory this process has held, GiB (on the host: an accelerator's is not in it)."""
  unit = 1 if sys.platform == "darwin" else 1024
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def matmul_gflops(size: int, repeats: int = 5) -> float:
  """Rate of float32 products of two [size, size] matrices, 10^9 operations/s, best of `repeats`."""
  import jax

  left, right = jax.random.normal(jax.random.PRNGKey(0), (2, size, size))
  product = jax.jit(lambda a, b: a @ b)
  run = lambda: product(left, right).block_until_ready()
  run()  # Compiles.
  return 2 * size**3 / min(seconds_of(run) for _ in range(repeats)) / 1e9


def machine() -> dict[str, Any]:
  """What the numbers were measured on."""
  import jax

  affinity = getattr(os, "sched_getaffinity", None)  # Not on every system.
  return {
      "device": jax.devices()[0].device_kind,
      "devices": jax.local_device_count(),
      "jax": jax.__version__,
      "cores": len(affinity(0)) if affinity else os.cpu_count(),
  }


def rounded(numbers: dict[str, float]) -> dict[str, float]:
  """The numbers with the four digits that mean something."""
  return {name: float(f"{value:.4g}") for name, value in numbers.items()}


def report(module: str, runs: Mapping[str, Sequence[str]], *,
           device_counts: Mapping[str, int] | None = None,
           compare: Callable[[dict[str, dict[str, Any]]], dict[str, Any]] | None = None) -> int:
  """Measures systems one after the other, each in a process of its own, and prints what was found.

  Args:
    module: a module of this repository, which prints one JSON object.
    runs: its command line, by system.
    device_counts: simulated devices of those systems that have more than one.
    compare: makes another object, to be printed last, of those of all systems; None for none.

  Returns:
    The exit status: 0, or 1 or 2 after an error was said.
  """
  lines = {}
  for system, arguments in runs.items():
    try:
      lines[system] = in_fresh_process(
          module, arguments, device_count=(device_counts or {}).get(system, 1))
    except WrongFlag:
      return 2
    except MeasurementError as error:
      print(f"error: {error}", file=sys.stderr)
      return 1
    print(json.dumps(lines[system]), flush=True)
  if compare is not None:
    print(json.dumps(compare(lines)))
  return 0


def serve(build: Callable[[], System], *, matmul_size: int) -> None:
  """Makes a step of a system for each line "step" on standard input, answers with its seconds.

  The first line of answer says that the system is ready, the answer to "end" what it makes.
  """
  system = build()
  system.step()  # Compiles.
  print(json.dumps("ready"), flush=True)
  for line in sys.stdin:
    if line.strip() == "end":
      flops = system.count_flops()
      print(json.dumps([flops, matmul_gflops(matmul_size) if flops else 0.0]), flush=True)
      return
    print(json.dumps(seconds_of(system.step)), flush=True)


def alternate(module: str, runs: Mapping[str, Sequence[str]], rounds: int) -> dict[str, Served]:
  """Lets systems that `serve`, each in a process of its own, make steps in turn.

  Args:
    module: a module of this repository.
    runs: its command line, by system.
    rounds: steps of each.

  Raises:
    MeasurementError: one of them failed or was killed.
  """
  with contextlib.ExitStack() as stack:
    processes = {}
    for system, arguments in runs.items():  # One after the other: compiling takes all cores.
      process = subprocess.Popen([sys.executable, "-m", module, *arguments], text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)
      processes[system] = stack.enter_context(process)
      stack.callback(process.kill)
      _answer(process, system)
    seconds = {system: [] for system in runs}
    for _ in range(rounds):
      for system, process in processes.items():
        seconds[system].append(_ask(process, system, "step"))
    return {system: Served(seconds[system], *_ask(process, system, "end"))
            for system, process in processes.items()}


def _ask(process: subprocess.Popen, system: str, line: str) -> Any:
  try:
    process.stdin.write(f"{line}\n")
  except BrokenPipeError:
    pass  # Its end is told with what it did not answer.
  return _answer(process, system)


def _answer(process: subprocess.Popen, system: str) -> Any:
  line = process.stdout.readline()
  if not line:
    raise MeasurementError(
        f"{system} ended with status {process.wait()} before it had made its steps")
  return json.loads(line)


def in_fresh_process(module: str, arguments: Sequence[str], *, device_count: int
                    ) -> dict[str, Any]:
  """Runs `python -m module arguments`; returns the JSON object it prints last.

  Args:
    module: a module of this repository.
    arguments: its command line.
    device_count: simulated devices, where the CPU is the device.

  Raises:
    WrongFlag: the process ended with status 2.
    MeasurementError: it failed otherwise or was killed (as by want of memory).
  """
  inherited = re.sub(rf"{_DEVICE_COUNT}=\d+", "", os.environ.get("XLA_FLAGS", ""))
  environment = os.environ | {
      "XLA_FLAGS": f"{inherited} {_DEVICE_COUNT}={device_count}".strip(),
      # What an earlier run compiled would make the first step look fast.
      "JAX_ENABLE_COMPILATION_CACHE": "false",
  }
  done = subprocess.run([sys.executable, "-m", module, *arguments], env=environment,
                        stdout=subprocess.PIPE, text=True, check=False)
  if done.returncode:
    kind = WrongFlag if done.returncode == 2 else MeasurementError
    raise kind(f"python -m {module} {' '.join(arguments)}: status {done.returncode}")
  return json.loads(done.stdout.splitlines()[-1])
