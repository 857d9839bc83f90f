"""Studies with made-up runs."""

import json

import pytest

from studies import runs


@pytest.fixture(name="made_up")
def _made_up(monkeypatch, tmp_path):
  """(study, summary, *flags) -> (jobs by name, lines of the page); summary(job) makes one up.

  A run leaves its pictures, with its name in them.
  """

  def make(study, summary, *flags):
    jobs, page = {}, tmp_path / "page.md"

    def run(job, folder, shares, kept):
      del shares
      assert job.name not in jobs  # No two have the same name.
      jobs[job.name] = job
      runs._begin(job, folder)
      left = folder / job.name
      left.mkdir(parents=True, exist_ok=True)
      for picture in job.pictures:
        (left / picture).write_text(job.name)
      (left / "summary.json").write_text(json.dumps({"step": 1} | summary(job)))
      (left / "config.json").write_text('{"training_steps": 1}')
      return runs.found(job, folder, kept)

    monkeypatch.setattr(runs, "_run", run)
    assert study.main([f"--page={page}", f"--runs={tmp_path / 'runs'}", *flags]) == 0
    return jobs, page.read_text(encoding="utf-8").splitlines()

  return make
