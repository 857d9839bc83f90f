"""Ease and transfer of learning through the command line, on the run folders of small Lewis games."""

import json
import shutil

import emcom_datasets
import numpy as np
import pytest

from socialized_learning.configs import ease_of_learning_config
from socialized_learning.experiments import ease_of_learning
from socialized_learning.experiments import frozen_speakers
from socialized_learning.metrics import learning_curves
from socialized_learning.platform import checkpoints
from socialized_learning.platform import run_folder
from socialized_learning.platform.errors import UserError
from tests.experiments import cli

_STEPS = 40
_RECIPE = cli.RECIPE.with_name("ease_of_learning_config.py")
_LESSONS = ("--config.training_steps=40", "--config.log_train_data_interval=10",
            "--config.save_checkpoint_interval=10", "--config.evaluation.interval=20",
            "--config.num_listeners=2", "--config.updates_per_call=5")
_SMALL = ("--config.speaker.core.hidden_size=4", "--config.listener.core.hidden_size=4",
          "--config.batch_size=8", "--config.evaluation.num_candidates=8",
          "--config.evaluation.similarity_items=20", "--config.training_steps=2",
          "--config.evaluation.interval=0")


@pytest.fixture(name="runs", scope="module")
def _runs(line, tmp_path_factory):
  """Folders of Lewis runs, by their sweep."""
  root = tmp_path_factory.mktemp("runs")
  commands = [line.start(*cli.EVENTS, f"--workdir={root / 'debug'}"),
              line.start(*_SMALL, f"--workdir={root / 'people'}", sweep="emoji_people")]
  for command in commands:
    result = command.wait()
    assert result.status == 0 and not result.stderr, result
  return root


def _start(line, run, folder, *options, task="discrimination", **kwargs):
  return line.start(*_LESSONS, f"--config.speaker_checkpoint={run}", f"--workdir={folder}", *options,
                    recipe=f"{_RECIPE}:{task}", **kwargs)


@pytest.fixture(name="whole", scope="module")
def _whole(line, runs, tmp_path_factory):
  """The folder of lessons without interruption, on all speakers of the debug run."""
  folder = tmp_path_factory.mktemp("lessons") / "run"
  result = _start(line, runs / "debug", folder).wait()
  assert result.status == 0 and not result.stderr, result
  assert "all, error over speakers" in result.stdout and "hearing nothing: accuracy 0.0625" in result.stdout
  return folder


def test_curves_are_those_of_the_metrics(whole):
  summary, rows = cli.summary(whole), cli.lines(whole / "metrics.jsonl")
  train = [row for row in rows if row["split"] == "train"]
  assert summary["curve"]["step"] == [row["step"] for row in train] == [10, 20, 30, 40]
  accuracy = np.array([row["accuracy_per_listener"] for row in train])
  assert accuracy.shape == (4, 2, 2)  # Points, speakers, listeners.
  np.testing.assert_array_equal(np.moveaxis(accuracy, 0, -1), summary["curve"]["accuracy"])
  np.testing.assert_allclose([row["accuracy"] for row in train], accuracy.mean(axis=(1, 2)))
  ease = summary["ease_of_learning"]
  np.testing.assert_allclose(ease["area_under_curve"]["values"], accuracy.mean(axis=0))
  means = accuracy.mean(axis=(0, 2))
  np.testing.assert_allclose(ease["area_under_curve"]["standard_error"],
                             learning_curves.standard_error(means))
  last = next(row for row in rows if row["split"] == "ease_of_learning")
  assert last["step"] == _STEPS
  assert last["area_under_curve"] == ease["area_under_curve"]["mean"]
  assert last["steps_to_50_per_listener"] == ease["steps_to_50"]["values"]


