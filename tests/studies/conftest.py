"""Studies with made-up runs."""

import pytest

from studies import runs


@pytest.fixture(name="made_up")
def _made_up(monkeypatch, tmp_path):
  """(study, summary, *flags) -> (jobs by name, lines of the page); summary(job) makes one up.

  A run leaves the pictures that some runs leave, with the run's name in them.
  """

  def make(study, summary, *flags):
    jobs, page = {}, tmp_path / "page.md"

    def run_all(asked, folder, *, num_processes):
      del num_processes
      jobs.update((job.name, job) for job in asked)
      assert len(jobs) == len(asked)  # No two have the same name.
      for job in asked:
        (folder / job.name).mkdir(parents=True, exist_ok=True)
        for picture in ("accuracy_matrix.png", "sparsity.png"):
          (folder / job.name / picture).write_text(job.name)
      return {job.name: summary(job) for job in asked}

    monkeypatch.setattr(runs, "run_all", run_all)
    assert study.main([f"--page={page}", f"--runs={tmp_path / 'runs'}", *flags]) == 0
    return jobs, page.read_text(encoding="utf-8").splitlines()

  return make
