"""What a society knows in the end, by agent and by method, as `summary.json` has it.

Shapes: `N` agents, `M` of them whose network is there, `n` test images, `C` classes. What is unknown
of an agent whose network is not there is NaN.
"""

from collections.abc import Mapping
import functools
from typing import Any

import jax
from ml_collections import config_dict
import numpy as np

from socialized_learning.experiments import masc_weights
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

Said = Mapping[str, Mapping[str, np.ndarray]]  # split -> part -> logits [M, n, C] or [n, C]


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

  def agents(self, part: str) -> np.ndarray:
    """The agents whose networks a part holds, [M]."""
    return masc_weights.agents(self._config, part)

  def spread(self, part: str, found: np.ndarray) -> np.ndarray:
    """What was found of the agents of a part, [M, …] -> [N, …]."""
    of_all = np.full((self.num_agents, *found.shape[1:]), np.nan)
    of_all[self.agents(part)] = found
    return of_all

  def agents_matrix(self, part: str, logits: np.ndarray, k: int = 1) -> np.ndarray:
    """The accuracy matrix of what the agents of a part answer: [M, n, C] -> [N, N]."""
    return self.spread(part, self.matrix(logits, k))

  def gated(self, gate: str, student: str, experts: str) -> tuple[np.ndarray, np.ndarray]:
    """Who answers [M, n] and what [M, n, C], agent by agent."""
    margins = (self.margins(student, experts) if gate == "margin"
               else np.zeros(len(self.said[experts])))
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
    """What calibrates the margin gates on held-out images: [M]; None without those."""
    if not self._valid or self.num_agents < 2:
      return None
    labels = self._world.train.labels[self._world.held_out]
    general = self._valid[student]
    return np.array([calibration.margin(
        np.asarray(gates.familiarity_gap(general, expert, self._config.temperature)),
        _right(expert, labels), _right(general, labels), self._world.owner(labels), agent)
                     for agent, expert in zip(self.agents(experts), self._valid[experts])])


def results(config: config_dict.ConfigDict, world: masc_world.World, said: Said) -> dict[str, Any]:
  """All that is known of a society; parts that were not trained are missing."""
  if not said.get("test"):
    return {}
  found = _Examined(config, world, said)
  answers: dict[str, Any] = {}
  if found.has("specialists"):
    answers["before"] = _before(found)
  if found.has("student", "experts"):
    answers["after"] = _after(found, config.evaluation.gate)
    answers["gates"] = _gates(found)
  answers["methods"] = _methods(found, config.evaluation.gate)
  return answers


def _before(found: _Examined) -> dict[str, Any]:
  logits = found.said["specialists"]
  matrix = functools.partial(found.agents_matrix, "specialists", logits)
  return _agents(found, matrix()) | {"expert_top5": society.expert(matrix(5))}


def _after(found: _Examined, gate: str) -> dict[str, Any]:
  """The agents as they answer: grown, through their gates."""
  model, logits = found.gated(gate, "student", "experts")
  of_agents = functools.partial(found.agents_matrix, "experts")
  matrix, student = of_agents(logits), found.matrix(found.said["student"])
  before = np.full_like(matrix, np.nan)
  if found.has("specialists"):
    before = found.agents_matrix("specialists", found.said["specialists"])
  summary = society.summarise(matrix, before, student, found.sizes)
  oracle = of_agents(found.gated("oracle", "student", "experts")[1])
  routing = society.routing(found.spread("experts", model) == gates.EXPERT, found.group)
  is_there = np.isin(np.arange(found.num_agents), found.agents("experts"))
  margins = found.margins("student", "experts")
  return _agents(found, matrix) | {
      "global_top5": society.overall(of_agents(logits, 5), found.sizes),
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
          **{name: np.where(is_there, share, np.nan) for name, share in routing.items()},
          "oracle": society.overall(oracle, found.sizes),
          "margin": None if margins is None else found.spread("experts", margins)},
  }


