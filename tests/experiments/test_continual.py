"""Continual learning through the command line, on the embedded digits."""

import csv
import shutil

import jax
import numpy as np
import pytest

from socialized_learning.configs import continual_config
from socialized_learning.experiments import continual
from socialized_learning.experiments import continual_world
from socialized_learning.platform import checkpoints
from tests.data.sources import files
from tests.experiments import cli
from tests.platform import event_files

_RECIPE = cli.RECIPE.with_name("continual_config.py")
# Three tasks of 31 steps and a short last batch each; borders lie inside of calls.
_RUN = ("--config.stream.num_tasks=3", "--config.population.size=2",
        "--config.save_checkpoint_interval=20", "--config.log_train_data_interval=20",
        "--config.updates_per_call=10")
_STEPS = 96


def _start(line, folder, *options, sweep="er,rot-mnist5k,200", **kwargs):
  return line.start(*options, f"--workdir={folder}", recipe=f"{_RECIPE}:{sweep}",
                    **kwargs)


@pytest.fixture(name="whole", scope="module")
def _whole(line, tmp_path_factory):
  """Folders of uninterrupted runs, by the number of devices."""
  root = tmp_path_factory.mktemp("continual")
  for command in [_start(line, root / str(n), *_RUN, devices=n) for n in (1, 4)]:
    result = command.wait()
    assert result.status == 0 and not result.stderr, result
    assert "values: preset of synergy (the row of rot-mnist, on mnist5k)" in result.stdout
  return {n: root / str(n) for n in (1, 4)}


def test_summary(whole):
  summary = cli.summary(whole[1])
  expected = {"experiment": "continual", "method": "er", "stream": "rot-mnist5k", "buffer": 200,
              "setting": "domain_il", "seeds": [0, 1], "num_tasks": 3, "step": _STEPS,
              "fidelity": "clean"}
  assert {name: summary[name] for name in expected} == expected
  assert summary["data"] == {"name": "mnist5k", "kind": "real, 5,000 images of MNIST train",
                             "order": "content"}
  working = summary["heads"]["working"]["domain_il"]
  matrix = np.array(working["accuracy_matrix"], float)
  # Every test set of the past, the next one unseen, and no other.
  assert np.isnan(matrix).tolist() == [[[False, False, True], [False] * 3, [False] * 3]] * 2
  assert 30 < np.nanmin(np.diagonal(matrix, axis1=1, axis2=2)) <= 100
  np.testing.assert_allclose(working["final_average_accuracy"], matrix[:, 2].mean(axis=1))
  np.testing.assert_allclose(working["bwt"], (matrix[:, 2, :2] - matrix[:, [0, 1], [0, 1]]).mean(1))
  zero_shot = matrix[:, [0, 1], [1, 2]] - np.array(working["random_init"])[:, 1:]
  np.testing.assert_allclose(working["fwt"], zero_shot.mean(axis=1))
  confusion = np.array(working["confusion"])
  assert confusion.shape == (2, 10, 10) and confusion.sum(axis=(1, 2)).tolist() == [3000, 3000]
  np.testing.assert_allclose(100 * np.trace(confusion, axis1=1, axis2=2) / 3000,
                             working["final_average_accuracy"])
  assert all(0 <= error <= 100 for error in working["ece"])
  assert working["label_space"] == "all outputs" and working["task_identity"] == "never told"


def test_table(whole):
  rows = list(csv.DictReader((whole[1] / "results.csv").read_text().splitlines()))
  assert [(row["method"], row["seed"], row["head"], row["setting"]) for row in rows] == [
      ("er", "0", "working", "domain_il"), ("er", "1", "working", "domain_il")]
  assert {row["steps"] for row in rows} == {str(_STEPS)}
  summary = cli.summary(whole[1])
  assert len(set(summary["plan"])) == 2  # Each seed has its own.
  final = summary["heads"]["working"]["domain_il"]["final_average_accuracy"]
  assert [float(row["task_3"]) for row in rows] == pytest.approx(final)


def test_the_accuracy_matrix(whole):
  rows = list(csv.DictReader((whole[1] / "accuracy_matrix.csv").read_text().splitlines()))
  working = cli.summary(whole[1])["heads"]["working"]["domain_il"]
  found = np.full((2, 4, 3), np.nan)
  for row in rows:
    assert (row["method"], row["buffer"], row["head"], row["setting"]) == (
        "er", "200", "working", "domain_il")
    found[int(row["seed"]), int(row["after_task"]), int(row["task"]) - 1] = float(row["accuracy"])
  np.testing.assert_array_equal(found[:, 1:], np.array(working["accuracy_matrix"], float))
  np.testing.assert_array_equal(found[:, 0], working["random_init"])


