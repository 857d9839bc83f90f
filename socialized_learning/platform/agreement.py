"""Several processes begin a run together, or none of them does.

Each reads its own options and its own disk. If these differed, they would train something that no
configuration describes, or wait for each other for ever.
"""

import hashlib

import jax
from jax.experimental import multihost_utils
import numpy as np

from socialized_learning.platform.errors import UserError

_DIFFER = (" than process 0: start all with the same options but distributed.process_id, the same settings "
           "of JAX and XLA, and with a --workdir that all of them see")


def agree(problem: UserError | None, plan: str) -> None:
  """Returns if no process has a problem and all have the same plan; all call it.

  Args:
    problem: why this process cannot begin, if so.
    plan: what it would do.

  Raises:
    UserError: this or another process has a problem, or another plan.
  """
  if jax.process_count() > 1:
    nothing = np.zeros(hashlib.sha256().digest_size, np.uint8)
    mine = nothing if problem else np.frombuffer(hashlib.sha256(plan.encode()).digest(), np.uint8)
    problem = _judge(problem, multihost_utils.process_allgather(mine))
    if problem is not None:
      jax.distributed.shutdown()  # Together: who stays behind would lose its peers.
  if problem is not None:
    raise problem


def _judge(own: UserError | None, plans: np.ndarray) -> UserError | None:
  """The problem of a process, given the plans [P, 32] of all: zeros of those that have one."""
  if own is not None:
    return own
  for process, plan in enumerate(plans):
    if not plan.any():
      return UserError(f"process {process} could not begin: see what it says")
  for process, plan in enumerate(plans):
    if (plan != plans[0]).any():
      return UserError(f"process {process} has another configuration, or another run in its folder,"
                       + _DIFFER)
  return None
