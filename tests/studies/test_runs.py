"""When a study takes a run for done."""

import json

from studies import runs


def _run(folder, summary, config='{"training_steps": 400}'):
  folder.mkdir()
  (folder / "summary.json").write_text(summary)
  if config is not None:
    (folder / "config.json").write_text(config)
  return folder


def test_a_run_is_done_that_has_made_all_its_steps(tmp_path):
  whole = json.dumps({"step": 400, "heads": 1})
  done = _run(tmp_path / "done", whole)
  assert runs.finished(done, None) == runs.finished(done, 400) == json.loads(whole)
  assert runs.finished(done, 500) is None
  for number, (summary, config) in enumerate([
      ('{"step": 5}', '{"training_steps": 400}'), ('{"step": 4', '{"training_steps": 400}'),
      ("[]", '{"training_steps": 400}'), (whole, None)]):
    assert runs.finished(_run(tmp_path / str(number), summary, config), None) is None
  assert runs.finished(tmp_path / "nowhere", 5) is None
