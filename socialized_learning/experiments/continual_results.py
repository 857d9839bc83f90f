"""What examinations along a stream said: accuracy matrices, and what is computed from them.

Shapes: `N` members (seeds), `T` tasks, `O` outputs, `M` bins of confidence.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import config_dict
import numpy as np

from socialized_learning import streams
from socialized_learning.learners import examination
from socialized_learning.metrics import calibration
from socialized_learning.metrics import continual
from socialized_learning.report import continual_csv

FORGETTING = "clean"  # Which definition of forgetting is reported, see `metrics.continual`.
_OUTPUTS = {streams.CLASS_IL: "all outputs", "task_il": "outputs of the task",
            streams.DOMAIN_IL: "all outputs", streams.GENERAL: "all outputs"}


class Results:
  """All examinations of one run, as arrays that a checkpoint can hold."""

  def __init__(self, heads: Sequence[str], num_members: int, num_tasks: int, num_outputs: int):
    """Nothing has been examined yet."""
    nothing = lambda *shape: np.full((num_members, *shape), np.nan)
    self.num_tasks = num_tasks
    self._arrays: dict[str, Any] = {"begun": np.zeros((), np.int32), "heads": {
        head: {
            "start": nothing(num_tasks), "start_in_task": nothing(num_tasks),
            "accuracy": nothing(num_tasks, num_tasks),
            "accuracy_in_task": nothing(num_tasks, num_tasks),
            "confusion": np.zeros((num_members, num_outputs, num_outputs), np.int32),
            "calibration": np.zeros((num_members, examination.NUM_BINS, 3), np.float32),
        } for head in heads}}

  @property
  def begun(self) -> bool:
    """Whether the start has been noted."""
    return bool(self._arrays["begun"])

  def to_arrays(self) -> dict[str, Any]:
    """All of it, for a checkpoint."""
    return self._arrays

  def from_arrays(self, arrays: Mapping[str, Any]) -> None:
    """Goes on from what `to_arrays` gave."""
    self._arrays = arrays

  def note_start(self, counts: Mapping[str, examination.Counts]) -> None:
    """Notes the examination before any training, counts [N, T, …] by head."""
    for head, found in counts.items():
      noted = self._arrays["heads"][head]
      noted["start"] = _percent(found.correct, found.total)
      noted["start_in_task"] = _percent(found.correct_in_task, found.total)
    self._arrays["begun"] = np.ones((), np.int32)

  def note(self, task: int, counts: Mapping[str, examination.Counts]) -> None:
    """Notes the examination after a task, on the first so many test sets: counts [N, i, …]."""
    for head, found in counts.items():
      noted, num = self._arrays["heads"][head], found.total.shape[1]
      noted["accuracy"][:, task, :num] = _percent(found.correct, found.total)
      noted["accuracy_in_task"][:, task, :num] = _percent(found.correct_in_task, found.total)
      noted["confusion"] = found.confusion[:, :task + 1].sum(axis=1, dtype=np.int32)
      noted["calibration"] = found.calibration[:, :task + 1].sum(axis=1, dtype=np.float32)

  def examinations(self, stream: streams.Stream) -> list[continual_csv.Examination]:
    """Every head under every setting of the stream."""
    found = []
    for head, noted in self._arrays["heads"].items():
      error = calibration.expected_calibration_error(noted["calibration"])
      settings = [(stream.setting, "", error)]
      if stream.task_classes is not None:
        settings.append(("task_il", "_in_task", None))
      for setting, suffix, ece in settings:
        found.append(continual_csv.Examination(
            head=head, setting=setting, label_space=_OUTPUTS[setting],
            task_identity="told in the test" if setting == "task_il" else "never told",
            accuracy=noted[f"accuracy{suffix}"], random_init=noted[f"start{suffix}"], ece=ece,
            nested=stream.tests.nested is not None))
    return found

  def after_task(self, task: int, stream: streams.Stream) -> dict[str, Any]:
    """What metrics.jsonl says after a task: accuracies in percent on its test set and those before.

    `HEAD_SETTING` is their mean and `HEAD_SETTING/task_n` that of task n, counted from 1, both means
    over the seeds; `HEAD_SETTING/seeds` [N, task + 1] is the accuracy of each seed on each of them.
    """
    found: dict[str, Any] = {"test/task": task + 1}
    for e in self.examinations(stream):
      name, seeds = f"test/{e.head}_{e.setting}", np.asarray(e.accuracy)[:, task, :task + 1]
      found[name] = float(continual.average_accuracies(e.accuracy)[:, task].mean())
      found |= {f"{name}/task_{i + 1}": float(mean) for i, mean in enumerate(seeds.mean(axis=0))}
      found[f"{name}/seeds"] = seeds.tolist()
    return found

  def final_metrics(self, stream: streams.Stream) -> dict[str, float]:
    """Final average accuracies, the mean over the seeds."""
    return {f"test/{e.head}_{e.setting}": float(
        continual.final_average_accuracy(e.accuracy).mean()) for e in self.examinations(stream)}

  def summary(self, config: config_dict.ConfigDict, planned: Sequence[streams.Stream], kind: str
             ) -> dict[str, Any]:
    """What `summary.json` says of the members' streams."""
    stream, heads = planned[0], {}
    for e in self.examinations(stream):
      numbers = e.metrics(FORGETTING)
      if e.ece is None:
        del numbers["ece"]
      if e.nested:
        numbers["all_seen_classes"] = np.asarray(e.accuracy)[:, -1, -1]
      heads.setdefault(e.head, {})[e.setting] = {
          "label_space": e.label_space, "task_identity": e.task_identity, **numbers,
          "over_seeds": {name: continual.summarise(values) for name, values in numbers.items()},
          "accuracy_matrix": e.accuracy, "random_init": e.random_init}
      if e.ece is not None:
        heads[e.head][e.setting]["confusion"] = self._arrays["heads"][e.head]["confusion"]
    return {
        "method": config.method, "stream": config.stream.name, "setting": stream.setting,
        "buffer": config.learner.buffer_size, "fidelity": config.learner.fidelity,
        "seeds": self._seeds(config),
        "data": {"name": config.data.name, "kind": kind, "order": config.data.order},
        "plan": [streams.fingerprint(each) for each in planned], "num_tasks": self.num_tasks,
        "preset": config.preset.to_dict() | {"changed": changed_values(config)},
        "forgetting_definition": FORGETTING, "heads": heads}

  def tables(self, config: config_dict.ConfigDict, stream: streams.Stream, steps: int
            ) -> dict[str, str]:
    """CSV files by name, after so many updates."""
    run = {"method": config.method, "stream": config.stream.name,
           "buffer": config.learner.buffer_size, "seeds": self._seeds(config)}
    found = self.examinations(stream)
    return {"results.csv": continual_csv.to_csv(found, **run, steps=steps, forgetting=FORGETTING),
            "accuracy_matrix.csv": continual_csv.matrix_to_csv(found, **run)}

  def _seeds(self, config: config_dict.ConfigDict) -> list[int]:
    """Seeds of the members' plans; their other randomness hangs on the run's seed and their number."""
    return [config.stream.seed + member for member in range(config.population.size)]


def changed_values(config: config_dict.ConfigDict) -> dict[str, dict[str, Any]]:
  """Values that are not the preset's: name -> preset, and given."""
  changed = {}

  def compare(preset, given, group):
    for name, value in preset.items():
      if isinstance(value, config_dict.ConfigDict):
        compare(value, given[name], f"{name}." if name != "learner" else "")
      elif given[name] != value:
        changed[group + name] = {"preset": value, "given": given[name]}

  compare(config.preset_values, config, "")
  _, _, *slots = config.sweep.split(",")
  compare({"buffer_size": int(slots[0]) if slots else 0}, config.learner, "")
  return changed


def _percent(correct: np.ndarray, total: np.ndarray) -> np.ndarray:
  return 100 * np.asarray(correct, np.float64) / np.asarray(total, np.float64)