def _agents(found: _Examined, matrix: np.ndarray) -> dict[str, Any]:
  return {"accuracy_matrix": matrix, "expert": society.expert(matrix),
          "general": society.general(matrix), "average": society.average(matrix),
          "global": society.overall(matrix, found.sizes)}


def _gates(found: _Examined) -> dict[str, Any]:
  """The same agents through every gate."""
  names = [gate for gate in gates.PAIR_GATES
           if gate != "margin" or found.margins("student", "experts") is not None]
  return {gate: _method(found, _answered(found, gate)) for gate in names}


def _answered(found: _Examined, gate: str, student: str = "student", experts: str = "experts"
             ) -> np.ndarray:
  """The accuracy matrix of agents through a gate, [N, N]."""
  return found.agents_matrix(experts, found.gated(gate, student, experts)[1])


def _methods(found: _Examined, gate: str) -> dict[str, Any]:
  """MASC beside what it is compared with."""
  everyone = lambda logits: np.tile(found.matrix(logits), (found.num_agents, 1))
  methods = {}
  if found.has("specialists"):
    methods["isolated specialists"] = found.agents_matrix("specialists", found.said["specialists"])
    if len(found.agents("specialists")) == found.num_agents > 1:
      methods["specialists, energy gate"] = everyone(found.of_specialists("specialists"))
      if found.has("student"):
        for gate_of_both, title in _WITH_STUDENT.items():
          methods[title] = everyone(found.of_specialists(gate_of_both))
  if found.has("federated"):
    methods["federated averaging"] = everyone(found.said["federated"])
  if found.has("joint"):
    methods["joint training"] = everyone(found.said["joint"])
  if found.has("joint_experts"):
    methods["altruism only"] = _answered(found, gate, "joint", "joint_experts")
  if found.has("student"):
    methods["collaboration only"] = everyone(found.said["student"])
  if found.has("experts"):
    methods["MASC"] = _answered(found, gate)
  return {name: _method(found, matrix) for name, matrix in methods.items()}


def _method(found: _Examined, matrix: np.ndarray) -> dict[str, Any]:
  """One line of a table: means over the agents that are there."""
  there = ~np.isnan(matrix).all(axis=1)
  mean = lambda of_agents: of_agents[there].mean()
  column = society.column_directionality(matrix)
  return {"expert": mean(society.expert(matrix)), "general": mean(society.general(matrix)),
          "average": mean(society.average(matrix)),
          "global": mean(society.overall(matrix, found.sizes)), "column": mean(column),
          "superior_share": society.superior_share(column)}


def _right(logits: np.ndarray, labels: np.ndarray, k: int = 1) -> np.ndarray:
  """Whether the label is among the k largest, [..., n, C] -> [..., n]."""
  flat = logits.reshape(-1, *logits.shape[-2:])
  right = np.stack([np.asarray(gates.among_top(of_one, labels, k)) for of_one in flat])
  return right.reshape(logits.shape[:-1])


def scalars(found: Mapping[str, Any]) -> dict[str, float]:
  """What metrics.jsonl says at the end: means over the agents that are there."""
  return {f"test/{when}_{name}": float(found["methods"][method][name])
          for when, method in (("before", "isolated specialists"), ("after", "MASC")) if when in found
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
      "data": {"name": config.data.name, "kind": world.kind, "order": config.data.order,
               "training_images": [len(images) for images in world.owned],
               "held_out": len(world.held_out), "test_images": len(world.test.labels)},
      "given": sorted(masc_weights.given(config)),
      "fidelity": config.fidelity, "kd_mode": config.collaboration.kd_mode, "gate": config.evaluation.gate,
      "num_agents": len(world.groups), "classes": classes,
      "network": config.network.to_dict(),
      "stages": [{"name": stage.name, "steps": stage.num_steps,
                  "epochs": stage.num_steps // stage.steps_per_epoch} for stage in stages],
      **found,
      "tests": _tests(config, found),
      "exchange": exchange.table(stages, sizes, caches_teachers=config.cache.teachers),
  }
