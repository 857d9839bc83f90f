"""What a society knows in the end, by agent and by method, as `summary.json` has it.

Shapes: `N` agents, `n` test images, `C` classes.
"""

from collections.abc import Mapping
from typing import Any

import jax
from ml_collections import config_dict
import numpy as np

from socialized_learning.experiments import masc_world
from socialized_learning.metrics import society
from socialized_learning.society import calibration
from socialized_learning.society import exchange
from socialized_learning.society import gates
from socialized_learning.society import stages as stages_lib

# A specialist on its own classes before it grew, and what it became on all, through the gate.
PROGRAMS = {"teacher": ("before", "expert", "expert_top5"),
            "masc": ("after", "global", "global_top5")}

# Gates of the released code between all specialists and the student.
_WITH_STUDENT = {"specialists_gap": "specialists or student, by energy",
                 "specialists_probability_gap": "specialists or student, by both"}

Said = Mapping[str, Mapping[str, np.ndarray]]  # split -> part -> logits [N, n, C] or [n, C]


class _Examined:
  """Answers of one society on the test images."""

  def __init__(self, config: config_dict.ConfigDict, world: masc_world.World, said: Said):
    self.said = said["test"]
    self.labels = world.test.labels
    self.group = world.owner(self.labels)
    self.num_agents = len(world.groups)
    self.sizes = np.bincount(self.group, minlength=self.num_agents)
    self._config, self._world, self._valid = config, world, said.get("valid", {})

  def has(self, *parts: str) -> bool:
    """Whether all these were trained."""
    return all(part in self.said for part in parts)

  def matrix(self, logits: np.ndarray, k: int = 1) -> np.ndarray:
    """Accuracy in percent, label among the k first, on each group: [..., n, C] -> [..., N]."""
    right = _right(logits, self.labels, k)
    return society.group_accuracies(right, self.group, self.num_agents)

  def gated(self, gate: str, student: str, experts: str) -> tuple[np.ndarray, np.ndarray]:
    """Who answers [N, n] and what [N, n, C], agent by agent."""
    margins = self.margins(student, experts) if gate == "margin" else np.zeros(self.num_agents)
    answers = [gates.pair(gate, self.said[student], expert, self.labels, margin=margin,
                          temperature=self._config.temperature)
               for expert, margin in zip(self.said[experts], margins)]
    answers = jax.device_get(answers)
    return np.stack([a.model for a in answers]), np.stack([a.logits for a in answers])

  def of_specialists(self, gate: str) -> np.ndarray:
    """What one of the specialists answers, or the student where they are not sure enough: [n, C]."""
    logits = self.said["specialists"]
    student = self.said.get("student", np.zeros_like(logits[0]))  # Not every gate asks it.
    return np.asarray(gates.specialists(gate, logits, student,
                                        temperature=self._config.temperature).logits)

  def margins(self, student: str, experts: str) -> np.ndarray | None:
    """What calibrates the margin gates on held-out images: [N]; None without those."""
    if not self._valid or self.num_agents < 2:
      return None
    labels = self._world.train.labels[self._world.held_out]
    general = self._valid[student]
    return np.array([calibration.margin(
        np.asarray(gates.familiarity_gap(general, expert, self._config.temperature)),
        _right(expert, labels), _right(general, labels), self._world.owner(labels), agent)
                     for agent, expert in enumerate(self._valid[experts])])


def results(config: config_dict.ConfigDict, world: masc_world.World, said: Said) -> dict[str, Any]:
  """All that is known of a society; parts that were not trained are missing."""
  if not said.get("test"):
    return {}
  found = _Examined(config, world, said)
  answers: dict[str, Any] = {}
  if found.has("specialists"):
    answers["before"] = _before(found)
  if found.has("specialists", "student", "experts"):
    answers["after"] = _after(found, config.evaluation.gate)
    answers["gates"] = _gates(found)
  answers["methods"] = _methods(found, config.evaluation.gate)
  return answers


def _before(found: _Examined) -> dict[str, Any]:
  logits = found.said["specialists"]
  own = np.arange(found.num_agents)
  return _agents(found, found.matrix(logits)) | {
      "expert_top5": found.matrix(logits, 5)[own, own]}


def _after(found: _Examined, gate: str) -> dict[str, Any]:
  """The agents as they answer: grown, through their gates."""
  model, logits = found.gated(gate, "student", "experts")
  matrix, student = found.matrix(logits), found.matrix(found.said["student"])
  before = found.matrix(found.said["specialists"])
  summary = society.summarise(matrix, before, student, found.sizes)
  oracle = found.matrix(found.gated("oracle", "student", "experts")[1])
  return _agents(found, matrix) | {
      "global_top5": society.overall(found.matrix(logits, 5), found.sizes),
      "student": student,
      "student_global": summary["student_global"],
      "retention": summary["retention"],
      "versatility_gain": summary["versatility_gain"],
      "directionality": {
          "column": summary["column_directionality"],
          "column_with_student": summary["column_directionality_with_student"],
          "row": summary["row_directionality"],
          "gain": summary["gain_over_student"],
          "superior_share": summary["superior_share"]},
      "gate": {
          "name": gate,
          **society.routing(model == gates.EXPERT, found.group),
          "oracle": society.overall(oracle, found.sizes),
          "margin": found.margins("student", "experts")},
  }