def test_metrics_after_each_task(whole):
  matrix = np.array(cli.summary(whole[1])["heads"]["working"]["domain_il"]["accuracy_matrix"], float)
  rows = [row for row in cli.lines(whole[1] / "metrics.jsonl") if "task" in row]
  assert [(row["step"], row["split"], row["task"]) for row in rows] == [
      (32, "test", 1), (64, "test", 2), (96, "test", 3)]
  points = set()
  for task, row in enumerate(rows):
    seen = matrix[:, task, :task + 1]
    np.testing.assert_array_equal(row["working_domain_il/seeds"], seen)
    numbers = {f"working_domain_il/task_{i + 1}": mean for i, mean in enumerate(seen.mean(axis=0))}
    numbers["working_domain_il"] = seen.mean()
    for name, number in numbers.items():
      assert row[name] == pytest.approx(number)
    points |= {(row["step"], name) for name in ("task", *numbers)}
  shown = event_files.points(whole[1] / "tensorboard/test")
  # Once each, though the final evaluation finds the last mean again.
  assert sorted((step, tag) for step, tag, _ in shown) == sorted(points)


def test_members_differ_and_do_not_hang_on_each_other(line, whole, tmp_path):
  both = cli.arrays(whole[1], _STEPS)
  assert _start(line, tmp_path / "one", *_RUN, "--config.population.size=1").wait().status == 0
  for name, array in cli.arrays(tmp_path / "one", _STEPS).items():
    if "members" in name and both[name].ndim:
      np.testing.assert_allclose(array[0], both[name][0], rtol=1e-5, atol=1e-6, err_msg=name)
      assert array[0].size == 1 or not np.array_equal(both[name][0], both[name][1]), name


