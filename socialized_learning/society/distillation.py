"""What teachers pass on to a student: divergences from their outputs, and from whom on which image.

Shapes: `N` teachers, `B` examples on this device, `C` classes.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from socialized_learning.learners import steps

# Whose outputs are to match whose, and on which images:
KD_MODES = (
    "owner_head",  # A head for each teacher on the student's features; on the teacher's images.
    "owner_slice",  # The student's outputs of the teacher's classes alone; on the teacher's images.
    "all_teachers",  # All of the student's outputs; every teacher on every image.
    "mid_feature",  # The rest of the teacher, run on the student's activations; on its images.
)
Divergence = Callable[..., chex.Array]  # (logits [B, C], targets [B, C], among [C] | None) -> [B]
_OWN_LOGITS = ("owner_head", "mid_feature")  # A set of logits for each teacher.


def _log_softmax(x: chex.Array, among: chex.Array | None) -> chex.Array:
  """Over the classes that are True in `among` [C]; the others get the least finite number."""
  # With infinities the gradient would not be a number.
  x = x if among is None else jnp.where(among, x, jnp.finfo(x.dtype).min)
  return jax.nn.log_softmax(x)


def _kl(log_q: chex.Array, log_p: chex.Array) -> chex.Array:
  return (jnp.exp(log_q) * (log_q - log_p)).sum(axis=-1)


def divergence(logits: chex.Array, targets: chex.Array, among: chex.Array | None = None, *,
               temperature: float = 1.0) -> chex.Array:
  """`T^2 KL(softmax(q / T) || softmax(z / T))` of each example: [B, C], [B, C] -> [B].

  Source: Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network".

  Args:
    logits: z, of the student.
    targets: q, of the teacher; no gradient flows to them.
    among: [C] bool, the classes that both are normalised over; None for all.
    temperature: T.
  """
  soft = lambda x: _log_softmax(x / temperature, among)
  return temperature**2 * _kl(soft(jax.lax.stop_gradient(targets)), soft(logits))


def doubled_divergence(logits: chex.Array, targets: chex.Array, among: chex.Array | None = None
                      ) -> chex.Array:
  """The released `KL(softmax(softmax(q)) || softmax(softmax(z))) / C`: [B, C], [B, C] -> [B].

  Networks of that code end in a softmax and its losses begin with one, and it takes the mean over
  classes too, so that this is hardly ever far from 0. With `among` [C] bool both softmaxes and C
  are those of some classes.
  """
  num_classes = logits.shape[-1] if among is None else among.sum()
  twice = lambda x: _log_softmax(jnp.exp(_log_softmax(x, among)), among)
  return _kl(twice(jax.lax.stop_gradient(targets)), twice(logits)) / num_classes


def owned(groups: chex.Array, labels: chex.Array) -> chex.Array:
  """Which images are whose: groups [N, C] bool, labels [B] -> [N, B] bool."""
  return jnp.asarray(groups)[:, labels]


def distil(mode: str, diverge: Divergence, logits: chex.Array, targets: chex.Array,
           groups: chex.Array, labels: chex.Array, valid: chex.Array, axis_name: str | None
          ) -> chex.Array:
  """What each teacher asks of the student: the mean of its divergence over the images it speaks on.

  Args:
    mode: one of `KD_MODES`.
    diverge: how far one output is from another, as `divergence`.
    logits: [B, C] of the student; [N, B, C] in the modes "owner_head", of the heads, and
      "mid_feature", of what the frozen teachers make of the student's activations at some block
      (`Seen.inputs` of `agents.vgg`, through an adapter).
    targets: [N, B, C] of the teachers.
    groups: [N, C] bool, the classes of each.
    labels: [B].
    valid: [B] bool, False for what only fills up the batch.
    axis_name: the devices' axis, over which means are taken as `learners.steps.mean` does; None for
      none.

  Returns:
    [N]; 0 for a teacher that has no image in the batch.

  Raises:
    ValueError: an unknown mode.
  """
  if mode not in KD_MODES:
    raise ValueError(f"kd_mode {mode!r}: one of {', '.join(KD_MODES)}")
  chex.assert_rank([logits, targets], [3 if mode in _OWN_LOGITS else 2, 3])
  speaks = jnp.broadcast_to(valid, targets.shape[:2])
  if mode != "all_teachers":
    speaks &= owned(groups, labels)

  def one(logits, targets, group, speaks):
    values = diverge(logits, targets, group if mode == "owner_slice" else None)
    return steps.mean(values, speaks, axis_name)

  axes = (0 if mode in _OWN_LOGITS else None, 0, 0, 0)
  return jax.vmap(one, in_axes=axes)(logits, targets, groups, speaks)
