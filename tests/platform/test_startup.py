"""What can go wrong before the first device is looked for, in a program of its own."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from socialized_learning.platform import startup
from socialized_learning.platform.errors import UserError

_PROGRAM = """
import sys
from ml_collections import config_dict
from socialized_learning.platform import signals, startup
signals.start(signals.exit_at_once)
startup._SILENCE, startup._PATIENCE = 0.5, int(sys.argv[3])
startup.join_processes(config_dict.create(
    num_processes=2, process_id=int(sys.argv[1]), coordinator=sys.argv[2]))
"""


@pytest.fixture(name="start")
def _start():
  """(process id, seconds) -> the program and HOST:PORT; ended with the test."""
  started = []

  def start(process_id, patience):
    with socket.socket() as free:
      free.bind(("127.0.0.1", 0))
      address = f"127.0.0.1:{free.getsockname()[1]}"
    started.append(subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(process_id), address, str(patience)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    return started[-1], address

  yield start
  for program in started:
    program.kill()
    program.communicate()


@pytest.mark.parametrize("process_id", [0, 1])
def test_the_patience_ends(start, process_id):
  program, address = start(process_id, 2)
  told, error = program.communicate(timeout=120)
  assert told == f"waiting for the 2 processes to meet at {address}, up to 2 s\n"
  assert error == (f"error: waited 2 s for the 2 processes to meet at {address}: start all of them, "
                   "with the same distributed.coordinator\n")
  assert program.returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_who_waits_can_be_stopped(start, number):
  program, _ = start(0, 300)
  assert program.stdout.readline().startswith("waiting for")
  program.send_signal(number)
  assert program.communicate(timeout=60)[1].startswith("stopped; ") and program.returncode == 130


def test_a_port_that_is_taken():
  with socket.socket() as other:
    other.bind(("127.0.0.1", 0))
    port = other.getsockname()[1]
    other.listen()
    with pytest.raises(UserError, match=f"cannot listen at port {port} .*: choose another port"):
      startup._check_port(port)
  startup._check_port(port)


def test_a_port_that_a_run_has_just_left():
  with socket.socket() as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As JAX's does.
    server.bind(("127.0.0.1", 0))
    server.listen()
    with socket.create_connection(server.getsockname()):
      server.accept()[0].close()  # It waits for late packets: TIME_WAIT.
    port = server.getsockname()[1]
  startup._check_port(port)


def test_settings_of_jax_that_cannot_be():
  program = ("from socialized_learning.platform import errors, startup\n"
             "try:\n  startup.load_jax()\nexcept errors.UserError as error:\n  print(error)")
  result = subprocess.run(
      [sys.executable, "-c", program], capture_output=True, text=True, check=True,
      env=os.environ | {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "soon"})
  assert result.stdout.startswith("an environment variable cannot be used, JAX says: Invalid value")
