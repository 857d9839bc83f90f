"""The command line as a user meets it: what it refuses, what it leaves, and how it goes on."""

import json
import re
import shutil
import signal
import socket
import zlib

import jax
import numpy as np
import pytest

from socialized_learning.configs import lewis_config
from socialized_learning.platform import begin
from socialized_learning.platform import checkpoints
from socialized_learning.platform import numerics
from socialized_learning.platform import run_folder
from socialized_learning.platform.errors import UserError
from tests.experiments import cli
from tests.platform import toy

# Options of a run for all tests of stopping and going on: what is logged, validated and saved never coincides.
_STEPS = 120
# All that is random or occasional in a population happens in it.
_RUN = (*cli.EVENTS, "--config.training_steps=120", "--config.log_train_data_interval=20",
        "--config.save_checkpoint_interval=30", "--config.evaluation.interval=30")
_NUM_ITEMS, _NUM_SPEAKERS, _LENGTH, _VOCABULARY = 64, 2, 3, 5  # Of the debug sweep's test split.


@pytest.fixture(name="whole", scope="module")
def _whole(line, tmp_path_factory):
  """Run folders without interruption, by the number of devices."""
  root = tmp_path_factory.mktemp("whole")
  for n in (1, 4):
    result = line.run(*_RUN, f"--workdir={root / str(n)}", devices=n)
    assert result.status == 0 and not result.stderr, result
  return {n: root / str(n) for n in (1, 4)}


def _assert_same_run(folder, other):
  """Two runs left the same behind, bit by bit, but for what they tell of time."""
  assert (folder / "messages.jsonl").read_bytes() == (other / "messages.jsonl").read_bytes()
  cli.assert_same_run(folder, other, _STEPS)


