"""metrics.jsonl, TensorBoard events and the console, all from `write_scalars`."""

import io
import json
import os
import pathlib
import subprocess
import sys
import threading

import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning.platform import progress
from socialized_learning.platform.errors import UserError
from socialized_learning.platform.run_folder import RunFolder
from socialized_learning.platform.writers import check_metrics
from socialized_learning.platform.writers import ExperimentWriter
from socialized_learning.platform.writers import read_metrics
from socialized_learning.platform.writers import RunWriter
from tests.platform import event_files


@pytest.fixture(name="folder")
def _folder(tmp_path):
  return RunFolder.open(tmp_path)


def _write(folder, steps, **kwargs):
  writer = RunWriter(folder, tensorboard=False, **kwargs)
  writer.state()  # Opens the file.
  for step in steps:
    writer.write_scalars(step, {"loss": 1 / step, "valid/loss": 2 / step})
  writer.close()


def test_one_line_per_step_and_split(folder):
  writer = RunWriter(folder, tensorboard=False)
  writer.write_scalars(np.int64(5), {
      "loss": jnp.float32(0.5), "valid/accuracy": np.float32(0.25), "bad": float("nan"),
      "per_agent": np.array([1., np.inf]), "valid/speaker/entropy": 3, "steps_per_sec": 7.5})
  expected = [
      {"step": 5, "split": "train", "loss": 0.5, "bad": None, "per_agent": [1., None],
       "steps_per_sec": 7.5},
      {"step": 5, "split": "valid", "accuracy": 0.25, "speaker/entropy": 3}]
  text = folder.metrics.read_text()  # Readable before the writer is closed.
  assert "NaN" not in text and "Infinity" not in text
  assert [json.loads(line) for line in text.splitlines()] == expected
  writer.for_split("test").write_scalars(6, {"accuracy": 1, "ood/accuracy": 2})
  writer.flush()
  assert read_metrics(folder)[2:] == [{"step": 6, "split": "test", "accuracy": 1},
                                      {"step": 6, "split": "ood", "accuracy": 2}]
  with pytest.raises(ValueError, match="cannot be called split"):
    writer.write_scalars(7, {"split": 1})
  writer.close()


def test_resumed_file_equals_uninterrupted(tmp_path):
  whole, parts = RunFolder.open(tmp_path / "whole"), RunFolder.open(tmp_path / "parts")
  _write(whole, range(1, 9), resume_step=0)
  _write(parts, range(1, 7), resume_step=0)
  with parts.metrics.open("a") as file:
    file.write('{"step": 7, "split": "tr')  # Killed here; the last checkpoint is of step 4.
  _write(parts, range(5, 9), resume_step=4)
  assert parts.metrics.read_bytes() == whole.metrics.read_bytes()


@pytest.mark.parametrize("resume_step, steps", [
    (None, [1, 2, 3]), (0, []), (2, [1, 2]), (9, [1, 2, 3])])
def test_what_resuming_keeps(folder, resume_step, steps):
  _write(folder, [1, 2, 3])
  _write(folder, [], resume_step=resume_step)
  assert [row["step"] for row in read_metrics(folder) if row["split"] == "train"] == steps


def test_torn_last_line(folder):
  _write(folder, [1])
  complete = folder.metrics.read_bytes()
  for torn in (b'{"step"', b"\xff\n", b"7"):
    folder.metrics.write_bytes(complete + torn)
    assert len(read_metrics(folder)) == 2
    _write(folder, [])
    assert folder.metrics.read_bytes() == complete
  folder.metrics.write_bytes(complete[:-1])  # Only the line feed is missing.
  _write(folder, [])
  assert folder.metrics.read_bytes() == complete
  folder.metrics.write_bytes(b"{}\n" + complete)
  with pytest.raises(UserError, match="metrics.jsonl, line 1, is not a line of metrics"):
    RunWriter(folder)


def test_a_run_that_is_refused_leaves_the_lines_as_they_were(folder):
  _write(folder, [1, 2, 3])
  before = folder.metrics.read_bytes() + b'{"torn'
  folder.metrics.write_bytes(before)
  RunWriter(folder, resume_step=1).close()
  assert folder.metrics.read_bytes() == before and not folder.tensorboard.exists()


