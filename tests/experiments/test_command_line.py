"""The command line as a user meets it: what it refuses, what it leaves, and how it goes on."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from socialized_learning.platform import checkpoints
from tests.emcom_datasets import prepared
from tests.experiments import cli
from tests.platform import toy

# Options of a run for all tests of stopping and going on: what is logged, validated and saved never coincides.
_STEPS = 120
_RUN = ("--config.training_steps=120", "--config.log_train_data_interval=20",
        "--config.save_checkpoint_interval=30", "--config.evaluation.interval=30")
_DEVICES = {1: {"devices": 1}, 4: {"devices": 4, "quick": True}}
_NUM_ITEMS, _NUM_SPEAKERS, _LENGTH, _VOCABULARY = 64, 2, 3, 5  # Of the debug sweep's test split.


@pytest.fixture(name="cache", scope="module")
def _cache(tmp_path_factory):
  """Where compiled programs are kept from one command to the next."""
  return tmp_path_factory.mktemp("cache")


@pytest.fixture(name="line", scope="module")
def _line(cache, tmp_path_factory):
  """The command line, in an empty folder."""
  return cli.CommandLine(tmp_path_factory.mktemp("cwd"), cache)


@pytest.fixture(name="whole", scope="module")
def _whole(line, tmp_path_factory):
  """Run folders without interruption, by the number of devices."""
  root = tmp_path_factory.mktemp("whole")
  for command in _start_on_all(line, root).values():
    result = command.wait()
    assert result.status == 0 and not result.stderr, result
  return {n: root / str(n) for n in _DEVICES}


def _start_on_all(line, folder):
  """Starts the run on 1 and on 4 devices, each in a folder of that name."""
  return {n: line.start(*_RUN, f"--workdir={folder / str(n)}", **kwargs)
          for n, kwargs in _DEVICES.items()}


def _refused(result, *words):
  """The command ended with one line on what is wrong, which contains the words."""
  assert result.status == 2, result
  assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
  for word in words:
    assert word in result.stderr, result.stderr


def _assert_same_run(folder, other):
  """Two runs left the same behind, bit by bit, but for what they tell of time."""
  assert cli.lines(folder / "metrics.jsonl") == cli.lines(other / "metrics.jsonl")
  assert (folder / "messages.jsonl").read_bytes() == (other / "messages.jsonl").read_bytes()
  summaries = [cli.strict_json((f / "summary.json").read_text()) for f in (folder, other)]
  for summary in summaries:
    assert summary.pop("wall_seconds") > 0 and summary.pop("steps_per_second") > 0
  assert summaries[0] == summaries[1]
  _assert_same_arrays(folder, other, _STEPS)


def _assert_same_arrays(folder, other, step):
  mine, theirs = cli.arrays(folder, step), cli.arrays(other, step)
  assert mine.keys() == theirs.keys()
  for name, array in mine.items():
    np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def _assert_close(mine, theirs):
  """The same arrays, up to the order in which the gradients of 16 games are added."""
  assert mine.keys() == theirs.keys()
  for name, array in mine.items():
    np.testing.assert_allclose(array, theirs[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_help_needs_neither_jax_nor_tensorflow():
  started = time.monotonic()
  result = subprocess.run(
      [sys.executable, "-X", "importtime", "-m", "socialized_learning.main", "--help"],
      cwd=cli.ROOT, capture_output=True, text=True, check=True)
  assert time.monotonic() - started < 3
  assert "--jaxline_mode" in result.stdout and "train_eval_multithreaded" in result.stdout
  imported = {row.split("|")[-1].strip() for row in result.stderr.splitlines()}
  assert "absl.flags" in imported and not imported & {"jax", "tensorflow", "haiku", "numpy.random"}


_WRONG_RECIPES = {
    "": ("no --config", "--help"),
    "nowhere.py": ("no recipe 'nowhere.py'", "socialized_learning/configs"),
    f"{cli.RECIPE}:nosweep": ("unknown sweep 'nosweep'", "emoji, emoji_people", "debug"),
    f"{cli.RECIPE}:": ("unknown sweep ''",),
    str(cli.ROOT / "tests"): ("no recipe",),
    str(cli.ROOT / "requirements.txt"): ("cannot be used", "requirements.txt"),
    str(cli.RECIPE.with_name("common.py")): ("get_config() missing 2 required",),
}


@pytest.mark.parametrize("recipe", _WRONG_RECIPES)
def test_wrong_recipe(line, recipe):
  _refused(line.run(recipe=recipe), *_WRONG_RECIPES[recipe])


# Options -> words of the answer.
_WRONG_OPTIONS = {
    "--nothing": ("Unknown command line flag 'nothing'",),
    "nothing": ("'nothing' is not an option",),
    "--jaxline_mode=trian": ("train, eval, train_eval_multithreaded",),
    "--jaxline_mode=eval": ("--workdir",),
    "--workdir=": ("--workdir is empty",),
    "--workdir": ("Missing value",),
    "--config.nothing=1": ("no 'nothing'",),
    "--config.message.lenght=3": ("no 'lenght'", "did you mean 'length'"),
    "--config.message=3": ("config.message=3", "not a dict"),
    "--config.message.length=abc": ("message.length=abc", "int"),
    "--config.message.length=2.5": ("message.length=2.5", "int"),
    "--config.speaker_optimiser.learning_rate=fast": ("learning_rate=fast", "float"),
    "--config.speaker_loss.baseline=maybe": ("baseline=maybe", "oolean"),
    "--config.logging_interval_type=secs": ("logging_interval_type", "not supported"),
    "--config.interval_type=secs": ("intervals are counted in 'steps'",),
    "--config.experiment=chess": ("experiment='chess'", "lewis"),
    "--config.training_steps=0": ("training_steps=0", "at least 1"),
    "--config.training_steps=99999999999999999999": ("must be at most 2147483647",),
    "--config.random_seed=-1": ("random_seed=-1",),
    "--config.random_seed=99999999999999999999": ("random_seed", "at most"),
    "--config.updates_per_call=0": ("updates_per_call=0",),
    "--config.log_train_data_interval=2.5": ("log_train_data_interval=2.5", "whole number"),
    "--config.save_checkpoint_interval=0": ("save_checkpoint_interval=0",),
    "--config.max_checkpoints_to_keep=0": ("max_checkpoints_to_keep=0",),
    "--config.batch_size=0": ("batch_size=0",),
    "--config.batch_size=257": ("more than the 256 items", "at most 256"),
    "--config.message.vocab_size=1": ("vocab_size=1", "at least 2"),
    "--config.message.length=0": ("length=0", "at least 1"),
    "--config.speaker.head=nose": ("speaker.head='nose'", "policy_q_value_dueling"),
    "--config.speaker.head=policy": ("has no value", "baseline=False"),
    "--config.speaker.core.kind=apple": ("speaker.core.kind='apple'", "lstm, gru, identity"),
    "--config.listener.core.kind=apple": ("listener.core.kind='apple'",),
    "--config.speaker.torso.kind=marble": ("speaker.torso.kind='marble'", "identity, mlp"),
    "--config.speaker.torso.kind=discrete": ("whole numbers", "choose identity or mlp"),
    "--config.speaker.core.hidden_size=0": ("speaker.core.hidden_size=0",),
    "--config.speaker.embed_dim=0": ("speaker.embed_dim=0",),
    "--config.speaker.unroll=0": ("speaker.unroll=0",),
    "--config.listener.head.kind=multi_mlp": ("'cpc' reads a listener.head.kind of 'cpc'",),
    "--config.listener.head.hidden_sizes=(0,)": ("at least 1",),
    "--config.listener.head.hidden_sizes=()": ("hidden_sizes is empty",),
    "--config.listener_loss.kind=classification": ("'multi_mlp', not 'cpc'",),
    "--config.listener_loss.questions=role": ("'role'", "class, shape, colour, size"),
    "--config.listener_loss.num_distractors=0": ("num_distractors=0",),
    "--config.listener_loss.num_distractors=16": ("at most 15",),
    "--config.listener_loss.temperature=0": ("temperature=0",),
    "--config.speaker_optimiser.name=luck": ("adam, adamw, sgd",),
    "--config.speaker_optimiser.learning_rate=-1": ("must not be negative",),
    "--config.target_decay=2": ("target_decay=2", "from 0 to 1"),
    "--config.data.noise=-1": ("data.noise=-1",),
    "--config.population.num_speakers=0": ("num_speakers=0", "at least 1"),
    "--config.population.num_pairs=0": ("num_pairs=0", "at least 1"),
    "--config.population.num_pairs=3": ("2 speakers and 2 listeners", "at most 2"),
    "--config.population.pairing=love": ("matching, independent, sequential",),
    "--config.population.mapping=treasure": ("auto, vmap, map",),
    "--config.imitation.interval=-1": ("imitation.interval=-1",),
    "--config.imitation.interval=2 --config.imitation.num_students=0": ("num_students=0",),
    "--config.imitation.interval=2 --config.imitation.num_students=2": ("fewer students",),
    "--config.evaluation.interval=-1": ("evaluation.interval=-1",),
    "--config.evaluation.num_candidates=65": ("has 64 items", "2 to 64"),
    "--config.evaluation.num_candidates=1": ("num_candidates=1", "2 to 64"),
    "--config.evaluation.num_epochs=0": ("num_epochs=0",),
    "--config.evaluation.max_num_agents=0": ("max_num_agents=0",),
    "--config.evaluation.similarity_items=2": ("at least 3",),
    "--config.evaluation.checkpoint=worst": ("latest, best",),
    "--config.evaluation.checkpoint=best --config.evaluation.interval=0": ("give an interval",),
    "--config.best_model_eval_metric=beauty": ("'beauty'", "valid/accuracy"),
    "--config.data.name=cats": ("unknown data set 'cats'", "emoji_people"),
    "--config.data.name=byol_celeb_a2 --config.data.dir=/nowhere": (
        "no prepared TFDS folder /nowhere/byol_celeb_a2", "tar.gz", "--config.data.dir"),
    "--config.distributed.num_processes=0": ("num_processes=0",),
    "--config.distributed.num_processes=2": ("distributed.coordinator=HOST:PORT",),
}


@pytest.mark.parametrize("options", _WRONG_OPTIONS)
def test_wrong_option(line, options):
  _refused(line.run(*options.split(" ")), *_WRONG_OPTIONS[options])
  assert not list(line.folder.iterdir())  # No run folder was begun.


def test_batch_must_fit_the_devices(line):
  _refused(line.run("--config.batch_size=10", devices=4), "not divisible by 4 devices", "use 12")


def test_folders_that_cannot_be(line, tmp_path):
  file = tmp_path / "file"
  file.touch()
  _refused(line.run(f"--workdir={file}"), "is a file")
  _refused(line.run(f"--workdir={file / 'below'}"), "cannot write in run folder", "Not a directory")
  _refused(line.run("--workdir=/proc/run"), "cannot write in run folder /proc/run")
  _refused(line.run(f"--workdir={tmp_path / 'no'}", "--jaxline_mode=eval"), "no run folder")
  _refused(line.run(f"--workdir={tmp_path}", "--jaxline_mode=eval"), "no checkpoint", "train first")
  assert list(tmp_path.iterdir()) == [file]


def test_interrupted_before_training(line, tmp_path):
  command = line.start(f"--workdir={tmp_path / 'run'}")
  cli.wait_until((tmp_path / "run/config.json").exists, command)
  command.send(signal.SIGTERM)
  result = command.wait()
  assert result.status == 130 and "Traceback" not in result.stderr, result


def test_run_folder(whole):
  folder = whole[1]
  assert {path.name for path in folder.iterdir()} == {
      "checkpoints", "config.json", "messages.jsonl", "metrics.jsonl", "summary.json",
      "tensorboard"}
  config = cli.strict_json((folder / "config.json").read_text())
  assert config["training_steps"] == _STEPS and config["data"]["name"] == "dummy"
  assert [checkpoints.fmt.list_steps(folder, "latest"), len(checkpoints.fmt.list_steps(
      folder, "best"))] == [[60, 90, 120], 1]
  assert {path.name for path in (folder / "tensorboard").iterdir()} == {"train", "valid", "test"}
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
    summary = cli.strict_json((folder / "summary.json").read_text())
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


def _interrupt(line, folder, condition, number):
  """Starts the runs, sends each a signal once its folder is so far, and waits for their ends."""
  commands = _start_on_all(line, folder)
  waiting = dict(commands)

  def all_signalled():
    for n in [n for n in waiting if condition(folder / str(n))]:
      waiting.pop(n).send(number)
    return not waiting

  cli.wait_until(all_signalled)
  return {n: command.wait() for n, command in commands.items()}


def _assert_resumes(line, folder, whole, steps):
  """The runs in `folder` go on from `steps` and end like the whole ones."""
  for n, command in _start_on_all(line, folder).items():
    result = command.wait()
    assert result.status == 0 and f"resumed at step {steps[n]})" in result.stdout, result
    _assert_same_run(folder / str(n), whole[n])


def test_killed_and_resumed(line, whole, tmp_path):
  # In different moments: when a line has been written, and when a checkpoint has been.
  for condition in (lambda folder: _has_lines(folder, "train"),
                    lambda folder: (folder / "checkpoints/latest/60").exists()):
    results = _interrupt(line, tmp_path, condition, signal.SIGKILL)
    assert {result.status for result in results.values()} == {-signal.SIGKILL}
  _assert_resumes(line, tmp_path, whole, {1: 60, 4: 60})
  for n, folder in whole.items():
    _assert_same_arrays(tmp_path / str(n), folder, 90)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_and_resumed(line, whole, tmp_path, number):
  results = _interrupt(line, tmp_path, lambda folder: _has_lines(folder, "valid"), number)
  steps = {n: checkpoints.latest_step(tmp_path / str(n)) for n in results}
  for n, result in results.items():
    assert result.status == 130 and not result.stderr and 30 <= steps[n] < _STEPS, result
    assert f"stopped at step {steps[n]}; the same command with --workdir=" in result.stdout
  _assert_resumes(line, tmp_path, whole, steps)


def _two_processes(cache, folder):
  """Starts the run in two processes of two devices each."""
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  return [cli.spawn(*_RUN, f"--workdir={folder}", "--config.distributed.num_processes=2",
                    f"--config.distributed.coordinator=127.0.0.1:{port}",
                    f"--config.distributed.process_id={index}", cache=cache, devices=2, quick=True)
          for index in range(2)]


def _ends(processes):
  """How the processes end."""
  try:
    return [cli.Result(0, *process.communicate(timeout=200))._replace(status=process.returncode)
            for process in processes]
  finally:
    for process in processes:
      process.kill()


def test_two_processes_are_one_run(cache, whole, tmp_path):
  folder = tmp_path / "run"
  processes = _two_processes(cache, folder)
  cli.wait_until(lambda: _has_lines(folder, "train") or processes[0].poll() is not None)
  processes[1].send_signal(signal.SIGTERM)  # Told to one, done by both.
  results = _ends(processes)
  step = checkpoints.latest_step(folder)
  assert [result.status for result in results] == [130, 130] and 20 <= step < _STEPS, results
  results = _ends(_two_processes(cache, folder))
  assert [result.status for result in results] == [0, 0], results
  assert f"resumed at step {step}" in results[0].stdout
  assert "run:" not in results[1].stdout  # The first speaks for both.
  summaries = [cli.strict_json((f / "summary.json").read_text()) for f in (folder, whole[4])]
  assert summaries[0]["devices"] == 4
  assert summaries[0]["test"] == pytest.approx(summaries[1]["test"], rel=1e-4)
  _assert_close(cli.arrays(folder, 60), cli.arrays(whole[4], 60))


def test_finished_run_is_evaluated_again(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  (folder / "summary.json").unlink()
  result = line.run(*_RUN, f"--workdir={folder}")
  assert result.status == 0 and f"resumed at step {_STEPS}" in result.stdout, result
  _assert_same_run(folder, whole[1])


def test_evaluation(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  latest = cli.strict_json((folder / "summary.json").read_text())
  options = (*_RUN, f"--workdir={folder}", "--jaxline_mode=eval")
  for name in ("summary.json", "messages.jsonl"):
    (folder / name).unlink()
  assert line.run(*options).status == 0
  assert cli.strict_json((folder / "summary.json").read_text()) == latest
  _assert_same_run(folder, whole[1])
  assert line.run(*options, "--config.evaluation.checkpoint=best").status == 0
  best = cli.strict_json((folder / "summary.json").read_text())
  valid = [row for row in cli.lines(folder / "metrics.jsonl") if row["split"] == "valid"]
  top = max(valid, key=lambda row: row["accuracy"])
  assert best["evaluated"] == {"checkpoint": "best", "step": top["step"]}
  assert best["valid"]["accuracy"] == top["accuracy"] and best["step"] == _STEPS
  shutil.rmtree(folder / "checkpoints/best")
  _refused(line.run(*options, "--config.evaluation.checkpoint=best"), "no 'best' checkpoint")


def test_damaged_run_folder(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  options = (*_RUN, f"--workdir={folder}")
  config, metrics = folder / "config.json", folder / "metrics.jsonl"
  before = config.read_text()
  _refused(line.run(*options, "--config.message.length=4"), "message.length=3, now 4", "new --work")
  config.write_text(before[:100])
  _refused(line.run(*options), "config.json is not JSON")
  config.unlink()
  for mode in ("train", "eval"):
    _refused(line.run(*options, f"--jaxline_mode={mode}"), "no config.json", "restore it")
  config.write_text(before)
  metrics.write_text("{half\n" + metrics.read_text())
  _refused(line.run(*options), "metrics.jsonl, line 1")


def test_damaged_checkpoint(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  options = (*_RUN, f"--workdir={folder}")
  newest = folder / "checkpoints/latest/120"
  victim = max(newest.rglob("*"), key=lambda path: path.stat().st_size)
  content = bytearray(victim.read_bytes())
  content[len(content) // 2] ^= 1
  victim.write_bytes(content)
  for mode in ("train", "eval"):
    _refused(line.run(*options, f"--jaxline_mode={mode}"), "latest/120 is damaged",
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
  _refused(line.run(*options, "--config.speaker.core.hidden_size=9"), "latest/120 holds",
           "float32[2, 8, 5], this configuration wants float32[2, 9, 5]", "new --workdir")
  toy.held(folder, {"w": np.ones(3)}, 200, experiment_name="chess").save("latest")
  shutil.copy(whole[1] / "config.json", folder)
  _refused(line.run(*options), "was made by chess, this is lewis", "new --workdir")


def _diverging(folder):
  """Options of a run of one pair that is soon beyond all numbers."""
  return ("--config.training_steps=40", "--config.save_checkpoint_interval=5",
          "--config.evaluation.interval=5", "--config.speaker_optimiser.name=sgd",
          "--config.speaker_optimiser.learning_rate=1000", "--config.population.num_pairs=1",
          "--config.population.num_speakers=1", "--config.population.num_listeners=1",
          f"--workdir={folder}")


def test_numbers_that_are_not_finite(line, tmp_path):
  options = _diverging(tmp_path / "run")
  result = line.run(*options, quick=True)
  assert result.status == 3 and result.stderr.count("\n") == 1, result
  assert re.match(r"error: \w+ is (nan|-?inf) at step [5-9]: ", result.stderr)
  assert checkpoints.latest_step(tmp_path / "run") == 5
  again = line.run(*options, quick=True)
  assert (again.status, again.stderr) == (3, result.stderr) and "at step 5)" in again.stdout


def test_constant_messages_of_one_pair(line, tmp_path):
  folder = tmp_path / "run"
  options = _diverging(folder)
  assert line.run(*options, quick=True).status == 3
  result = line.run(*options, "--jaxline_mode=eval", quick=True)  # The last good checkpoint.
  assert result.status == 0 and not result.stderr, result
  assert len({tuple(row["message"]) for row in cli.lines(folder / "messages.jsonl")}) == 1
  summary = cli.strict_json((folder / "summary.json").read_text())
  assert summary["step"] == 5 and 0 <= summary["test"]["accuracy"] <= 1
  assert summary["test"]["topographic_similarity"] is None
  assert summary["test"]["topographic_similarity_undefined"] == 1
  assert summary["test"]["edit_distance"] is None and summary["test"]["message_entropy"] == 0


def _threaded(cache, *options, quick=False):
  """Starts a run that is validated in a second thread."""
  return cli.spawn("--jaxline_mode=train_eval_multithreaded", *options, cache=cache, quick=quick)


def test_validation_in_a_second_thread(cache, tmp_path):
  good, bad, worse = (tmp_path / name for name in ("good", "bad", "worse"))
  (bad / "checkpoints").mkdir(parents=True)
  (bad / "checkpoints/best").touch()  # The second thread cannot save there.
  processes = [_threaded(cache, f"--workdir={good}"),
               _threaded(cache, f"--workdir={bad}", "--config.training_steps=1000000"),
               _threaded(cache, *_diverging(worse), quick=True)]
  results = _ends(processes)
  assert results[0].status == 0, results[0]
  valid = [row for row in cli.lines(good / "metrics.jsonl") if row["split"] == "valid"]
  assert valid[-1]["step"] == 20 and checkpoints.latest_step(good, "best") in (10, 20)
  _refused(results[1], "cannot write checkpoint", "best")
  assert checkpoints.latest_step(bad) < 1_000_000
  assert results[2].status == 3 and " at step " in results[2].stderr, results[2]


# The smallest sizes with which a sweep is still itself.
_TINY = ("--config.training_steps=2", "--config.batch_size=8", "--config.evaluation.interval=0",
         "--config.speaker.core.hidden_size=4", "--config.listener.core.hidden_size=4",
         "--config.listener.head.hidden_sizes=(4,)", "--config.evaluation.similarity_items=20",
         "--config.evaluation.checkpoint=latest", "--config.evaluation.num_candidates=6")


def _summary_of(command, folder):
  result = command.wait()
  assert result.status == 0 and not result.stderr, result
  summary = cli.strict_json((folder / "summary.json").read_text())
  assert summary["step"] == 2 and 0 <= summary["test"]["accuracy"] <= 1
  return summary


def test_sweeps_without_download(line, tmp_path):
  sweeps = ("emoji", "emoji_people", "emoji_attributes", "mnist")
  commands = [line.start(*_TINY, f"--workdir={tmp_path / sweep}", sweep=sweep, quick=True)
              for sweep in sweeps]
  for sweep, command in zip(sweeps, commands):
    summary = _summary_of(command, tmp_path / sweep)
    assert summary["sweep"] == sweep and summary["data"]["kind"].startswith("real")
    assert cli.lines(tmp_path / sweep / "messages.jsonl")[0]["name"]


@pytest.fixture(name="data_dir", scope="module")
def _data_dir(tmp_path_factory):
  """Tiny prepared sets under the published names."""
  root = tmp_path_factory.mktemp("data")
  features = prepared.celeba_features()
  items = {split: [prepared.celeba_item(split, i) for i in range(n)]
           for split, n in prepared.NUM_ITEMS.items()}
  celeba = prepared.write_array_record(root, "byol_celeb_a2", features, items)
  plain = type(features)({name: features[name] for name in ("logit", "label")})
  items = {split: [prepared.subset(item | {"label": item["label"] % 1000}, plain) for item in rows]
           for split, rows in items.items()}
  source = prepared.write_array_record(root / "source", "byol_imagenet2012", plain, items)
  prepared.write_tfrecord(source, root, plain, items)
  assert celeba.exists()
  return root


def test_sweeps_of_prepared_sets(line, data_dir, tmp_path):
  three = ("--config.population.num_pairs=3", "--config.population.num_speakers=3",
           "--config.population.num_listeners=3", "--config.imitation.num_students=2",
           "--config.imitation.interval=1")

  def start(sweep, *options):
    return line.start(*_TINY, *options, f"--config.data.dir={data_dir}",
                      f"--workdir={tmp_path / sweep}", sweep=sweep, quick=True)

  commands = {"celeba": start("celeba"), "imagenet_imitation": start("imagenet_imitation", *three)}
  celeba, imitation = (_summary_of(command, tmp_path / sweep)
                       for sweep, command in commands.items())
  assert celeba["data"] == {"name": "byol_celeb_a2", "kind": "real"}
  assert cli.lines(tmp_path / "celeba/messages.jsonl")[3]["name"] == "test_000003.jpg"
  assert imitation["test"]["edit_distance"] >= 0
  losses = [row["imitation_loss"] for row in cli.lines(
      tmp_path / "imagenet_imitation/metrics.jsonl") if row["split"] == "train"]
  assert losses and losses[-1] > 0
  # Compiled to the same programs as celeba, and therefore after it.
  imagenet = _summary_of(start("imagenet"), tmp_path / "imagenet")
  assert imagenet["test"]["edit_distance"] is None  # There is one speaker.
  assert cli.lines(tmp_path / "imagenet/messages.jsonl")[3]["name"] is None


def test_damaged_data(line, data_dir, tmp_path):
  broken = shutil.copytree(data_dir, tmp_path / "data")
  options = (*_TINY, f"--config.data.dir={broken}")
  for sweep in ("celeba", "imagenet"):
    file = next(path for path in sorted(broken.glob("byol_*/1.0.0/byol*train*"))
                if ("celeb" in path.name) == (sweep == "celeba"))
    file.write_bytes(file.read_bytes()[:-40])
    _refused(line.run(*options, sweep=sweep), file.name, "truncated")
  assert not list(line.folder.iterdir())