def test_summary(whole, runs):
  summary = cli.summary(whole)
  assert summary["experiment"] == "ease_of_learning" and summary["task"] == "discrimination"
  assert summary["speakers"] == {"run": str(runs / "debug"), "series": "latest", "step": 20,
                                 "indices": [0, 1], "messages": "greedy"}
  assert summary["data"] == {"name": "dummy", "kind": "synthetic"}
  assert summary["blind"] == {"accuracy": 1 / 16} and summary["num_listeners"] == 2
  for split in ("valid", "test"):
    assert np.shape(summary[split]["accuracy"]["values"]) == (2, 2)
    assert summary[split]["accuracy"]["standard_error_over"] == "speakers"
  # Untrained speakers, tiny listeners: but not nothing.
  assert summary["test"]["accuracy"]["mean"] > 1.5 / 16
  config = cli.strict_json((whole / "config.json").read_text())
  assert config["batch_size"] == 16 and config["listener"]["core"]["hidden_size"] == 8
  assert config["message"] == {"vocab_size": 5, "length": 3, "variable_length": False}


@pytest.mark.parametrize("cut, words", [(0, "lost or changed lines"), (1, "lost or changed lines"),
                                        (3, "lost or changed lines")])
def test_a_curve_with_lines_cut_out_is_refused(whole, tmp_path, cut, words):
  folder = run_folder.RunFolder(shutil.copytree(whole, tmp_path / "run"))
  lines = folder.metrics.read_text().splitlines(keepends=True)
  train = [line for line in lines if '"split": "train"' in line]
  folder.metrics.write_text("".join(line for line in lines if line != train[cut]))
  with pytest.raises(UserError, match=words):
    ease_of_learning._curve(folder)


def _resolve_with(runs, run, key, value):
  """Resolves lessons by a run like the debug run but for one value in its config.json."""
  shutil.copytree(runs / "debug", run)
  config = cli.strict_json((run / "config.json").read_text())
  node, (*groups, name) = config, key.split(".")
  for group in groups:
    node = node[group]
  node[name] = value
  (run / "config.json").write_text(json.dumps(config))
  recipe = ease_of_learning_config.get_config()
  recipe.speaker_checkpoint = str(run)
  return frozen_speakers.resolve(recipe, None)


@pytest.mark.parametrize("key, value", [
    ("speaker.core.hidden_size", None), ("speaker.core.hidden_size", "8"), ("speaker.head", 1),
    ("listener.head.hidden_sizes", 4), ("population.num_speakers", True), ("data.name", None)])
def test_values_that_the_run_lacks_are_named(runs, tmp_path, key, value):
  with pytest.raises(UserError, match=f"run/config.json is not that .* its {key} is missing or wrong"):
    _resolve_with(runs, tmp_path / "run", key, value)


def test_values_that_lessons_do_not_take_may_be_missing(runs, tmp_path):
  # As in runs that were made before there was such a value.
  config = _resolve_with(runs, tmp_path / "run", "speaker_loss.length_cost", None)
  assert config.speaker.core.hidden_size == 8 and config.speakers == (0, 1)


@pytest.mark.parametrize("series", ["latest", "best"])
def test_the_speakers_are_those_that_the_runs_own_results_are_of(runs, tmp_path, series):
  run = tmp_path / "run"
  config = _resolve_with(runs, run, "evaluation.checkpoint", series)
  assert config.speaker_series == series
  assert config.speaker_step == checkpoints.latest_step(run, series)
  # Lessons that have started keep to their series, whatever the run reports by now.
  recipe = ease_of_learning_config.get_config()
  recipe.speaker_checkpoint = str(run)
  stored = {"speaker_checkpoint": str(run), "speaker_series": "latest", "speaker_step": 10}
  resumed = frozen_speakers.resolve(recipe, stored)
  assert (resumed.speaker_series, resumed.speaker_step) == ("latest", 10)


