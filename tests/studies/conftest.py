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

    def call(job, folder, log, cores):
      del log, cores
      assert job.name not in jobs  # No two have the same name.
      jobs[job.name] = job
      left = folder / job.name
      left.mkdir()
      for picture in job.pictures:
        (left / picture).write_text(job.name)
      found = {"step": job.steps or 1} | summary(job)
      (left / "summary.json").write_text(json.dumps(found))
      (left / "config.json").write_text(json.dumps({"training_steps": found["step"]}))
      rows = [{"split": split, "accuracy": 0.5} for split in job.logged]
      (left / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
      return 0

    monkeypatch.setattr(runs, "_call", call)
    assert study.main([f"--page={page}", f"--runs={tmp_path / 'runs'}", *flags]) == 0
    return jobs, page.read_text(encoding="utf-8").splitlines()

  return make
