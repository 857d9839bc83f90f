"""Socialized learning through the command line, on the embedded digits."""

import shutil

import jax
import numpy as np
import pytest

from socialized_learning.platform import checkpoints
from socialized_learning.platform import weights
from tests.experiments import cli

_RECIPE = cli.RECIPE.with_name("masc_config.py")
# Two agents with two digits each, of which they see hardly any.
_RUN = ("--config.data.classes=4", "--config.data.images_per_class=20",
        "--config.groups.num_agents=2", "--config.batch_size=24",
        "--config.network.width_divisor=32", "--config.network.hidden_size=16",
        "--config.num_epochs.specialists=3", "--config.num_epochs.student=2",
        "--config.num_epochs.experts=6", "--config.selection_epochs=2",
        "--config.baselines=False", "--config.network.mapping=vmap", "--config.cache.teachers=True",
        "--config.save_checkpoint_interval=4", "--config.log_train_data_interval=4")
# 36 images of each agent, 2 steps of an epoch; 72 of all, 3 steps.
_ENDS = {"specialists": 6, "collaboration": 12, "altruism": 24}
_STEPS = 24


def _start(line, folder, *options, sweep="mnist5k", **kwargs):
  return line.start(*options, f"--workdir={folder}", recipe=f"{_RECIPE}:{sweep}",
                    **kwargs)


@pytest.fixture(name="whole", scope="module")
def _whole(line, tmp_path_factory):
  """Folder of a run without interruption."""
  folder = tmp_path_factory.mktemp("masc") / "run"
  result = _start(line, folder, *_RUN).wait()
  assert result.status == 0 and not result.stderr, result
  assert "grown agents" in result.stdout and "isolated specialists" in result.stdout
  return folder


def test_summary(whole):
  summary = cli.summary(whole)
  assert summary["experiment"] == "masc" and summary["step"] == _STEPS
  assert summary["num_agents"] == 2 and summary["classes"] == [[0, 1], [2, 3]]
  assert summary["data"] == {
      "name": "mnist5k", "kind": "real, 5,000 images of MNIST train, the first 4 of 10 classes, "
      "20 training images of each class", "order": "content", "training_images": [36, 36], "held_out": 8,
      "test_images": 400}
  steps = np.diff([0, *_ENDS.values()])
  assert [(stage["name"], stage["steps"]) for stage in summary["stages"]] == list(zip(_ENDS, steps))
  before, after = summary["before"], summary["after"]
  for found in (before, after):
    matrix = np.array(found["accuracy_matrix"])
    assert matrix.shape == (2, 2) and matrix.min() >= 0 and matrix.max() <= 100
    assert found["expert"] == [matrix[0, 0], matrix[1, 1]]
    assert found["general"] == [matrix[0, 1], matrix[1, 0]]
    assert found["global"] == pytest.approx(matrix.mean(axis=1).tolist())
  matrix = np.array(after["accuracy_matrix"])
  assert after["directionality"]["column"] == pytest.approx(
      [matrix[0, 0] - matrix[1, 0], matrix[1, 1] - matrix[0, 1]])
  assert np.array(after["gate"]["own_to_expert"]).shape == (2,)
  assert min(np.array(after["gate"]["oracle"]) - after["global"]) >= 0
  assert summary["methods"]["MASC"]["expert"] == pytest.approx(np.mean(after["expert"]))
  assert set(summary["methods"]) == {
      "isolated specialists", "specialists, energy gate", "specialists or student, by energy",
      "specialists or student, by both", "collaboration only", "MASC"}
  assert set(summary["gates"]) == {"lse", "margin", "student", "expert", "oracle"}


def test_what_was_sent(whole):
  sent = {line.pop("stage"): line for line in cli.summary(whole)["exchange"]}
  assert sent["specialists"]["total"] == 0
  # 28 x 28 bytes and a label, and what an owner says of each of four classes.
  assert sent["collaboration"]["images"] == 72 * (784 + 4)
  assert sent["collaboration"]["outputs"] == 72 * 4 * 4
  wide = [1, 2, 2, 4, 4, 8, 8, 8, 16, 16, 16, 16, 16, 16]
  numbers = sum(9 * ins * outs + outs + 4 * outs for ins, outs in zip(wide, wide[1:]))
  numbers += 16 * 16 + 16 + 16 * 16 + 16 + 16 * 4 + 4
  assert sent["altruism"]["weights"] == 2 * numbers * 4