def _assert_close(mine, theirs):
  """The same arrays, up to the order in which the gradients of 16 games are added."""
  assert mine.keys() == theirs.keys()
  for name, array in mine.items():
    np.testing.assert_allclose(array, theirs[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_interrupted_before_training(line, tmp_path):
  command = line.start(f"--workdir={tmp_path / 'run'}")
  cli.wait_until((tmp_path / "run/config.json").exists, command)
  command.send(signal.SIGTERM)
  result = command.wait()
  assert result.status == 130 and "Traceback" not in result.stderr, result


def test_run_folder(whole):
  folder = whole[1]
  assert {path.name for path in folder.iterdir()} == {
      ".lock", "checkpoints", "config.json", "messages.jsonl", "metrics.jsonl", "summary.json",
      "tensorboard"}
  config = cli.strict_json((folder / "config.json").read_text())
  assert config["training_steps"] == _STEPS and config["data"]["name"] == "dummy"
  assert [checkpoints.fmt.list_steps(folder, "latest"), len(checkpoints.fmt.list_steps(
      folder, "best"))] == [[60, 90, 120], 1]
  assert {path.name for path in (folder / "tensorboard").iterdir()} == {
      "train", "valid", "test", "robustness"}
  assert list(folder.glob("tensorboard/train/events.out.tfevents.*"))


def test_metrics_lines(whole):
  rows = [cli.strict_json(line) for line in (whole[1] / "metrics.jsonl").read_text().splitlines()]
  steps = {split: [row["step"] for row in rows if row["split"] == split]
           for split in ("train", "valid", "test")}
  assert steps == {"train": [20, 40, 60, 80, 100, 120], "valid": [30, 60, 90, 120], "test": [120]}
  for row in rows:
    assert {"loss", "accuracy"} <= row.keys()
    assert ("steps_per_sec" in row) == (row["split"] == "train")


def test_summary(whole):
  for num_devices, folder in whole.items():
    summary = cli.summary(folder)
    assert {key: summary[key] for key in ("experiment", "sweep", "step", "seed", "devices")} == {
        "experiment": "lewis", "sweep": "debug", "step": _STEPS, "seed": 0,
        "devices": num_devices}
    assert summary["wall_seconds"] > 0 and summary["steps_per_second"] > 0
    test = summary["test"]
    assert test["chance"] == 1 / 16 and 0 <= test["accuracy"] <= 1
    assert 0 <= test["accuracy_vote"] <= 1 and 0 <= test["edit_distance"] <= 1
    assert -1 <= test["topographic_similarity"] <= 1


def test_messages(whole):
  rows = cli.lines(whole[1] / "messages.jsonl")
  assert [(row["id"], row["speaker"]) for row in rows] == [
      (item, speaker) for item in range(_NUM_ITEMS) for speaker in range(_NUM_SPEAKERS)]
  for row in rows:
    assert row["name"].startswith("shape ") and len(row["message"]) == _LENGTH
    assert all(type(symbol) is int and 0 <= symbol < _VOCABULARY for symbol in row["message"])


def test_four_devices_learn_what_one_learns(whole):
  _assert_close(cli.arrays(whole[1], 60), cli.arrays(whole[4], 60))


def _has_lines(folder, split):
  metrics = folder / "metrics.jsonl"
  return metrics.exists() and f'"split": "{split}"' in metrics.read_text()


@pytest.mark.parametrize("devices", [1, 4])
def test_killed_and_resumed(line, whole, tmp_path, devices):
  # In different moments: when a line has been written, and when a checkpoint has been.
  start = lambda: line.start(*_RUN, f"--workdir={tmp_path}", devices=devices)
  for condition in (lambda: _has_lines(tmp_path, "train"),
                    (tmp_path / "checkpoints/latest/60").exists)[devices == 4:]:
    command = start()
    cli.wait_until(condition, command)
    command.send(signal.SIGKILL)
    assert command.wait().status == -signal.SIGKILL
  result = start().wait()
  assert result.status == 0 and "resumed at step 60)" in result.stdout, result
  _assert_same_run(tmp_path, whole[devices])
  cli.assert_same_arrays(tmp_path, whole[devices], 90)


@pytest.mark.parametrize("devices, number", [(1, signal.SIGTERM), (4, signal.SIGINT)])
def test_stopped_and_resumed(line, whole, tmp_path, devices, number):
  start = lambda: line.start(*_RUN, f"--workdir={tmp_path}", devices=devices)
  command = start()
  cli.wait_until(lambda: _has_lines(tmp_path, "valid"), command)
  command.send(number)
  result, step = command.wait(), checkpoints.latest_step(tmp_path)
  assert result.status == 130 and not result.stderr and 30 <= step < _STEPS, result
  assert f"stopped at step {step}; the same command with --workdir=" in result.stdout
  result = start().wait()
  assert result.status == 0 and f"resumed at step {step})" in result.stdout, result
  _assert_same_run(tmp_path, whole[devices])


def _two_processes(line, folder, *of_second):
  """Starts the run in two processes of two devices each, the second with options of its own."""
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  return [line.start(*_RUN, f"--workdir={folder}", "--config.distributed.num_processes=2",
                     f"--config.distributed.coordinator=127.0.0.1:{port}",
                     f"--config.distributed.process_id={index}", *others, devices=2)
          for index, others in enumerate([(), of_second])]


def test_two_processes_are_one_run(line, whole, tmp_path):
  folder = tmp_path / "run"
  processes = _two_processes(line, folder)
  cli.wait_until(lambda: _has_lines(folder, "train"), processes[0])
  processes[1].send(signal.SIGTERM)  # Told to one, done by both.
  results = [process.wait() for process in processes]
  step = checkpoints.latest_step(folder)
  assert [result.status for result in results] == [130, 130] and 20 <= step < _STEPS, results
  results = [process.wait() for process in _two_processes(line, folder)]
  assert [result.status for result in results] == [0, 0], results
  assert f"resumed at step {step}" in results[0].stdout
  assert "run:" not in results[1].stdout  # The first speaks for both.
  summaries = [cli.summary(f) for f in (folder, whole[4])]
  assert summaries[0]["devices"] == 4
  assert summaries[0]["test"] == pytest.approx(summaries[1]["test"], rel=1e-4)
  _assert_close(cli.arrays(folder, 60), cli.arrays(whole[4], 60))


# Options of the second process -> what the first says, and the second.
_OF_TWO_MINDS = {
    "--config.target_decay=0.5": ("process 1 has another configuration", "process 1 has another"),
    "--config.message.length=0": ("process 1 could not begin", "length=0"),
}


@pytest.mark.parametrize("option", _OF_TWO_MINDS)
def test_two_processes_that_differ_do_not_begin(line, tmp_path, option):
  folder = tmp_path / "run"
  processes = _two_processes(line, folder, option)
  for process, word in zip(processes, _OF_TWO_MINDS[option], strict=True):
    cli.assert_refused(process.wait(), word)
  assert not (folder / "metrics.jsonl").exists()


def test_a_folder_that_only_one_process_sees(tmp_path, monkeypatch):
  monkeypatch.setattr(begin, "_SEEN_AFTER", 0.2)
  folder = run_folder.RunFolder.open(tmp_path)
  assert "give a --workdir that all processes see" in str(begin._not_seen(folder))
  folder.write_json("config.json", {})
  assert begin._not_seen(folder) is None


def test_processes_of_different_modes_differ():
  config = lewis_config.get_config("debug")
  assert begin._plan(config, "train") == begin._plan(config, "train") != begin._plan(config, "eval")


def test_a_run_that_was_never_saved_may_be_saved_more_often(tmp_path):
  folder, config = run_folder.RunFolder.open(tmp_path), lewis_config.get_config("debug")
  folder.write_jsonl("metrics.jsonl", [{"step": 5, "split": "train"}])
  config.save_checkpoint_interval = 2
  begin._check_progress(folder, config, {"save_checkpoint_interval": 10})
  with pytest.raises(UserError, match="up to step 5, but no checkpoint"):
    begin._check_progress(folder, config, {"save_checkpoint_interval": 4})


def test_finished_run_is_evaluated_again(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  (folder / "summary.json").unlink()
  result = line.run(*_RUN, f"--workdir={folder}")
  assert result.status == 0 and f"resumed at step {_STEPS}" in result.stdout, result
  _assert_same_run(folder, whole[1])
  again = line.run(*_RUN, f"--workdir={folder}", "--jaxline_mode=eval",
                   "--config.evaluation.transfer=dummy")
  assert again.status == 0, again
  found = cli.summary(folder)
  assert found["transfer"]["accuracy"] == found["test"]["accuracy"]


def test_evaluation(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  latest = cli.summary(folder)
  options = (*_RUN, f"--workdir={folder}", "--jaxline_mode=eval")
  for name in ("summary.json", "messages.jsonl"):
    (folder / name).unlink()
  assert line.run(*options).status == 0
  assert cli.summary(folder) == latest
  _assert_same_run(folder, whole[1])
  assert line.run(*options, "--config.evaluation.checkpoint=best").status == 0
  best = cli.summary(folder)
  valid = [row for row in cli.lines(folder / "metrics.jsonl") if row["split"] == "valid"]
  top = max(valid, key=lambda row: row["accuracy"])
  assert best["evaluated"] == {"checkpoint": "best", "step": top["step"]}
  assert best["valid"]["accuracy"] == top["accuracy"] and best["step"] == _STEPS
  shutil.rmtree(folder / "checkpoints/best")
  cli.assert_refused(line.run(*options, "--config.evaluation.checkpoint=best"), "no 'best' checkpoint")


def test_damaged_run_folder(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  options = (*_RUN, f"--workdir={folder}")
  config, metrics = folder / "config.json", folder / "metrics.jsonl"
  before = config.read_text()
  cli.assert_refused(line.run(*options, "--config.message.length=4"), "message.length=3, now 4", "new --work")
  config.write_text(before[:100])
  cli.assert_refused(line.run(*options), "config.json is not JSON")
  config.write_text("[1]")
  cli.assert_refused(line.run(*options), "does not hold a configuration", "restore it")
  config.unlink()
  for mode in ("train", "eval"):
    cli.assert_refused(line.run(*options, f"--jaxline_mode={mode}"), "no config.json", "restore it")
  config.write_text(before)
  cli.assert_refused(line.run(*options, "--config.training_steps=60"), "has made 120 already")
  metrics.write_text("{half\n" + metrics.read_text())
  cli.assert_refused(line.run(*options), "metrics.jsonl, line 1")


def _as_version_0_1_0(folder):
  """Takes from a run folder what version 0.1.0 did not write, and the last checkpoint."""
  shutil.rmtree(folder / "checkpoints/latest/120")
  config = cli.strict_json((folder / "config.json").read_text())
  del config["format"], config["version"], config["message"]["variable_length"], config["channel"]
  (folder / "config.json").write_text(json.dumps(config))
  for checkpoint in (folder / "checkpoints").glob("*/*"):
    path = checkpoint / "info/metadata"
    info = json.loads(path.read_text())
    info["meta"] = {name: info["meta"][name] for name in ("wall_seconds", "steps_per_second", "data_fingerprint")}
    path.write_text(json.dumps(info))
    sums = json.loads((checkpoint / "checksums.json").read_text())
    sums["info/metadata"] = zlib.crc32(path.read_bytes())
    (checkpoint / "checksums.json").write_text(json.dumps(sums))


def test_a_run_of_an_earlier_version_is_resumed(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  config = (folder / "config.json").read_bytes()
  _as_version_0_1_0(folder)
  result = line.run(*_RUN, f"--workdir={folder}")
  assert result.status == 0 and "resumed at step 90)" in result.stdout and "note" not in result.stdout, result
  _assert_same_run(folder, whole[1])
  assert (folder / "config.json").read_bytes() == config  # Of this version again.


def test_what_a_checkpoint_keeps(whole):
  meta = checkpoints.read_info(whole[4])["meta"]
  assert meta["settings"].keys() == numerics.settings().keys()
  assert meta["settings"]["JAX_THREEFRY_PARTITIONABLE"] is True
  assert meta["software"]["jax"] == jax.__version__ and meta["software"]["devices"] == 4
  assert meta["config"] == cli.strict_json((whole[4] / "config.json").read_text())
  held = (whole[4] / "metrics.jsonl").read_bytes()[:meta["metrics"]["bytes"]]
  assert json.loads(held.splitlines()[-1])["step"] == 120 and zlib.crc32(held) == meta["metrics"]["crc32"]


def test_nothing_of_others_is_overwritten(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  options = (*_RUN, f"--workdir={folder}")
  before = (folder / "metrics.jsonl").read_bytes()
  shutil.rmtree(folder / "checkpoints")
  cli.assert_refused(line.run(*options), "metrics up to step 120, but no checkpoint", "restore it")
  (folder / "config.json").unlink()
  cli.assert_refused(line.run(*options), "holds metrics.jsonl and summary.json", "no config.json")
  assert (folder / "metrics.jsonl").read_bytes() == before


def test_damaged_checkpoint(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  options = (*_RUN, f"--workdir={folder}")
  newest = folder / "checkpoints/latest/120"
  victim = max(newest.rglob("*"), key=lambda path: path.stat().st_size)
  content = bytearray(victim.read_bytes())
  content[len(content) // 2] ^= 1
  victim.write_bytes(content)
  for mode in ("train", "eval"):
    cli.assert_refused(line.run(*options, f"--jaxline_mode={mode}"), "latest/120 is damaged",
             "delete that folder to go on from step 90")
  shutil.rmtree(newest)
  assert line.run(*options).status == 0
  _assert_same_run(folder, whole[1])


def test_foreign_checkpoint(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  options = (*_RUN, f"--workdir={folder}")
  config = cli.strict_json((folder / "config.json").read_text())
  config["speaker"]["core"]["hidden_size"] = 9
  (folder / "config.json").write_text(json.dumps(config))
  cli.assert_refused(line.run(*options, "--config.speaker.core.hidden_size=9"), "speaker.core.hidden_size=8, now 9",
           "new --workdir")
  toy.held(folder, {"w": np.ones(3)}, 200, experiment_name="chess").save("latest")
  shutil.copy(whole[1] / "config.json", folder)
  cli.assert_refused(line.run(*options, "--config.training_steps=200"), "was made by chess, this is lewis", "new --workdir")


def _diverging(folder):
  """Options of a run of one pair that is soon beyond all numbers."""
  return ("--config.training_steps=40", "--config.save_checkpoint_interval=2",
          "--config.evaluation.interval=2", "--config.log_train_data_interval=2", "--config.speaker_optimiser.name=sgd",
          "--config.speaker_optimiser.learning_rate=1000", "--config.population.num_pairs=1",
          "--config.population.num_speakers=1", "--config.population.num_listeners=1",
          f"--workdir={folder}")


def test_numbers_that_are_not_finite(line, tmp_path):
  options = _diverging(tmp_path / "run")
  result = line.run(*options)
  assert result.status == 3 and result.stderr.count("\n") == 1, result
  told = re.match(r"error: \w+ is (nan|-?inf) at step (\d): .*in the state then \S+/params/", result.stderr)
  saved = checkpoints.latest_step(tmp_path / "run")
  assert told and 2 <= saved == int(told[2]) // 2 * 2, result  # The step before it was saved.
  again = line.run(*options)
  assert (again.status, again.stderr) == (3, result.stderr) and (
      f"at step {saved})" in again.stdout)


def test_constant_messages_of_one_pair(line, tmp_path):
  folder = tmp_path / "run"
  options = _diverging(folder)
  assert line.run(*options).status == 3
  result = line.run(*options, "--jaxline_mode=eval")  # The last good checkpoint.
  assert result.status == 0 and not result.stderr, result
  assert len({tuple(row["message"]) for row in cli.lines(folder / "messages.jsonl")}) == 1
  summary = cli.summary(folder)
  assert summary["step"] >= 2 and 0 <= summary["test"]["accuracy"] <= 1
  assert summary["test"]["topographic_similarity"] is None
  assert summary["test"]["topographic_similarity_undefined"] == 1
  assert summary["test"]["edit_distance"] is None and summary["test"]["message_entropy"] == 0


def _threaded(*options):
  """Starts a run that is validated in a second thread."""
  return cli.spawn("--jaxline_mode=train_eval_multithreaded", *options)


def test_validation_in_a_second_thread(tmp_path):
  good, bad, worse = (tmp_path / name for name in ("good", "bad", "worse"))
  (bad / "checkpoints").mkdir(parents=True)
  # The second thread cannot save there, which shows only when it does.
  (bad / "checkpoints/best").symlink_to(tmp_path / "unmounted")
  processes = [_threaded(*cli.EVENTS, f"--workdir={good}"),
               _threaded(*cli.EVENTS, f"--workdir={bad}", "--config.training_steps=1000000"),
               _threaded(*_diverging(worse))]
  results = cli.ends(processes)
  assert results[0].status == 0, results[0]
  valid = [row for row in cli.lines(good / "metrics.jsonl") if row["split"] == "valid"]
  assert valid[-1]["step"] == 20 and checkpoints.latest_step(good, "best") in (10, 20)
  cli.assert_refused(results[1], "cannot write checkpoint", "best")
  assert checkpoints.latest_step(bad) < 1_000_000
  assert results[2].status == 3 and " at step " in results[2].stderr, results[2]
