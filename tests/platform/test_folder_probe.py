"""What a run's folder can do is tried before the first step, and nothing of the trial is left."""

import errno
import os
import pathlib

import pytest

from socialized_learning.platform import checkpoint_format
from socialized_learning.platform import folder_probe
from socialized_learning.platform import run_folder
from socialized_learning.platform.errors import UserError


def test_a_folder_that_can_do_all(tmp_path):
  (tmp_path / "config.json").write_text("{}")
  folder_probe.check(run_folder.RunFolder(tmp_path))
  assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_name_that_is_not_utf_8(tmp_path):
  folder = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
  folder.mkdir()
  with pytest.raises(UserError, match="no checkpoint can be written .*use a --workdir with another name"):
    folder_probe.check(run_folder.RunFolder(folder))
  assert not any(folder.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.ENAMETOOLONG])
def test_what_the_system_says(tmp_path, monkeypatch, number):
  def refuse(path, *_):
    raise UserError(f"cannot write {path}: {os.strerror(number)}")

  monkeypatch.setattr(checkpoint_format, "write_step", refuse)
  with pytest.raises(UserError) as told:
    folder_probe.check(run_folder.RunFolder(tmp_path))
  assert str(told.value) == f"cannot write in run folder {tmp_path}: {os.strerror(number)}"
  assert not any(tmp_path.iterdir())