def test_lines_that_a_checkpoint_was_saved_after(folder):
  writer = RunWriter(folder, tensorboard=False)
  states = {}
  for step in range(3):  # The first is saved before there is a line.
    states[step] = writer.state()
    writer.write_scalars(step + 1, {"loss": 1.0})
  writer.close()
  assert states[0] == {"bytes": 0, "crc32": 0}
  resumed = RunWriter(folder, tensorboard=False, resume_step=2)
  assert resumed.state() == states[2]  # Line 3 is dropped first.
  resumed.close()
  lines = folder.metrics.read_bytes().splitlines(keepends=True)
  for held in (lines, lines + [b'{"step": 2, "split": "test"}\n'], lines + [b'{"torn']):
    folder.metrics.write_bytes(b"".join(held))
    check_metrics(folder, states[2], 2)
  check_metrics(folder, None, 2)  # Of a version that kept no state.
  for held in (lines[:1], lines[1:], lines[::-1], [], [lines[0], lines[1].replace(b"1.0", b"9.0")]):
    folder.metrics.write_bytes(b"".join(held))
    check_metrics(folder, states[0], 0)
    with pytest.raises(UserError, match="metrics.jsonl has lost or changed lines .* of step 2 was saved"):
      check_metrics(folder, states[2], 2)
  folder.metrics.unlink()
  with pytest.raises(UserError, match="lost or changed lines"):
    check_metrics(folder, states[2], 2)


def test_a_pipe_is_not_waited_for(folder):
  os.mkfifo(folder.metrics)
  for read in (RunWriter, read_metrics, lambda f: check_metrics(f, {"bytes": 1, "crc32": 0}, 1)):
    with pytest.raises(UserError, match="cannot read .*metrics.jsonl: Not a regular file"):
      read(folder)


def test_unwritable(folder):
  folder.metrics.mkdir()
  with pytest.raises(UserError, match="cannot read .*metrics.jsonl: Is a directory"):
    RunWriter(folder, tensorboard=False)


def test_only_process_zero_writes(folder):
  _write(folder, [1, 2])
  before = folder.metrics.read_bytes()
  writer = RunWriter(folder, resume_step=0, process_index=1)
  writer.write_scalars(3, {"loss": 1})
  writer.close()
  assert folder.metrics.read_bytes() == before and not folder.tensorboard.exists()


def test_threads_do_not_mix_lines(folder):
  writer = RunWriter(folder, tensorboard=False)
  threads = [threading.Thread(target=lambda split=split: [
      writer.for_split(split).write_scalars(step, {"x": list(range(50))}) for step in range(50)])
             for split in ("train", "valid")]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert len(read_metrics(folder)) == 100


def _points(folder, split):
  return event_files.points(folder.tensorboard / split)


def test_tensorboard(folder):
  writer = RunWriter(folder, resume_step=4)
  writer.write_scalars(5, {"loss": jnp.float32(0.5), "bad": np.nan, "many": np.ones(3), "name": "x",
                           "valid/accuracy": 1})
  # On disk at once: what is killed here loses nothing.
  assert _points(folder, "train") == [(5, "loss", 0.5)]
  writer.flush()
  writer.close()
  assert _points(folder, "valid") == [(5, "accuracy", 1.)]


def test_an_evaluation_made_again(folder):
  for scalars in ({"accuracy": 0.5}, {"accuracy": 0.5}, {"accuracy": 0.5, "vote": 0.75},
                  {"accuracy": 0.25}):
    writer = RunWriter(folder)
    writer.write_split(3, scalars, "test")
    writer.close()
  assert read_metrics(folder) == [
      {"step": 3, "split": "test", "accuracy": 0.5},
      {"step": 3, "split": "test", "accuracy": 0.5, "vote": 0.75},
      {"step": 3, "split": "test", "accuracy": 0.25}]
  # Another number of the same step, as with other options of the evaluation, is another point.
  assert _points(folder, "test") == [(3, "accuracy", 0.5), (3, "vote", 0.75), (3, "accuracy", 0.25)]