def _agents(found: _Examined, matrix: np.ndarray) -> dict[str, Any]:
  return {"accuracy_matrix": matrix, "expert": society.expert(matrix),
          "general": society.general(matrix), "average": society.average(matrix),
          "global": society.overall(matrix, found.sizes)}


def _gates(found: _Examined) -> dict[str, Any]:
  """The same agents through every gate."""
  names = [gate for gate in gates.PAIR_GATES
           if gate != "margin" or found.margins("student", "experts") is not None]
  return {gate: _method(found, found.matrix(found.gated(gate, "student", "experts")[1]))
          for gate in names}


def _methods(found: _Examined, gate: str) -> dict[str, Any]:
  """MASC beside what it is compared with."""
  everyone = lambda logits: np.tile(found.matrix(logits), (found.num_agents, 1))
  methods = {}
  if found.has("specialists"):
    methods["isolated specialists"] = found.matrix(found.said["specialists"])
    if found.num_agents > 1:
      methods["specialists, energy gate"] = everyone(found.of_specialists("specialists"))
      if found.has("student"):
        for gate_of_both, title in _WITH_STUDENT.items():
          methods[title] = everyone(found.of_specialists(gate_of_both))
  if found.has("federated"):
    methods["federated averaging"] = everyone(found.said["federated"])
  if found.has("joint"):
    methods["joint training"] = everyone(found.said["joint"])
  if found.has("joint_experts"):
    methods["altruism only"] = found.matrix(found.gated(gate, "joint", "joint_experts")[1])
  if found.has("student"):
    methods["collaboration only"] = everyone(found.said["student"])
  if found.has("experts"):
    methods["MASC"] = found.matrix(found.gated(gate, "student", "experts")[1])
  return {name: _method(found, matrix) for name, matrix in methods.items()}


def _method(found: _Examined, matrix: np.ndarray) -> dict[str, Any]:
  """One line of a table: means over the agents."""
  column = society.column_directionality(matrix)
  return {"expert": society.expert(matrix).mean(), "general": society.general(matrix).mean(),
          "average": society.average(matrix).mean(),
          "global": society.overall(matrix, found.sizes).mean(), "column": column.mean(),
          "superior_share": society.superior_share(column)}


def _right(logits: np.ndarray, labels: np.ndarray, k: int = 1) -> np.ndarray:
  """Whether the label is among the k largest, [..., n, C] -> [..., n]."""
  flat = logits.reshape(-1, *logits.shape[-2:])
  right = np.stack([np.asarray(gates.among_top(of_one, labels, k)) for of_one in flat])
  return right.reshape(logits.shape[:-1])


def scalars(found: Mapping[str, Any]) -> dict[str, float]:
  """What metrics.jsonl says at the end: means over the agents."""
  return {f"test/{when}_{name}": float(np.mean(found[when][name]))
          for when in ("before", "after") if when in found
          for name in ("expert", "general", "average", "global")}


def _tests(config: config_dict.ConfigDict, found: Mapping[str, Any]) -> list[dict[str, Any]]:
  """The original's test programs, top-1 and top-5 of those agents that are asked for, in percent."""
  wanted = config.evaluation
  agents = range(config.groups.num_agents) if wanted.agent == -1 else [wanted.agent]
  return [{"program": program, "agent": agent, "top1": found[part][top1][agent],
           "top5": found[part][top5][agent]}
          for program, (part, top1, top5) in PROGRAMS.items()
          if wanted.program in ("all", program) and part in found for agent in agents]


def summary(config: config_dict.ConfigDict, world: masc_world.World,
            stages: tuple[stages_lib.Stage, ...], found: Mapping[str, Any], sizes: exchange.Sizes
            ) -> dict[str, Any]:
  """What `summary.json` says."""
  classes = [np.flatnonzero(group).tolist() for group in world.groups]
  return {
      "data": {"name": config.data.name, "kind": world.kind, "training_images":
               [len(images) for images in world.owned], "held_out": len(world.held_out),
               "test_images": len(world.test.labels)},
      "fidelity": config.fidelity, "kd_mode": config.collaboration.kd_mode, "gate": config.evaluation.gate,
      "num_agents": len(world.groups), "classes": classes,
      "network": config.network.to_dict(),
      "stages": [{"name": stage.name, "steps": stage.num_steps,
                  "epochs": stage.num_steps // stage.steps_per_epoch} for stage in stages],
      **found,
      "tests": _tests(config, found),
      "exchange": exchange.table(stages, sizes, caches_teachers=config.cache.teachers),
  }
