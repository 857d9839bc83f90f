"""Which classes are whose: every class belongs to exactly one agent.

Shapes: `N` agents, `C` classes, `n` images.
"""

from collections.abc import Sequence

import numpy as np

from socialized_learning.platform.errors import UserError

SPLITS = ("ordered", "seeded", "given")


def split(kind: str, num_agents: int, num_classes: int, *, seed: int = 0,
          given: Sequence[Sequence[int]] = ()) -> np.ndarray:
  """Divides the classes among the agents.

  Args:
    kind: "ordered" gives agent 0 the first classes, and so on (as published: 0-24, 25-49, …);
      "seeded" the same after a permutation; "given" what `given` says. If the agents cannot have
      equally many, the first have one more.
    num_agents: N.
    num_classes: C.
    seed: of the permutation.
    given: for each agent its classes.

  Returns:
    [N, C] bool.

  Raises:
    UserError: an unknown kind; an agent without classes; given classes that do not exist, belong to
      several agents, or to none; groups for more or fewer agents than N.
  """
  if kind not in SPLITS:
    raise UserError(f"split={kind!r}: choose one of {', '.join(SPLITS)}")
  if kind == "given":
    return _given(num_agents, num_classes, given)
  if not 0 < num_agents <= num_classes:
    raise UserError(f"groups.num_agents={num_agents}: {num_classes} classes cannot be divided among so "
                    f"many, every agent needs one at least, use 1 to {num_classes}")
  order = np.arange(num_classes)
  if kind == "seeded":
    order = np.random.default_rng(seed).permutation(num_classes)
  return _masks(np.array_split(order, num_agents), num_classes)


def owners(groups: np.ndarray) -> np.ndarray:
  """The agent of each class: [N, C] bool -> [C] int32; of images it is `owners(groups)[labels]`."""
  return groups.argmax(axis=0).astype(np.int32)


def check_agent(agent: int, num_agents: int) -> None:
  """Raises UserError if there is no such agent."""
  if not 0 <= agent < num_agents:
    raise UserError(f"evaluation.agent={agent}: there are {num_agents}, counted from 0 to {num_agents - 1}")


def _given(num_agents: int, num_classes: int, given: Sequence[Sequence[int]]) -> np.ndarray:
  if len(given) != num_agents:
    raise UserError(f"groups.given has classes for {len(given)} agents, and groups.num_agents is "
                    f"{num_agents}: give each agent its classes")
  owner: dict[int, int] = {}
  for agent, classes in enumerate(given):
    if not len(classes):
      raise UserError(f"agent {agent} is given no classes: every agent needs one at least")
    for label in classes:
      if not isinstance(label, (int, np.integer)) or not 0 <= label < num_classes:
        raise UserError(f"agent {agent} is given class {label!r}: classes are 0 to "
                        f"{num_classes - 1}")
      if label in owner:
        twice = "twice" if owner[label] == agent else f"too, as agent {owner[label]} is"
        raise UserError(f"agent {agent} is given class {label} {twice}: name every class once")
      owner[label] = agent
  left = sorted(set(range(num_classes)) - owner.keys())
  if left:
    raise UserError(f"no agent is given class {_few(left)}: every class needs an agent")
  return _masks(given, num_classes)


def _masks(groups: Sequence[Sequence[int]], num_classes: int) -> np.ndarray:
  return np.stack([np.isin(np.arange(num_classes), group) for group in groups])


def _few(labels: Sequence[int]) -> str:
  shown = ", ".join(map(str, labels[:5]))
  return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"
