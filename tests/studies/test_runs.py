"""When a study takes a run for done, and with which folders it goes on."""

import json

import pytest

from studies import records
from studies import runs

_JOB = records.Job("run", None, ("--config=recipe:er", "--config.data.dir=/mine"))
_WHOLE = json.dumps({"step": 400, "heads": 1})


def _left(folder, summary=_WHOLE, config='{"training_steps": 400}', options=_JOB.options):
  """What a run leaves in the folder of a study, begun by it."""
  begun = _JOB._replace(options=options)
  runs._begin(begun, folder)
  (folder / "run").mkdir()
  (folder / "run/summary.json").write_text(summary)
  if config is not None:
    (folder / "run/config.json").write_text(config)
  return folder


def test_a_run_is_done_that_has_made_all_its_steps(tmp_path):
  folder = _left(tmp_path)
  assert runs.finished(_JOB, folder) == runs.finished(_JOB._replace(steps=400), folder) == json.loads(_WHOLE)
  assert runs.finished(_JOB._replace(steps=500), folder) is None
  assert runs.finished(_JOB._replace(name="nowhere"), folder) is None


@pytest.mark.parametrize("summary, config", [
    ('{"step": 5}', '{"training_steps": 400}'), ('{"step": 4', '{"training_steps": 400}'),
    ("[]", '{"training_steps": 400}'), (_WHOLE, None)])
def test_a_run_is_not_done(tmp_path, summary, config):
  assert runs.finished(_JOB, _left(tmp_path, summary, config)) is None


def test_a_folder_with_other_options_is_neither_taken_nor_gone_on_with(tmp_path, monkeypatch):
  monkeypatch.setattr(runs, "_call", lambda *_: pytest.fail("a run was started"))
  folder = _left(tmp_path)
  elsewhere = _JOB._replace(options=("--config=recipe:er", "--config.data.dir=/yours"))
  assert runs.run_all([elsewhere], folder, num_processes=1) == {"run": json.loads(_WHOLE)}
  other = _JOB._replace(options=("--config=recipe:der",))
  assert runs.finished(other, folder) is None
  with pytest.raises(runs.OtherRun, match="run was not begun by this study with the options it has now"):
    runs.run_all([other], folder, num_processes=1)
  # Made by hand: nobody knows with which options.
  (folder / "run.options.json").unlink()
  with pytest.raises(runs.OtherRun, match="remove it, or name another folder with --runs"):
    runs.run_all([_JOB], folder, num_processes=1)


def test_what_is_wanted_of_the_metrics(tmp_path):
  folder, job = _left(tmp_path), _JOB._replace(logged=("valid",))
  assert runs.finished(job, folder) is None
  rows = [{"split": "valid", "step": 200}, {"split": "valid", "step": 400}, {"split": "test", "step": 400}]
  (folder / "run/metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
  assert runs.finished(job, folder) == json.loads(_WHOLE) | {"logged": {"valid": rows[1]}}
