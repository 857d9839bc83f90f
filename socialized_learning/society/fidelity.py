"""How a society trains: as it should, as the paper's recipe says, or as the released code does.

| | `clean` (default) | `paper` | `code` |
|---|---|---|---|
| cross-entropy | of the logits | of the logits | of the softmax, taken for logits |
| divergence | temperature T, mean over images | the same | softmax twice, mean over classes too |
| of all teachers | mean | mean | sum |
| energy | free energy, anchor -20 | the same | soft minimum, anchor -10, of a second pass |
| learning rate | warm-up to 0.1, cosine to 0 | 0.005 | 0.005, momentum forgotten each epoch |
| batch, epochs of a stage | 128, 500 | 128, 500 | 32, 100 |
| training images | cropped and flipped | flipped | flipped, alike in every epoch |
| colours normalised by | the constants of CIFAR-10 | the same | those of ImageNet |
| model | best in validation | last | last |

The released code leaves the weights of its losses undefined, and the anchor and beta of its energy:
here the weights are the paper's, the others those of ESN, which that energy comes from. That
`clean` warms up for five epochs is our choice. Not reproduced: the code chooses a model by its test
accuracy, and flips test images too.

Shapes: `B` examples, `C` classes.
Source: MASC's released code, and what readers of the paper reported of its recipe.
"""

from collections.abc import Callable
import functools
from typing import NamedTuple

import chex
import jax

from socialized_learning.learners import steps
from socialized_learning.platform.errors import UserError
from socialized_learning.society import distillation
from socialized_learning.society import energy

SCHEDULES = ("constant", "warmup_cosine")


class Settings(NamedTuple):
  """The numbers and choices of one fidelity; every stage has the same."""
  learning_rate: float
  schedule: str  # One of `SCHEDULES`.
  warmup_epochs: int  # From 0 up to the learning rate; only of a schedule that has them.
  momentum: float
  weight_decay: float  # Added to the gradient of every parameter.
  resets_momentum: bool  # At the start of every epoch.
  batch_size: int
  num_epochs: int  # Of each stage.
  augmentation: str  # Of training images: "crop_flip" or "flip".
  normalisation: str  # Of colours: by the constants of "cifar" or "imagenet".
  same_every_epoch: bool  # Whether order, augmentation and dropout are those of the first epoch.
  selection: str  # Which model is kept: "validation" or "last".
  kd_mode: str  # One of `distillation.KD_MODES`.
  kd_weight: float
  alignment_weight: float
  anchor: float
  temperature: float  # Of divergence and free energy; `code` knows none.


class Losses(NamedTuple):
  """Losses of each example, and how they are put together.

  cross_entropy(logits [B, C], labels [B]) -> [B]. alignment(logits) -> [B].
  divergence(logits, targets, among=None) -> [B], see `distillation.divergence`.
  """
  cross_entropy: Callable[[chex.Array, chex.Array], chex.Array]
  divergence: Callable[..., chex.Array]
  alignment: Callable[[chex.Array], chex.Array]
  sums_teachers: bool  # Whether the divergences of the teachers are added up, not averaged.
  aligns_second_pass: bool  # Whether alignment looks at a forward pass in training of its own.


_PAPER = Settings(
    learning_rate=0.005, schedule="constant", warmup_epochs=0, momentum=0.9, weight_decay=5e-4,
    resets_momentum=False, batch_size=128, num_epochs=500, augmentation="flip",
    normalisation="cifar", same_every_epoch=False, selection="last", kd_mode="owner_head",
    kd_weight=1.0, alignment_weight=0.1, anchor=-20.0, temperature=1.0)
SETTINGS = {
    "clean": _PAPER._replace(
        learning_rate=0.1, schedule="warmup_cosine", warmup_epochs=5, augmentation="crop_flip",
        selection="validation"),
    "paper": _PAPER,
    "code": _PAPER._replace(
        resets_momentum=True, batch_size=32, num_epochs=100, normalisation="imagenet",
        same_every_epoch=True, kd_mode="all_teachers", anchor=-10.0),
}
FIDELITIES = tuple(SETTINGS)


def settings(fidelity: str) -> Settings:
  """The settings of one of `FIDELITIES`.

  Raises:
    UserError: there is no such fidelity.
  """
  if fidelity not in SETTINGS:
    raise UserError(f"fidelity={fidelity!r}: choose one of {', '.join(FIDELITIES)}")
  return SETTINGS[fidelity]


def make_losses(fidelity: str, *, anchor: float, temperature: float) -> Losses:
  """The losses of a fidelity.

  Args:
    fidelity: one of `FIDELITIES`.
    anchor: the energy that alignment pulls to.
    temperature: of divergence and free energy; it must be 1 for `code`.

  Raises:
    UserError: there is no such fidelity, or its losses know no temperature.
  """
  settings(fidelity)
  if fidelity != "code":
    return Losses(
        steps.cross_entropy,
        functools.partial(distillation.divergence, temperature=temperature),
        lambda logits: energy.alignment(energy.free_energy(logits, temperature), anchor),
        sums_teachers=False, aligns_second_pass=False)
  if temperature != 1:
    raise UserError(f"temperature={temperature}: the losses of fidelity='code' know none but 1")
  return Losses(
      lambda logits, labels: steps.cross_entropy(jax.nn.softmax(logits), labels),
      distillation.doubled_divergence,
      lambda logits: energy.alignment(energy.soft_minimum(logits), anchor),
      sums_teachers=True, aligns_second_pass=True)
