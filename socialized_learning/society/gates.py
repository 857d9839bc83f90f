"""Who answers: gates between a generalist and specialists, image by image.

A model answers where the image is most familiar to it, by the soft maximum of its logits. Equals
are decided for the student, else for the first. No class is masked: the answer is any of all C.

Shapes: `M` models, `N` specialists, `B` examples, `C` classes.
Source: the inference rules of MASC's released code; margin and oracle are ours.
"""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from socialized_learning.society import energy

STUDENT, EXPERT = 0, 1  # Models of the gates between two.
PAIR_GATES = ("lse", "margin", "student", "expert", "oracle")
SPECIALIST_GATES = ("specialists", "specialists_gap", "specialists_probability_gap")
# Constants of the released code, which were apparently tuned on test images.
ENERGY_GAP = 6.398
ENERGY_GAP_WITH_PROBABILITY, PROBABILITY_GAP = 5.0, 0.01


class Answer(NamedTuple):
  """What a gate lets through."""
  model: chex.Array  # [B] int32, who answers
  logits: chex.Array  # [B, C], what it says


@jax.jit
def familiarity_gap(student: chex.Array, expert: chex.Array, temperature: float = 1.0
                   ) -> chex.Array:
  """How much more familiar an image is to the expert: [B, C], [B, C] -> [B]."""
  return energy.free_energy(student, temperature) - energy.free_energy(expert, temperature)


@functools.partial(jax.jit, static_argnames="gate")
def pair(gate: str, student: chex.Array, expert: chex.Array, labels: chex.Array, *,
         margin: float | chex.Array = 0.0, temperature: float = 1.0) -> Answer:
  """The student or one expert answers.

  lse: whoever knows the image better (the released rule). margin: the expert if it knows it better
  by more than the margin. student, expert: always that one. oracle: the expert where it alone is
  right.

  Args:
    gate: one of `PAIR_GATES`.
    student: [B, C] logits.
    expert: [B, C] logits.
    labels: [B], which only the oracle looks at.
    margin: of the gate of that name, see `calibration.margin`.
    temperature: of the free energy.

  Returns:
    The answers; `model` is `STUDENT` or `EXPERT`.

  Raises:
    ValueError: an unknown gate.
  """
  if gate not in PAIR_GATES:
    raise ValueError(f"gate {gate!r}: one of {', '.join(PAIR_GATES)}")
  chex.assert_equal_shape([student, expert])
  if gate in ("lse", "margin"):
    chosen = familiarity_gap(student, expert, temperature) > (margin if gate == "margin" else 0)
  elif gate == "oracle":
    chosen = among_top(expert, labels, 1) & ~among_top(student, labels, 1)
  else:
    chosen = jnp.full(labels.shape, gate == "expert")
  return _answer(chosen.astype(jnp.int32), jnp.stack([student, expert]))


@functools.partial(jax.jit, static_argnames="gate")
def specialists(gate: str, logits: chex.Array, student: chex.Array, *, temperature: float = 1.0
               ) -> Answer:
  """One of several specialists answers, or the student where they are not sure enough.

  specialists: to whom the image is the most familiar. specialists_gap: the same if the second comes
  `ENERGY_GAP` behind. specialists_probability_gap: the same if it comes
  `ENERGY_GAP_WITH_PROBABILITY` behind, and of the specialists' greatest probabilities the two
  largest, whosoever they are, differ by `PROBABILITY_GAP`.

  Args:
    gate: one of `SPECIALIST_GATES`.
    logits: [N, B, C] of the specialists, two at least.
    student: [B, C] logits.
    temperature: of the free energy.

  Returns:
    The answers; `model` is 0 ... N - 1, or N for the student.

  Raises:
    ValueError: an unknown gate.
  """
  if gate not in SPECIALIST_GATES:
    raise ValueError(f"gate {gate!r}: one of {', '.join(SPECIALIST_GATES)}")
  chex.assert_rank([logits, student], [3, 2])
  energies = energy.free_energy(logits, temperature)
  chosen = energies.argmin(axis=0).astype(jnp.int32)
  if gate != "specialists":
    needed = ENERGY_GAP if gate == "specialists_gap" else ENERGY_GAP_WITH_PROBABILITY
    is_sure = _first_gap(-energies) >= needed
    if gate == "specialists_probability_gap":
      is_sure &= _first_gap(jax.nn.softmax(logits).max(axis=-1)) >= PROBABILITY_GAP
    chosen = jnp.where(is_sure, chosen, logits.shape[0])
  return _answer(chosen, jnp.concatenate([logits, student[None]]))


@functools.partial(jax.jit, static_argnames="k")
def among_top(logits: chex.Array, labels: chex.Array, k: int) -> chex.Array:
  """Whether the label has one of the k largest logits, of equals the first: [B, C], [B] -> [B]."""
  own = jnp.take_along_axis(logits, labels[:, None], axis=-1)
  is_before = jnp.arange(logits.shape[-1]) < labels[:, None]
  return ((logits > own) | ((logits == own) & is_before)).sum(axis=-1) < k


def _answer(model: chex.Array, logits: chex.Array) -> Answer:
  """Of logits [M, B, C] those of the model [B]."""
  return Answer(model, jnp.take_along_axis(logits, model[None, :, None], axis=0)[0])


def _first_gap(values: chex.Array) -> chex.Array:
  """By how much the largest of values [M, B] exceeds the second: [B]."""
  largest = jax.lax.top_k(values.T, 2)[0]
  return largest[:, 0] - largest[:, 1]