def test_a_run_made_before_the_mlp_torso_was_as_published_keeps_its_own(runs, tmp_path):
  assert not _resolve_with(runs, tmp_path / "new", "data.noise", 0.0).speaker.torso.activate_final
  folder = shutil.copytree(runs / "debug", tmp_path / "old")
  config = cli.strict_json((folder / "config.json").read_text())
  del config["speaker"]["torso"]["activate_final"]
  config["speaker"]["torso"]["kind"] = "mlp"  # No other torso reads it.
  (folder / "config.json").write_text(json.dumps(config))
  recipe = ease_of_learning_config.get_config()
  recipe.speaker_checkpoint = str(folder)
  assert frozen_speakers.resolve(recipe, None).speaker.torso.activate_final


def test_speakers_are_not_touched(whole, runs):
  before = {path: path.stat().st_mtime_ns for path in (runs / "debug").rglob("*")}
  tree, _ = checkpoints.read_checkpoint(whole)
  assert set(tree["state"]) == {"listeners", "step"}
  assert before == {path: path.stat().st_mtime_ns for path in (runs / "debug").rglob("*")}


def test_killed_and_resumed(line, whole, runs, tmp_path):
  folder = tmp_path / "run"
  cli.kill(_start(line, runs / "debug", folder), folder / "checkpoints/latest/20")
  result = _start(line, runs / "debug", folder).wait()
  assert result.status == 0 and "resumed at step" in result.stdout, result
  cli.assert_same_run(folder, whole, _STEPS)


def test_a_run_that_goes_on_keeps_to_its_checkpoint(line, whole, runs, tmp_path):
  grown = shutil.copytree(runs / "debug", tmp_path / "debug")
  folder = tmp_path / "lessons"
  assert _start(line, grown, folder).wait().status == 0
  newer = grown / "checkpoints/latest"
  shutil.copytree(newer / "20", newer / "30")  # The speakers have learnt on since.
  result = _start(line, grown, folder, "--config.training_steps=50").wait()
  assert result.status == 0 and cli.summary(folder)["speakers"]["step"] == 20, result
  assert cli.summary(folder)["curve"]["step"][-1] == 50


def test_a_part_of_the_speakers_learns_the_same(line, whole, runs, tmp_path):
  folder = tmp_path / "run"
  result = _start(line, runs / "debug", folder, "--config.speakers=(1,)", devices=4).wait()
  assert result.status == 0 and "all, error over listeners" in result.stdout, result
  mine, theirs = cli.summary(folder), cli.summary(whole)
  assert mine["speakers"]["indices"] == [1] and mine["devices"] == 4
  np.testing.assert_allclose(mine["test"]["loss"]["values"], theirs["test"]["loss"]["values"][1:],
                             rtol=1e-3)


_TASKS = {"classes": ["class"], "attributes": ["shape", "colour", "size"]}


def test_transfer_tasks(line, runs, tmp_path):
  folders = {task: tmp_path / task for task in (*_TASKS, "reconstruction")}
  commands = {task: _start(line, runs / "debug", folders[task], task=task) for task in _TASKS}
  commands["reconstruction"] = _start(
      line, runs / "people", folders["reconstruction"], "--config.training_steps=10",
      "--config.batch_size=8", "--config.num_listeners=1", "--config.evaluation.interval=0",
      task="reconstruction")
  for task, command in commands.items():
    result = command.wait()
    assert result.status == 0 and not result.stderr, result
  for task, questions in _TASKS.items():
    config = cli.strict_json((folders[task] / "config.json").read_text())
    assert config["listener_loss"]["questions"] == questions
    summary = cli.summary(folders[task])
    assert 0 < summary["test"]["accuracy"]["mean"] <= 1 and "num_candidates" not in summary
    rows = emcom_datasets.load("dummy", "test").rows
    answers = rows.labels | rows.attributes
    assert summary["blind"]["accuracy"] == pytest.approx(np.mean(
        [max(np.mean(answers[name] == answer) for answer in answers[name]) for name in questions]))
  drawn = cli.summary(folders["reconstruction"])
  assert drawn["data"]["kind"] == "real" and set(drawn["ease_of_learning"]) == {"area_under_curve"}
  assert set(drawn["test"]) == {"loss"} and drawn["blind"]["loss"] > 0
  assert drawn["curve"]["loss"][0][0][-1] > 0 and "accuracy" not in drawn["curve"]


