"""What is asked of the members on test sets: examinations of their networks, and probes at the end.

Shapes: `N` members, `n` examples of a test set.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from socialized_learning import learners
from socialized_learning import streams
from socialized_learning.agents import classifiers
from socialized_learning.experiments import continual_world
from socialized_learning.learners import examination
from socialized_learning.population import compilation
from socialized_learning.report import sparsity_figure

_PICTURES = {"sparsity": sparsity_figure.draw}  # Of a probe, if it has one.


def make_examiner(classifier: classifiers.Classifier, learner: learners.Learner,
                  stream: streams.Stream, over: Any):
  """Examines all heads of all members on one test set, on one device."""

  @compilation.jit
  def examine(states, world, index, view, valid, outputs):
    def one(state, table, index, view, valid):
      show = lambda index, view: continual_world.show(
          stream, world["test"], table, index, view, None)
      return {head: examination.examine(classifier, net, show, world["test_labels"], index, view,
                                        valid, outputs)
              for head, net in learner.heads(state).items()}

    return over(one)(states, world["table"], index, view, valid)

  return examine


class Probes:
  """The probes of a learner: looks once, at the end, and keeps what was found."""

  def __init__(self, learner: learners.Learner, stream: streams.Stream, over: Any):
    """Nothing has been looked at yet."""
    self._probes = learner.probes or {}
    self._look = {name: _make_look(probe, stream, over) for name, probe in self._probes.items()}
    self.reports: dict[str, dict[str, Any]] = {}  # By the name of the probe.

  def look(self, states: Any, world: dict[str, Any], planned: tuple[streams.Stream, ...]) -> None:
    """Looks at all members, with leading axis [N], on all test sets: each image once."""
    tests = planned[0].tests
    tasks = range(len(tests.index))
    for name, probe in self._probes.items():
      sums = [self._look[name](states, world, *continual_world.test_set(planned, task)[:3])
              for task in (tasks if tests.nested is None else tasks[-1:])]
      self.reports[name] = probe.report(
          jax.tree.map(lambda *xs: np.sum(xs, axis=0), *jax.device_get(sums)))

  def pictures(self) -> dict[str, bytes]:
    """PNG files of what was found, by the name of the probe."""
    return {name: _PICTURES[name](report) for name, report in self.reports.items()
            if name in _PICTURES}


def _make_look(probe: learners.Probe, stream: streams.Stream, over: Any) -> Callable[..., Any]:
  """Sums of all members over one test set, on one device."""

  @compilation.jit
  def look(states, world, index, view, valid):
    def one(state, table, index, view, valid):
      def ask(index, view, valid, key):
        del key
        images = continual_world.show(stream, world["test"], table, index, view, None)
        return probe.look(state, images, world["test_labels"][index], valid)

      return examination.in_chunks(ask, index, view, valid)

    return over(one)(states, world["table"], index, view, valid)

  return look
