"""The two ways a run may end badly without being a defect of the program.

Everything else that is raised is a bug and shows its traceback.
"""

from collections.abc import Sequence
from typing import Any

_MAX_SHOWN = 80  # Characters of a value in a message.


class UserError(Exception):
  """Something the user can put right: one line, what is wrong and what would be right.

  The command line prints the message and exits with status 2.
  """


class FolderError(UserError):
  """A file or checkpoint in a run's folder cannot be used.

  `problem` says so without advice: what helps the run of that folder does not help another one that
  only reads there.
  """

  def __init__(self, problem: str, advice: str):
    """The message is both."""
    super().__init__(f"{problem}: {advice}")
    self.problem = problem


class NonFiniteError(Exception):
  """A loss, gradient or parameter became NaN or infinite: what was saved before is good and stays.

  The command line prints the message and exits with status 3.
  """

  def __init__(self, step: int, metric: str, value: float | str, others: Sequence[str] = (),
               arrays: Sequence[str] = ()):
    """Says what was found; `others` are metrics, `arrays` those of the state that it led to."""
    too = f"{', '.join(others)} too; " if others else ""
    more = f" and {len(arrays) - 1} more" if len(arrays) > 1 else ""
    state = f"in the state then {arrays[0]}{more}; " if arrays else ""
    super().__init__(
        f"{metric} is {value} at step {step}: {too}{state}training stopped before this was saved; "
        "checkpoints of earlier steps are good and kept (a smaller learning rate may help)")
    self.step = step
    self.metric = metric


def shown(value: Any) -> str:
  """A value that was read from disk as a message can show it: on one line, and shortened."""
  text = "".join(c if c.isprintable() else " " for c in str(value))
  return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN - 3] + "..."
