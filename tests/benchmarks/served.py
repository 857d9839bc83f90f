"""A system that `measure.alternate` can ask for its steps: `python -m tests.benchmarks.served STEPS`."""

import itertools
import sys

from benchmarks import measure

if __name__ == "__main__":
  count = itertools.count(-1)  # The first step is for compiling.

  def step():
    if next(count) == int(sys.argv[1]):
      sys.exit(3)

  measure.serve(lambda: measure.System(step, lambda: 0.0), matmul_size=8)
