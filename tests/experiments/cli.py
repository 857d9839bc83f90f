"""Drives the real command line, without paying for its imports every time.

A server process imports the program once and forks for each command: the fork sets `sys.argv`, makes
its own JAX devices and runs `main`, so that a wrong option is answered in a tenth of a second. Where
the end of the interpreter itself matters, `spawn` starts `python -m socialized_learning.main`.
"""

from collections.abc import Mapping, Sequence
import json
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Any, NamedTuple

import numpy as np

from socialized_learning.platform import checkpoints
from tests import quick

ROOT = pathlib.Path(__file__).parents[2]
RECIPE = ROOT / "socialized_learning/configs/lewis_config.py"
# What happens in a population now and then; runs of the debug sweep that have it share a compiled step.
EVENTS = ("--config.imitation.interval=10", "--config.reset.interval=40")
USES_TENSORFLOW = 77  # Exit status of a command that imported TensorFlow.
_PRELOADED = ["socialized_learning.main", "socialized_learning.platform.run",
              "socialized_learning.experiments.continual",
              "socialized_learning.experiments.ease_of_learning",
              "socialized_learning.experiments.lewis",
              "socialized_learning.experiments.masc"]
_TIMEOUT = 240  # Seconds; a command that takes longer hangs.


class Result(NamedTuple):
  """How a command ended; a negative status is the signal that killed it."""
  status: int
  stdout: str
  stderr: str


class Command:
  """A command under way."""

  def __init__(self, process: Any, output: pathlib.Path):
    self._process = process
    self._output = output

  def send(self, number: signal.Signals) -> None:
    """Sends a signal."""
    os.kill(self._process.pid, number)

  def is_running(self) -> bool:
    """Whether it has not ended."""
    return self._process.is_alive()

  def wait(self) -> Result:
    """Waits for the end."""
    self._process.join(_TIMEOUT)
    if self._process.is_alive():
      self._process.kill()
      self._process.join()
    return Result(self._process.exitcode, *(
        self._output.with_suffix(end).read_text() for end in (".out", ".err")))


class CommandLine:
  """Starts commands in a folder of its own."""

  def __init__(self, folder: pathlib.Path):
    """Prepares; the folder is the commands' current directory, where a run folder would appear."""
    self.folder = folder
    self._count = 0
    self._context = multiprocessing.get_context("forkserver")
    self._context.set_forkserver_preload(_PRELOADED)

  def start(self, *options: str, sweep: str = "debug", devices: int = 1,
            recipe: str | None = None) -> Command:
    """Starts a command, which compiles fast rather than well.

    Args:
      *options: beside --config.
      sweep: of the Lewis recipe.
      devices: simulated ones.
      recipe: the whole value of --config instead; empty for no such option.
    """
    recipe = f"{RECIPE}:{sweep}" if recipe is None else recipe
    argv = [*([f"--config={recipe}"] if recipe else []), *map(str, options)]
    self._count += 1
    output = self.folder.parent / f"{self.folder.name}-{self._count}.out"
    process = self._context.Process(
        target=_in_fork, args=(argv, _environment(devices), self.folder, output))
    process.start()
    return Command(process, output)

  def run(self, *options: str, **kwargs: Any) -> Result:
    """Runs a command to its end."""
    return self.start(*options, **kwargs).wait()


def _environment(devices: int) -> dict[str, str]:
  """What a command finds in its environment beside what is there."""
  return {
      "XLA_FLAGS": " ".join([f"--xla_force_host_platform_device_count={devices}", *quick.FLAGS])}


