"""Output that a program outlives: nobody reads it any more, or the disk is full."""

import os
import subprocess
import sys

import pytest

from socialized_learning.platform import output


def _nobody_reads():
  reader, writer = os.pipe()
  os.close(reader)
  return open(writer, "w", encoding="utf-8")


@pytest.mark.parametrize("stream", [_nobody_reads, lambda: open("/dev/full", "w", encoding="utf-8")])
def test_what_cannot_be_written_is_lost(stream):
  lenient = output.Lenient(stream())
  for _ in range(3):
    assert lenient.write("x" * 10_000) == 10_000
    lenient.flush()
  assert lenient.encoding == "utf-8" and not lenient.isatty()
  lenient.close()


def test_what_can_be_written_is_not(tmp_path):
  with open(tmp_path / "file", "w", encoding="utf-8") as file:
    print("said", file=output.Lenient(file), flush=True)
  assert (tmp_path / "file").read_text() == "said\n"


def test_a_program_ends_as_if_it_had_been_read():
  program = subprocess.Popen(
      [sys.executable, "-c", "from socialized_learning.platform import output; output.outlive_readers()\n"
       "import rich.console\n"
       "for _ in range(99): rich.console.Console().print('x' * 60); print('x' * 10_000)"],
      stdout=subprocess.PIPE, stderr=subprocess.PIPE)
  program.stdout.close()
  assert program.stderr.read() == b"" and program.wait() == 0
  program.stderr.close()


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(closed, tmp_path):
  """A file that is opened later does not take the place of one, with what is said in it."""
  program = ("import os, sys\n"
             "from socialized_learning.platform import output\n"
             "output.outlive_readers()\n"
             "file = open('file', 'w'); print('said'); print('said', file=sys.stderr)\n"
             "assert file.fileno() > 2; file.write('kept')")
  status = subprocess.run(
      ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, program], cwd=tmp_path, check=False,
      env=os.environ | {"PYTHONPATH": os.getcwd()}).returncode
  assert status == 0 and (tmp_path / "file").read_text() == "kept"