def test_files(whole):
  assert (whole / "accuracy_matrix.png").read_bytes().startswith(b"\x89PNG")
  splits = {row["split"] for row in cli.lines(whole / "metrics.jsonl")}
  assert splits == {"specialists", "student", "experts", "train", "test"}


def test_killed_stopped_and_resumed(line, whole, tmp_path):
  """Killed in the first and in the last stage, and between them ended within the second."""
  folder = tmp_path / "run"
  cli.kill(_start(line, folder, *_RUN), folder / "checkpoints/latest/4")
  result = _start(line, folder, *_RUN, "--config.training_steps=8").wait()
  assert result.status == 0 and "resumed at step" in result.stdout, result
  found = cli.summary(folder)  # What was not trained is not examined.
  assert set(found["methods"]) == {"isolated specialists", "specialists, energy gate"}
  assert "before" in found and "after" not in found
  assert not (folder / "accuracy_matrix.png").exists()
  cli.kill(_start(line, folder, *_RUN), folder / "checkpoints/latest/16")
  result = _start(line, folder, *_RUN).wait()
  assert result.status == 0 and "resumed at step" in result.stdout, result
  metrics = cli.lines(folder / "metrics.jsonl")
  assert [row for row in metrics if (row["step"], row["split"]) != (8, "test")] == cli.lines(
      whole / "metrics.jsonl")
  cli.assert_same_summary(folder, whole)
  cli.assert_same_arrays(folder, whole, _STEPS)


def test_evaluated_again_through_another_gate(line, whole, tmp_path):
  folder = shutil.copytree(whole, tmp_path / "run")
  result = _start(line, folder, *_RUN, "--config.evaluation.gate=expert",
                  "--jaxline_mode=eval").wait()
  assert result.status == 0, result
  through_another, as_before = cli.summary(folder), cli.summary(whole)
  assert through_another["after"]["gate"]["name"] == "expert"
  assert set(through_another["after"]["gate"]["own_to_expert"]) == {100.0}
  assert through_another["gates"] == as_before["gates"]
  result = _start(line, folder, *_RUN, "--config.evaluation.program=teacher",
                  "--config.evaluation.agent=1", "--jaxline_mode=eval").wait()
  assert result.status == 0 and "teacher, agent 1" in result.stdout, result
  assert "masc, agent" not in result.stdout and "teacher, agent 0" not in result.stdout
  before = as_before["before"]
  assert cli.summary(folder)["tests"] == [{
      "program": "teacher", "agent": 1, "top1": before["expert"][1],
      "top5": before["expert_top5"][1]}]
  assert [(test["program"], test["agent"]) for test in as_before["tests"]] == [
      ("teacher", 0), ("teacher", 1), ("masc", 0), ("masc", 1)]
  assert _start(line, folder, *_RUN, "--jaxline_mode=eval").wait().status == 0
  assert cli.summary(folder) == as_before


def _save_given(whole, folder):
  """The networks of a run as folders of weights; returns the options that name them."""
  parts = checkpoints.read_checkpoint(whole, step=_STEPS)[0]["state"]["parts"]
  student = parts["student"]
  of = lambda tree, agent: jax.tree.map(lambda x: x[agent], tree)
  nets = {"student": student["params"] | {"stats": student["stats"]}}
  for agent in range(2):
    nets[f"specialists{agent}"] = of(parts["specialists"]["params"], agent) | {
        "stats": of(parts["specialists"]["stats"], agent)}
    nets[f"experts{agent}"] = nets["student"] | of(parts["experts"]["params"], agent)
  for name, net in nets.items():
    weights.save_weights(folder / name, {
        "backbone": {"params": net["backbone"], "stats": net["stats"]}, "head": net["head"]}, {})
  agents = lambda part: ",".join(str(folder / f"{part}{agent}") for agent in range(2))
  return (f"--config.weights.specialists={agents('specialists')}",
          f"--config.weights.student={folder / 'student'}",
          f"--config.weights.experts={agents('experts')}")