def test_four_devices_learn_what_one_learns(whole):
  mine, theirs = cli.arrays(whole[1], 80), cli.arrays(whole[4], 80)
  for name, array in mine.items():
    if array.dtype.kind == "i" and "memory" in name:  # The same examples in the same slots.
      np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    elif "params" in name:
      np.testing.assert_allclose(array, theirs[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_killed_and_resumed(line, whole, tmp_path):
  folder = tmp_path / "run"
  for saved in (40, 80):
    cli.kill(_start(line, folder, *_RUN), folder / f"checkpoints/latest/{saved}")
  result = _start(line, folder, *_RUN).wait()
  assert result.status == 0 and "resumed at step" in result.stdout, result
  cli.assert_same_run(folder, whole[1], _STEPS)
  assert _left(folder) == _left(whole[1])


def test_evaluated_again(line, whole, tmp_path):
  folder = shutil.copytree(whole[1], tmp_path / "run")
  (folder / "summary.json").unlink()
  assert _start(line, folder, *_RUN, "--jaxline_mode=eval").wait().status == 0
  assert cli.summary(folder) == cli.summary(whole[1])
  assert _left(folder) == _left(whole[1])
  assert (folder / "metrics.jsonl").read_bytes() == (whole[1] / "metrics.jsonl").read_bytes()


def _left(folder):
  """Tables, and points that TensorBoard shows, of a run, but for its speed."""
  tables = {name: (folder / name).read_text() for name in ("results.csv", "accuracy_matrix.csv")}
  return tables | {path.name: [point for point in event_files.points(path) if point[1] != "steps_per_sec"]
                   for path in (folder / "tensorboard").iterdir()}


_METHODS = ("agem,seq-mnist5k,200", "agem_r,mnist5k-360,200", "clser,seq-mnist5k,200",
            "der,mnist5k-360,200", "derpp,perm-mnist5k,200", "mean_er,rot-mnist5k,200",
            "ewc_on,seq-mnist5k", "joint,seq-mnist5k", "lwf,seq-mnist5k",
            "multi_scale,seq-mnist5k,500", "sgd,seq-mnist5k", "si,seq-mnist5k",
            "synergy,perm-mnist5k,200")


@pytest.mark.parametrize("sweep", _METHODS)
def test_methods_and_streams(line, tmp_path, sweep):
  folder = tmp_path / "run"
  options = () if "360" in sweep else ("--config.stream.num_tasks=2",)
  if sweep.startswith("multi_scale"):
    options += ("--config.network.width=4",)  # Of the network of Dynamos.
  result = _start(line, folder, *options, sweep=sweep).wait()
  assert result.status == 0 and not result.stderr, result
  summary = cli.summary(folder)
  for settings in summary["heads"].values():
    for setting, numbers in settings.items():
      assert setting in ("class_il", "task_il", "domain_il", "general")
      assert numbers["final_average_accuracy"][0] > 25  # Far above a blind guess.
  assert ("task_il" in summary["heads"]["working"]) == sweep.split(",")[1].startswith("seq")
  if sweep.startswith("synergy"):
    assert set(summary["heads"]) == {"working", "semantic"}
    counters, last = summary["counters"], cli.lines(folder / "metrics.jsonl")[-2]
    assert counters["ema_updates"] == [summary["step"]]
    assert 0 < counters["importance_updates"][0] < summary["step"]
    assert counters == {name: last[name] for name in counters}
  else:
    assert "counters" not in summary
  if sweep.startswith("joint"):
    assert summary["heads"]["working"]["class_il"]["forgetting"] == [None]


def test_a_first_task_without_a_step_has_its_border(monkeypatch):
  config = continual_config.get_config("sgd,rot-mnist5k")
  config.stream.num_tasks, config.batch_size = 2, 500
  config = continual.ContinualExperiment.resolve(config, None)
  planned = continual_world.plan(config)
  plan = planned[0].plan
  ends = np.array([0, plan.task_ends[1]])  # As some seeds of GCIL have it with large batches.
  monkeypatch.setattr(continual_world, "plan", lambda _: tuple(
      stream._replace(plan=plan._replace(task_ends=ends)) for stream in planned))
  key = jax.random.PRNGKey(0)
  experiment = continual.ContinualExperiment("train", key, config)
  experiment.step(global_step=0, rng=experiment.initialize_train_step_rng(key), writer=None,
                  num_updates=1)
  noted = experiment.results.to_arrays()["heads"]["working"]
  np.testing.assert_array_equal(noted["accuracy"][0, 0], noted["start"][0])
  assert np.isnan(noted["accuracy"][0, 1]).all()


def test_dynamos_leaves_what_its_agents_keep(line, tmp_path):
  folder = tmp_path / "run"
  # Past the warm-up of ten steps.
  result = _start(line, folder, "--config.training_steps=20", "--config.stream.num_tasks=2",
                  "--config.network.width=2", "--config.evaluation.thresholds=(0,0.5)",
                  sweep="dynamos,seq-mnist5k,500").wait()
  assert result.status == 0 and not result.stderr, result
  assert "network.width=2, given (preset: 32)" in result.stdout
  summary = cli.summary(folder)
  found = summary["sparsity"]
  keep_rate = np.array(found["keep_rate"]["thresholded"])
  assert keep_rate.shape == (1, 4) and (0 <= keep_rate).all() and (keep_rate <= 1).all()
  profiles, cosine = np.array(found["profiles"][0]), np.array(found["overlap"]["cosine"][0], float)
  assert profiles.shape == (4, 4 * 4) and cosine.shape == (4, 4)
  # Two tasks of two digits, a hundred test images each.
  np.testing.assert_allclose(profiles.reshape(4, 4, 4).mean(axis=(0, 2)), keep_rate[0], atol=1e-3)
  np.testing.assert_allclose(np.diagonal(cosine), 1)
  macs = found["macs"]
  assert macs["dense"] - macs["dense_gated"] < macs["thresholded"][0] < macs["dense"]
  assert (folder / "sparsity.png").read_bytes().startswith(b"\x89PNG")
  other = summary["thresholds"]
  assert other["threshold"] == [0, 0.5] and "other thresholds" in result.stdout
  assert all(0 <= each <= 100 for each in other["accuracy"][0])
  np.testing.assert_allclose(other["keep_rate"], [[[1] * 4, keep_rate[0]]])
  np.testing.assert_allclose(other["macs"], [[macs["dense"], macs["thresholded"][0]]])
  rows = cli.lines(folder / "metrics.jsonl")
  assert rows[0]["label_loss"] > 0 and 0 <= rows[0]["keep_rate"] <= 1


_WRONG = {
    "chess,rot-mnist5k,200": ((), ("no method 'chess'", "clser")),
    "er,chess,200": ((), ("no stream 'chess'", "rot-mnist5k")),
    "er,rot-mnist5k,7": ((), ("no buffer 7", "200, 500, 1000, 5120")),
    "er,rot-mnist5k": ((), ("er on rot-mnist5k needs a buffer size", "200, 500, 1000, 5120")),
    "sgd,rot-mnist5k,500": ((), ("sgd has no memory", "sgd,rot-mnist5k without a buffer")),
    "er,rot-mnist5k,many": ((), ("'many' is not a number of slots",)),
    "er,rot-mnist5k,200": (("--config.learner.buffer_size=0",), ("buffer_size=0", "at least 1 slot")),
    "er,seq-mnist5k,200": (("--config.stream.classes_per_task=3",), ("classes",)),
    "er,perm-mnist5k,200": (("--config.training_steps=100000",), ("perm-mnist5k has 640",)),
    "er,mnist5k-360,200": (("--config.stream.num_tasks=3",), ("num_tasks=3", "mnist5k-360")),
    "er,rot-mnist,200": (("--config.data.dir=/nowhere",), ("mnist", "/nowhere", "download")),
    "sgd,rot-mnist5k": (("--config.network.kind=tree",), ("mlp, resnet18",)),
    "sgd,perm-mnist5k": (("--config.evaluation.interval=10",), ("borders of its tasks",)),
    "joint,seq-mnist5k": (("--config.stream.validation=1.5",), ("validation=1.5",)),
    "synergy,rot-mnist5k,200": (("--config.learner.importance_rate=1.5",),
                                ("importance_rate=1.5", "from 0 to 1")),
    "dynamos,seq-mnist5k,500": (
        ("--config.training_steps=10",), ("warm-up of 10 steps", "whole run of 10")),
    "dynamos,seq-mnist5k,1000": (
        ("--config.learner.warmup_epochs=1",), ("warmup_epochs=1", "give one")),
    "dynamos,seq-mnist5k,2000": (
        ("--config.learner.policy_penalty=200.0",), ("policy_penalty=200", "-200.0")),
    "dynamos_sgd,seq-mnist5k": (
        ("--config.evaluation.thresholds=(0.5,50)",), ("thresholds=(0.5, 50)", "from 0 to 1")),
    "er,mnist5k-360,500": (("--config.inference.skip_channels=True",), ("er has none, use False",)),
    "dynamos_sgd,seq-mnist5k,0": (
        ("--config.inference.skip_channels=True", "--config.inference.mode=sample"),
        ("draws anew in each pass",)),
    "clser,seq-mnist5k,200": (("--config.evaluation.thresholds=(0.5,)",), ("clser has no agents",)),
    "dynamos,mnist5k-360,100": (("--config.network.kind=mlp",), ("trains agents", "gated_resnet")),
    "dynamos,mnist5k-360,200": (("--config.inference.mode=guess",), ("threshold, sample",)),
    "dynamos,mnist5k-360,500": (
        ("--config.learner.warmup_epochs=1", "--config.learner.warmup_steps=0"),
        ("warm-up of 243 steps", "whole run of 243")),
    "multi_scale,seq-mnist5k,500": (
        ("--config.network.has_agents=True",), ("does not train agents",)),
    "derpp,rot-mnist5k,200": (("--config.network.grey_as_colour=True",), ("gated_resnet", "mlp")),
    "ewc_on,rot-mnist5k": (("--config.inference.threshold=0.9",), ("ewc_on", "has no agents")),
    "si,seq-mnist5k": (("--config.population.mapping=treasure",), ("auto, vmap, loop",)),
    "joint,rot-mnist5k": (("--config.learner.buffer_size=500",), ("joint has no memory",)),
    "er": ((), ("sweep 'er': name METHOD,STREAM",)),
    "mean_er,rot-mnist5k,200": (
        ("--config.stream.name=seq-mnist5k",), ("recipe of 'rot-mnist5k'", ":mean_er,seq-mnist5k")),
    "joint,perm-mnist5k": (("--config.stream.shuffle=False",), ("joint always shuffles",)),
    "sgd,rot-mnist5k,0": (("--config.learner.buffer_size=500",), ("sgd has no memory",)),
    "ewc_on,perm-mnist5k": (("--config.learner.ewc_decay=2",), ("ewc_decay=2", "from 0 to 1")),
    "dynamos_sgd,seq-mnist": (("--config.learner.policy_penalty=nan",), ("policy_penalty=nan", "finite")),
    "dynamos_sgd,mnist5k-360": (
        ("--config.network.policy_temperature=inf",), ("policy_temperature=inf", "finite")),
    "sgd,seq-mnist5k": (("--config.method=er",), ("method='er' in the recipe of 'sgd'",
                                                  ":er,seq-mnist5k")),
    "agem,rot-mnist5k,200": (("--config.learner.buffer_size=10",), ("20 tasks", "at least 20")),
    "lwf,seq-mnist5k": (("--config.learner.temperature=0",), ("temperature=0", "above 0")),
    "derpp,seq-mnist5k,200": (("--config.learner.label_weight=-1",), ("label_weight=-1",)),
    "der,seq-mnist5k,200": (("--config.learner.fidelity=reference",),
                            ("means nothing for der", "use clean")),
    "si,rot-mnist5k": (("--config.learner.fidelity=reference",),
                       ("means nothing for si", "use clean or paper")),
    "ewc_on,rot-mnist5k,0": (("--config.learner.fidelity=paper",),
                             ("means nothing for ewc_on", "use clean or reference")),
}


@pytest.mark.parametrize("sweep", _WRONG)
def test_refusals(line, tmp_path, sweep):
  options, words = _WRONG[sweep]
  cli.assert_refused(_start(line, tmp_path / "run", *options, sweep=sweep).wait(), *words)
  assert not (tmp_path / "run").exists()


def _truncated(folder):
  files.write_idx(folder)
  images = folder / "train-images-idx3-ubyte"
  images.write_bytes(images.read_bytes()[:-1])


_BAD_FILES = {
    "truncated": (_truncated, ("train-images-idx3-ubyte", "bytes")),
    "shape": (lambda folder: files.write_mnist_npz(folder, x_train=files.pixels(0, 5, 28, 27)),
              ("mnist.npz", "28 x 27 x 1", "expected uint8 28 x 28 x 1")),
    "labels": (lambda folder: files.write_mnist_npz(folder, y_test=np.uint8([1, 2, 10])),
               ("10", "label")),
}


@pytest.mark.parametrize("damage", _BAD_FILES)
def test_damaged_files(line, tmp_path, damage):
  write, words = _BAD_FILES[damage]
  folder = tmp_path / "data"
  folder.mkdir()
  write(folder)
  cli.assert_refused(_start(line, tmp_path / "run", f"--config.data.dir={folder}",
                            sweep="er,rot-mnist,200").wait(), *words)
  assert not (tmp_path / "run").exists()


def test_a_run_goes_on_with_its_own_data_only(line, tmp_path):
  folder, data = tmp_path / "run", tmp_path / "data"
  data.mkdir()
  arrays = files.write_mnist_npz(data)

  def start(steps):
    return _start(line, folder, f"--config.data.dir={data}", f"--config.training_steps={steps}",
                  "--config.batch_size=2", "--config.stream.num_tasks=2", sweep="sgd,rot-mnist").wait()

  assert start(2).status == 0
  whole = folder
  folder, data = tmp_path / "resumed", data.rename(tmp_path / "moved")  # The same files elsewhere.
  assert start(1).status == 0
  # The same images in another order.
  files.write_mnist_npz(data, **{name: array[::-1] for name, array in arrays.items()})
  assert start(2).status == 0
  cli.assert_same_summary(folder, whole)
  cli.assert_same_arrays(folder, whole, 2)
  files.write_mnist_npz(data, y_train=arrays["y_train"][::-1])  # Other images.
  cli.assert_refused(start(3), "begun with other data of mnist", "--config.data.dir")


def test_seeds_on_a_hold_out_of_the_training_images(line, tmp_path):
  folder = tmp_path / "run"
  options = ("--config.stream.validation=0.25", "--config.stream.num_tasks=2",
             "--config.learner.memory_policy=ring")
  assert _start(line, folder, *options).wait().status == 0
  working = cli.summary(folder)["heads"]["working"]["domain_il"]
  assert np.sum(working["confusion"][0]) == 2 * 1000  # A quarter of 4,000, turned in two ways.
  assert working["final_average_accuracy"][0] > 50
  memory = cli.arrays(folder, 48)  # 24 steps a task: 3,000 images in batches of 128.
  latest = next(array for name, array in memory.items() if name.endswith("memory/view"))
  assert set(latest.ravel()) == {1}  # A ring of 200 remembers only the second task.


def test_given_values_are_told(line, tmp_path):
  result = _start(line, tmp_path / "run", "--config.stream.num_tasks=1",
                  "--config.learner.learning_rate=0.1", "--config.learner.buffer_size=100").wait()
  assert result.status == 0 and "learning_rate=0.1, given (preset: 0.2)" in result.stdout, result
  summary = cli.summary(tmp_path / "run")
  assert summary["preset"]["changed"] == {"learning_rate": {"preset": 0.2, "given": 0.1},
                                          "buffer_size": {"preset": 200, "given": 100}}
  assert checkpoints.latest_step(tmp_path / "run") == 32