def _in_fork(argv: list[str], variables: Mapping[str, str], folder: pathlib.Path,
             output: pathlib.Path) -> None:
  """The command itself, in a process of its own."""
  os.environ.pop("PJRT_NPROC", None)  # The program has to see to it.
  os.environ.update(variables)
  os.chdir(folder)
  for descriptor, end in ((1, ".out"), (2, ".err")):
    file = os.open(output.with_suffix(end), os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(file, descriptor)
  sys.argv = ["socialized_learning/main.py", *argv]
  from socialized_learning import main
  status = main.main(sys.argv)
  main.end(USES_TENSORFLOW if "tensorflow" in sys.modules else status)


def spawn(*options: str, devices: int = 1) -> subprocess.Popen:
  """Starts `python -m socialized_learning.main` with the debug sweep, see `CommandLine.start`."""
  variables = {name: value for name, value in os.environ.items() if name != "PJRT_NPROC"}
  return subprocess.Popen(
      [sys.executable, "-m", "socialized_learning.main", f"--config={RECIPE}:debug",
       *map(str, options)], cwd=ROOT, env=variables | _environment(devices), text=True,
      stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_until(condition: Any, command: Any = None) -> None:
  """Waits until `condition()`; fails if that takes too long, or if the command ends before."""
  deadline = time.monotonic() + _TIMEOUT
  while not condition():
    assert time.monotonic() < deadline, "waited in vain"
    assert command is None or command.is_running(), command.wait()
    time.sleep(0.002)


def ends(processes: Sequence[subprocess.Popen]) -> list[Result]:
  """How processes end."""
  try:
    return [Result(0, *process.communicate(timeout=200))._replace(status=process.returncode)
            for process in processes]
  finally:
    for process in processes:
      process.kill()


def assert_refused(result: Result, *words: str) -> None:
  """The command ended with one line on what is wrong, which contains the words."""
  assert result.status == 2, result
  assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
  for word in words:
    assert word in result.stderr, result.stderr


def strict_json(text: str) -> Any:
  """Reads JSON; NaN and infinities are errors."""

  def refuse(constant):
    raise ValueError(f"{constant} is not JSON")

  return json.loads(text, parse_constant=refuse)


def lines(path: pathlib.Path) -> list[dict[str, Any]]:
  """The rows of a file of JSON lines, but for the speed, which is another every time."""
  return [{key: value for key, value in strict_json(line).items() if key != "steps_per_sec"}
          for line in path.read_text().splitlines()]


def arrays(folder: pathlib.Path, step: int) -> dict[str, np.ndarray]:
  """All arrays of a checkpoint by their path."""
  tree, _ = checkpoints.read_checkpoint(folder, step=step)
  found = {}

  def walk(node, path):
    for name, value in node.items():
      if isinstance(value, dict):
        walk(value, f"{path}/{name}")
      elif value is not None:
        found[f"{path}/{name}"] = value

  walk(tree, "")
  return found


def assert_same_arrays(folder: pathlib.Path, other: pathlib.Path, step: int) -> None:
  """Two runs saved the same arrays at a step, bit by bit."""
  mine, theirs = arrays(folder, step), arrays(other, step)
  assert mine.keys() == theirs.keys()
  for name, array in mine.items():
    np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def assert_same_summary(folder: pathlib.Path, other: pathlib.Path) -> None:
  """Two runs have the same summary, but for what it tells of time."""
  summaries = [summary(each) for each in (folder, other)]
  for found in summaries:
    assert found.pop("wall_seconds") > 0 and found.pop("steps_per_second") > 0
  assert summaries[0] == summaries[1]


def assert_same_run(folder: pathlib.Path, other: pathlib.Path, step: int) -> None:
  """Two runs left the same behind, bit by bit, but for what they tell of time."""
  assert lines(folder / "metrics.jsonl") == lines(other / "metrics.jsonl")
  assert_same_summary(folder, other)
  assert_same_arrays(folder, other, step)


def summary(folder: pathlib.Path) -> dict[str, Any]:
  """The summary of a run."""
  return strict_json((folder / "summary.json").read_text())


def kill(command: Command, saved: pathlib.Path) -> None:
  """Kills a command as soon as the checkpoint is there."""
  wait_until(saved.exists, command)
  command.send(signal.SIGKILL)
  assert command.wait().status == -signal.SIGKILL