def test_resumed_events_equal_uninterrupted(tmp_path):
  both = {"loss": 0.5, "valid/loss": 0.25}
  folders = [RunFolder.open(tmp_path / name) for name in ("whole", "parts")]
  for folder, parts in zip(folders, [[(0, range(1, 6))], [(0, range(1, 5)), (2, range(3, 6))]]):
    for resume_step, steps in parts:
      writer = RunWriter(folder, resume_step=resume_step)
      for step in steps:
        writer.write_scalars(step, both)
      writer.close()
  assert all(_points(folders[0], split) == _points(folders[1], split) for split in ("train", "valid"))
  # Resumed from step 2 once more without a validation: what was validated later is not shown.
  writer = RunWriter(folders[1], resume_step=2)
  writer.write_scalars(3, {"loss": 0.5})
  assert _points(folders[1], "valid") == [(1, "loss", 0.25), (2, "loss", 0.25)]
  writer.close()


def test_two_writers_within_a_second_do_not_share_a_file(folder):
  writers = [RunWriter(folder) for _ in range(2)]
  for step, writer in enumerate(writers):
    writer.write_scalars(step, {"loss": 0.5})
    writer.close()
  assert _points(folder, "train") == [(0, "loss", 0.5), (1, "loss", 0.5)]


def test_an_experiment_writes_its_own_numbers_only(folder):
  writer = RunWriter(folder, tensorboard=False)
  experiments = ExperimentWriter(writer)
  experiments.write_scalars(1, {"loss": 1.0})  # Jaxline, after a checkpoint.
  experiments.write_now(1, {"test/accuracy": 0.5})
  writer.close()
  assert read_metrics(folder) == [{"step": 1, "split": "test", "accuracy": 0.5}]


def test_no_tensorflow_and_tensorboard_only_when_used():
  program = ("import sys, socialized_learning.platform.writers; "
             "print([m for m in ('tensorflow', 'torch', 'tensorboardX') if m in sys.modules])")
  result = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True,
                          cwd=pathlib.Path(__file__).parents[2], check=True)
  assert result.stdout == "[]\n"


def test_console(folder):
  out = io.StringIO()
  writer = RunWriter(folder, tensorboard=False, progress=progress.Progress(10, file=out))
  writer.write_scalars(5, {"loss": 3.1234, "valid/accuracy": 0.5, "steps_per_sec": 20.})
  writer.close()
  assert out.getvalue() == "step 5/10 · 20 steps/s · loss 3.123\nstep 5/10 · valid · accuracy 0.5\n"


class _NearlyFull(io.RawIOBase):
  """A file on a disk that takes only so much more."""

  def __init__(self, path, room):
    super().__init__()
    self._file, self._room = open(path, "ab", buffering=0), room
    self.seek, self.truncate = self._file.seek, self._file.truncate

  def write(self, data):
    taken = self._file.write(data[:self._room])
    self._room -= taken
    return taken


def test_what_a_full_disk_takes_a_part_of_is_no_line(folder):
  writer = RunWriter(folder, tensorboard=False)
  writer.write_scalars(1, {"loss": 1.0})
  before = folder.metrics.read_bytes()
  writer._file = _NearlyFull(folder.metrics, 10)
  with pytest.raises(UserError, match="cannot write .*metrics.jsonl: No space left"):
    writer.write_scalars(2, {"loss": 2.0})
  assert folder.metrics.read_bytes() == before
  _write(folder, [3])  # There is room again.
  assert [row["step"] for row in read_metrics(folder)] == [1, 3, 3]


def test_looking_on_takes_nothing_away(folder, monkeypatch):
  trains = RunWriter(folder, tensorboard=False)
  trains.write_scalars(1, {"loss": 1.0})
  monkeypatch.setattr(RunFolder, "write_text", lambda *_: pytest.fail("rewritten"))
  looks = RunWriter(folder, tensorboard=False)
  trains.write_scalars(2, {"loss": 2.0})
  looks.write_scalars(1, {"test/accuracy": 0.5})
  assert len(read_metrics(folder)) == 3


def test_events_that_cannot_be_written(folder):
  folder.tensorboard.touch()  # A file where their folder should be.
  writer = RunWriter(folder)
  with pytest.raises(UserError, match="cannot write .*tensorboard"):
    writer.write_scalars(1, {"loss": 1.0})
  writer.close()


@pytest.mark.parametrize("line", ['{"step": "x"}', '{"loss": 1}', "[1]", 100_000 * "["])
def test_lines_that_are_none_of_metrics(folder, line):
  folder.metrics.write_text(f'{line}\n{{"step": 2, "split": "train"}}\n')
  with pytest.raises(UserError, match="line 1, is not a line of metrics"):
    RunWriter(folder, tensorboard=False)