def test_given_networks_are_examined_as_they_are(line, whole, tmp_path):
  options = _save_given(whole, tmp_path)
  result = _start(line, tmp_path / "run", *_RUN, *options).wait()
  assert result.status == 0 and not result.stderr, result
  mine, theirs = cli.summary(tmp_path / "run"), cli.summary(whole)
  assert mine["before"] == theirs["before"] and mine["after"] == theirs["after"]
  assert mine["stages"] == [] and mine["step"] == 0
  swapped = [options[0], options[1], options[2].replace("experts1", "specialists1")]
  cli.assert_refused(_start(line, tmp_path / "other", *_RUN, *swapped).wait(), "specialists1",
                     "another network")
  cli.assert_refused(_start(line, tmp_path / "other", *_RUN, options[2]).wait(),
                     "give weights.student too")
  assert not (tmp_path / "other").exists()
  # The run holds them itself by now.
  for name in {folder for option in options for folder in option.partition("=")[2].split(",")}:
    shutil.rmtree(name)
  again = _start(line, tmp_path / "run", *_RUN, *options, "--jaxline_mode=eval").wait()
  assert again.status == 0 and cli.summary(tmp_path / "run")["after"] == theirs["after"], again


_WRONG = {
    "--config.groups.num_agents=11": ("num_agents=11", "10 classes", "use 1 to 10"),
    "--config.groups.num_agents=0": ("num_agents=0", "at least 1"),
    "--config.groups.split=given --config.groups.given=((0,1),(1,2))": ("for 2 agents", "groups.num_agents is 5"),
    "--config.groups.num_agents=2 --config.groups.split=given --config.groups.given=((0,1,2),(2,3))":
        ("class 2",),
    "--config.groups.num_agents=2 --config.groups.split=given --config.groups.given=((0,1,2),(3,4))":
        ("no agent is given class 5",),
    "--config.groups.split=given --config.groups.given=(0,1": ("groups.given", "((0, 1), (2, 3))"),
    "--config.fidelity=blind": ("clean, paper, code",),
    "--config.fidelity=code --config.temperature=2": ("temperature=2", "code"),
    "--config.evaluation.gate=garden": ("gate='garden'", "lse, margin, student, expert, oracle"),
    "--config.collaboration.kd_mode=rumour": ("owner_head, owner_slice",),
    "--config.collaboration.kd_mode=owner_slice --config.altruism.init=owner_head": (
        "altruism.init='owner_head'", "owner_slice"),
    "--config.collaboration.kd_mode=mid_feature --config.rounds=2": ("rounds=2", "rounds=1"),
    "--config.collaboration.kd_mode=all_teachers --config.cache.teachers=True": ("cache.teachers",),
    "--config.network.width_divisor=3": ("width_divisor=3", "power of 2"),
    "--config.data.validation=0": ("selection='validation'", "held-out"),
    "--config.data.validation=1": ("data.validation=1", "below 1"),
    "--config.data.classes=11": ("data.classes=11", "has 10"),
    "--config.rounds=0": ("rounds=0",),
    "--config.training_steps=1000000": ("the stages have",),
    "--config.evaluation.interval=5": ("selection_epochs",),
    "--config.weights.student=/nowhere": ("there are no weights in /nowhere",),
    "--config.weights.student=/nowhere --config.altruism.init=owner_head": ("no such heads",),
    "--config.random_seed=-1": ("random_seed=-1",),
    "--config.data.normalise=cifar": ("three colours", "have 1", "use none"),
    "--config.data.images_per_class=100000": ("images_per_class=100000", "at most"),
    "--config.groups.given=((0,1),(2,3))": ("groups.given", "groups.split=given"),
    "--config.groups.num_agents=1 --config.evaluation.gate=margin": ("there are none", "use lse"),
    "--config.weights.specialists=a,b": ("weights.specialists names 2 folders", "5 are needed"),
    "--config.evaluation.agent=5": ("evaluation.agent=5", "0 to 4"),
    "--config.evaluation.program=chess": ("all, teacher, masc",),
    "--config.temperature=0": ("temperature=0", "above 0"),
    "--config.momentum=1": ("momentum=1", "below 1"),
    "--config.anchor=nan": ("anchor=nan", "finite"),
    "--config.random_seed=4294967296": ("random_seed=4294967296", "0 to 4294967295"),
    "--config.num_epochs=3": ("config.num_epochs is a group",),
}


@pytest.mark.parametrize("options", _WRONG)
def test_refusals(line, tmp_path, options):
  cli.assert_refused(_start(line, tmp_path / "run", *options.split(" ")).wait(), *_WRONG[options])
  assert not (tmp_path / "run").exists()


def test_a_sweep_that_is_not_there(line, tmp_path):
  cli.assert_refused(_start(line, tmp_path / "run", sweep="chess").wait(), "no sweep 'chess'",
                     "mnist5k, emoji, mnist, cifar10, cifar100")