_WRONG = {
    "--config.speaker_checkpoint=": ("speaker_checkpoint is empty", "--config.speaker_checkpoint=RUN"),
    "--config.speaker_checkpoint=/nowhere": ("there is no run folder /nowhere",),
    "--config.speaker_checkpoint=/": ("no config.json",),
    "--config.speaker_step=7": ("no 'latest' checkpoint of step 7", "steps 10, 20"),
    "--config.speaker_series=worst": ("latest, best",),
    "--config.speakers=(0,2)": ("the run has 2, counted from 0 to 1",),
    "--config.speakers=(1,1)": ("name each one once",),
    "--config.speakers=0": ("could mean how many", "(0,)"),
    "--config.speaker_optimiser.learning_rate=1": ("did you mean --config.listener_optimiser.learning_rate",),
    "--config.messages=sung": ("greedy, sampled",),
    "--config.task=chess": ("discrimination, classes, attributes, reconstruction",),
    "--config.task=classes": ("task='classes' in the recipe of 'discrimination'", ":classes"),
    "--config.num_listeners=0": ("num_listeners=0", "at least 1"),
    "--config.data.name=emoji": ("its inputs are (128,)", "(16,)", "the same input size"),
    "--config.listener_loss.questions=('class',)": ("'discrimination'", "nothing to ask for"),
    "--config.batch_size=257": ("at most 256",),
    "--config.evaluation.num_candidates=65": ("2 to 64",),
    "--config.evaluation.checkpoint=best": ("choose one of latest",),
    "--config.mapping=treasure": ("auto, vmap, map",),
}


@pytest.mark.parametrize("option", _WRONG)
def test_wrong_option(line, runs, tmp_path, option):
  cli.assert_refused(_start(line, runs / "debug", tmp_path / "run", option).wait(), *_WRONG[option])
  assert not (tmp_path / "run").exists()


def test_tasks_that_the_data_cannot_give(line, runs, tmp_path):
  folder = tmp_path / "run"
  refused = lambda task, *words: cli.assert_refused(
      _start(line, runs / "debug", folder, task=task).wait(), *words)
  refused("chess", "unknown task 'chess'", "discrimination, classes")
  refused("reconstruction", "dummy holds no pictures")
  assert not folder.exists()


def test_runs_that_cannot_teach(line, whole, runs, tmp_path):
  folder = tmp_path / "lessons"
  cli.assert_refused(_start(line, whole, folder).wait(), "run of 'ease_of_learning'")
  changed = shutil.copytree(runs / "debug", tmp_path / "changed")
  config = cli.strict_json((changed / "config.json").read_text())
  (changed / "config.json").write_text(json.dumps(config | {"message": 3}))
  cli.assert_refused(_start(line, changed, folder).wait(), "its message.", "is missing or wrong: restore")
  config["speaker"]["core"]["hidden_size"] = 9
  (changed / "config.json").write_text(json.dumps(config))
  cli.assert_refused(_start(line, changed, folder).wait(), "does not hold the speakers", "config.json")
  victim = max((changed / "checkpoints/latest/20").rglob("*"), key=lambda path: path.stat().st_size)
  victim.write_bytes(victim.read_bytes()[:-1])
  refused = _start(line, changed, folder).wait()
  cli.assert_refused(refused, "latest/20 is damaged", "another speaker_checkpoint", "speaker_step")
  assert "--workdir" not in refused.stderr  # A new folder for the lessons would not help.
  (changed / "config.json").write_text("{")
  refused = _start(line, changed, folder).wait()
  cli.assert_refused(refused, "config.json is not JSON", "another speaker_checkpoint")
  assert "--workdir" not in refused.stderr
