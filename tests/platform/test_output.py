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
