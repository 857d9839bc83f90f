"""Jaxline's own loops with our shim, checkpoints and writers; what a kill leaves behind."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

from absl import flags
import jax
from jaxline import train
import numpy as np
import pytest

from socialized_learning.platform import checkpoint_format
from socialized_learning.platform import checkpoints
from socialized_learning.platform import jaxline_shim
from socialized_learning.platform import run_folder
from socialized_learning.platform import writers
from socialized_learning.platform.errors import UserError
from tests.platform import toy

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def _jaxline():
  jaxline_shim.install()
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()


def _train(directory, training_steps, size=3):
  """Trains up to `training_steps`; returns the final snapshot and the metrics without speeds."""
  folder = run_folder.RunFolder.open(directory)
  writer = writers.RunWriter(folder, resume_step=checkpoints.latest_step(directory) or 0,
                             tensorboard=False)
  checkpointer = checkpoints.OrbaxCheckpointer(directory, max_to_keep=2)
  train.train(toy.ToyExperiment, toy.toy_config(training_steps, size), checkpointer, writer)
  writer.close()
  rows = [{k: v for k, v in row.items() if k != "steps_per_sec"}
          for row in writers.read_metrics(folder)]
  state = checkpointer.get_experiment_state("latest")
  assert state.global_step == training_steps
  return state.experiment_module.snapshot_state(), rows


def _bits(tree):
  return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


@pytest.fixture(name="whole", scope="module")
def _whole(tmp_path_factory):
  """(run folder, final snapshot, metrics) of eight steps without interruption."""
  directory = tmp_path_factory.mktemp("whole")
  return directory, *_train(directory, 8)


def test_resumed_equals_uninterrupted(tmp_path, whole):
  _train(tmp_path, 5)  # Not a multiple of the interval: the last save is at the end.
  assert checkpoint_format.list_steps(tmp_path, "latest") == [4, 5]
  checkpoint_format.remove(checkpoint_format.series_dir(tmp_path, "latest") / "5")
  snapshot, rows = _train(tmp_path, 8)  # Makes step 5 again.
  assert _bits(snapshot) == _bits(whole[1])
  assert rows == whole[2] and [row["step"] for row in rows] == list(range(1, 9))
  assert checkpoint_format.list_steps(tmp_path, "latest") == [6, 8]


def test_another_configuration_cannot_resume(whole):
  with pytest.raises(UserError, match=r"memory of bfloat16\[2, 3\], .* wants bfloat16\[2, 4\]"):
    _train(whole[0], 10, size=4)


def _evaluate(directory, **kwargs):
  checkpointer = checkpoints.OrbaxCheckpointer(directory, mode="eval", **kwargs)
  train.evaluate(toy.ToyExperiment, toy.toy_config(8), checkpointer, None, "eval")
  return checkpointer.get_experiment_state("latest")


def test_best_series(tmp_path):
  for steps in (4, 6):
    _train(tmp_path, steps)
    assert _evaluate(tmp_path).global_step == steps
    # The second evaluator remembers the best value of the first.
    assert checkpoint_format.list_steps(tmp_path, "best") == [4]
  assert checkpoints.read_info(tmp_path, "best")["state"] == {
      "best_eval_metric_value": 1., "best_model_eval_metric": "accuracy", "global_step": 4}
  best = _evaluate(tmp_path, series_source={"latest": "best"})
  assert best.global_step == 4
  assert int(best.experiment_module.snapshot_state()["state"]["count"]) == 4


def test_evaluator_in_a_second_thread(whole):
  config = toy.toy_config(8)
  config.one_off_evaluate = False  # It ends by itself: the last checkpoint is there.
  folder = run_folder.RunFolder.open(whole[0])
  writer = writers.RunWriter(folder, tensorboard=False)
  evaluator = threading.Thread(target=train.evaluate, daemon=True, args=(
      toy.ToyExperiment, config, checkpoints.OrbaxCheckpointer(whole[0], mode="eval"),
      writer.for_split("valid"), "eval"))
  evaluator.start()
  evaluator.join(timeout=20)
  assert not evaluator.is_alive()
  assert writers.read_metrics(folder)[-1]["split"] == "valid"


_SAVE_FOR_EVER = """
import numpy as np
from tests.platform.toy import held
step = 0
while True:
  step += 1
  snapshot = {{f"w{{i}}": np.full(20_000, step) for i in range(20)}}
  held({directory!r}, snapshot, step, max_to_keep=2).save("latest")
  print(step, flush=True)
"""


def _child(program, **environment):
  return subprocess.Popen([sys.executable, "-c", program], cwd=_ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=dict(os.environ, **environment))


def test_killed_while_saving(tmp_path):
  children = [_child(_SAVE_FOR_EVER.format(directory=str(tmp_path / str(i)))) for i in range(3)]
  for index, child in enumerate(children):
    reported = 0
    while reported < 3 + index:
      line = child.stdout.readline()
      assert line.strip().isdecimal(), line + child.stdout.read()
      reported = int(line)
    # Somewhere in the next save: the three are killed at different moments of it.
    with pytest.raises(subprocess.TimeoutExpired):
      child.wait(timeout=0.01 + 0.02 * index)
    child.send_signal(signal.SIGKILL)
    reported = max([reported] + [int(line) for line in child.stdout.read().split()])
    child.wait()
    step = checkpoints.latest_step(tmp_path / str(index))
    assert step in (reported, reported + 1)
    restored = toy.held(tmp_path / str(index), {f"w{i}": np.zeros(20_000, int) for i in range(20)})
    restored.restore("latest")
    snapshot = restored.get_experiment_state("latest").experiment_module.snapshot
    assert all((array == step).all() for array in snapshot.values())
    restored.get_experiment_state("latest").global_step = step + 1
    restored.save("latest")
    names = {path.name for path in (tmp_path / str(index) / "checkpoints" / "latest").iterdir()}
    assert str(step + 1) in names and all(name.isdecimal() for name in names)


_ONE_OF_TWO = """
import sys, time, jax, numpy as np
index = int(sys.argv[1])
jax.distributed.initialize("127.0.0.1:{port}", 2, index)
from tests.platform.toy import held
mine = held({directory!r}, {{"w": np.full(3, 1. - index)}}, 5)
mine.save("latest")  # Process 1 returns at once.
while not mine.can_be_restored("latest"):
  time.sleep(0.01)
mine.restore("latest")
assert mine.get_experiment_state("latest").experiment_module.snapshot["w"].tolist() == 3 * [1.]
print("restored", flush=True)
"""


def test_two_processes_share_a_folder(tmp_path):
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
  program = _ONE_OF_TWO.format(port=port, directory=str(tmp_path))
  children = [_child(program.replace("sys.argv[1]", str(i))) for i in range(2)]
  try:
    for child in children:
      output, _ = child.communicate(timeout=30)
      assert child.returncode == 0 and "restored" in output, output
  finally:
    for child in children:
      child.kill()
