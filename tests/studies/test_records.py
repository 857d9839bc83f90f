"""What is kept of a run, and for which run it stands."""

import json

from studies import records

_JOB = records.Job("er-500", None, ("--config=recipe:er", "--config.data.dir=/mine"), {"a.png": "er.png"})


def _kept(tmp_path, summary):
  run = tmp_path / "run"
  run.mkdir()
  (run / "a.png").write_text("picture")
  kept = records.Records(tmp_path / "page.md")
  return kept, kept.write(_JOB, run, summary)


def test_a_record_stands_for_runs_with_the_same_options(tmp_path):
  summary = {"step": 3, "heads": {"working": [1.5, None]}, "of": f"{tmp_path}/er-200"}
  kept, noted = _kept(tmp_path, summary)
  summary["of"] = "{runs}/er-200"  # Wherever that was.
  assert kept.read(_JOB) == noted == summary
  text = (tmp_path / "page" / "er-500.json").read_text()
  assert "/mine" not in text and json.loads(text)["job"]["options"] == ["--config=recipe:er"]
  assert (tmp_path / "er.png").read_text() == "picture"
  assert kept.read(_JOB._replace(options=("--config=recipe:er", "--config.data.dir=/yours"))) == summary
  assert kept.read(_JOB._replace(options=("--config=recipe:er", "--config.batch_size=1"))) is None
  assert kept.read(_JOB._replace(steps=5)) is None
  assert kept.read(_JOB._replace(name="er-200")) is None
  (tmp_path / "er.png").unlink()
  assert kept.read(_JOB) is None


def test_large_arrays_are_left_out(tmp_path):
  _, noted = _kept(tmp_path, {"few": [[1.0] * 50] * 100, "more": {"many": [[1.0] * 50] * 101, "one": 1}})
  assert noted == {"few": [[1.0] * 50] * 100, "more": {"one": 1}}
  assert list((tmp_path / "page").iterdir()) == [tmp_path / "page" / "er-500.json"]


def test_a_damaged_record_stands_for_nothing(tmp_path):
  kept, _ = _kept(tmp_path, {"step": 3})
  for text in ("", "[]", '{"job": 1}', '{"summary": {}}'):
    (tmp_path / "page" / "er-500.json").write_text(text)
    assert kept.read(_JOB) is None
