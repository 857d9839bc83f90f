"""What can be chosen about a stream, and the one line that says what is wrong with a choice."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from socialized_learning.platform.errors import UserError

GIVEN = "stream"  # As the stream's own definition has it.

_CHOICES = {
    "short_batch": (GIVEN, "drop", "keep"),
    "gcil_weights": ("unif", "longtail"),
    "mnist360_form": ("epoch", "reference"),
    "mnist360_outputs": (9, 10),
    "shuffle": (True, False),
}
_LEAST = {"num_tasks": 0, "classes_per_task": 0, "gcil_seed": 0, "gcil_phase_size": 1,
          "gcil_max_classes": 1}


@dataclasses.dataclass(frozen=True)
class Options:
  """Options of all streams; one that means nothing to a stream must keep its default there."""
  validation: float = 0.0  # This share of the training images replaces the test set.
  shuffle: bool = True  # False: every epoch in the order of the images, `data.order`.
  num_tasks: int = 0  # 0: the stream's own number; of gcil, the phases.
  classes_per_task: int = 0  # 0: the stream's own number.
  short_batch: str = GIVEN  # The short last batch of an epoch: "drop" or "keep".
  gcil_seed: int = 1993  # Of classes and images of the phases, whatever the run's seed is.
  gcil_phase_size: int = 1000  # Images of a phase.
  gcil_max_classes: int = 50  # Classes of a phase are at most so many.
  gcil_weights: str = "unif"  # Or "longtail": class c weighs 0.984^c.
  mnist360_form: str = "epoch"  # Every image at most once; "reference": drawn with replacement.
  mnist360_outputs: int = 10  # Units of the head: 10 (SYNERgy, CLS-ER) or 9 (Dynamos).


# What every stream understands.
COMMON = ("validation", "shuffle")


def read(given: Mapping[str, Any] | None) -> Options:
  """The options of a mapping or ConfigDict, defaults for what it does not have.

  Raises:
    UserError: an unknown option, or a value that it cannot have.
  """
  given = {} if given is None else dict(given)
  known = [field.name for field in dataclasses.fields(Options)]
  for name in given:
    if name not in known:
      raise UserError(f"streams have no option {name!r}: choose among {', '.join(known)}")
  options = Options(**given)
  if not 0 <= options.validation < 1:
    raise UserError(f"stream.validation={options.validation}: must be a share of the training images, "
                    "0 (none) or more and below 1")
  for name, choices in _CHOICES.items():
    if getattr(options, name) not in choices:
      raise UserError(f"stream.{name}={getattr(options, name)!r}: choose one of "
                      f"{', '.join(map(str, choices))}")
  for name, least in _LEAST.items():
    if getattr(options, name) < least or getattr(options, name) % 1:
      raise UserError(f"stream.{name}={getattr(options, name)}: must be a whole number, at least {least}")
  return options


def check_meant(options: Options, stream: str, understood: tuple[str, ...]) -> None:
  """Raises UserError if an option is set that means nothing to this stream."""
  default = Options()
  for field in dataclasses.fields(Options):
    value = getattr(options, field.name)
    if value != getattr(default, field.name) and field.name not in (*COMMON, *understood):
      raise UserError(f"stream.{field.name}={value!r} means nothing to {stream}: leave it at "
                      f"{getattr(default, field.name)!r}")
