"""How specialists, a generalist and grown agents learn, each as pure functions of one pupil.

What is written here is for one pupil; a population of them is the same tree with a leading axis.

Shapes: `N` specialists, `B` examples on this device, `C` classes, `F` features, `V` views.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from socialized_learning.agents.adapter import Adapter
from socialized_learning.agents.classifiers import Net
from socialized_learning.agents.vgg import Vgg
from socialized_learning.learners import steps
from socialized_learning.population import randomness
from socialized_learning.society import distillation
from socialized_learning.society.fidelity import Losses
from socialized_learning.society.optimiser import Optimiser

# (index [B], keys [B, 2] | None) -> images [B, H, W, C], augmented where there are keys.
Look = Callable[[chex.Array, chex.Array | None], chex.Array]


class Pupil(NamedTuple):
  """One that learns."""
  params: Any  # backbone, head, helpers: those that it has
  stats: Any  # of the backbone's batch normalisation
  momentum: Any


class Lesson(NamedTuple):
  """What one step shows."""
  index: chex.Array  # [B] int32, positions in the training images
  labels: chex.Array  # [B] int32
  key: chex.PRNGKey  # of the pupil and the step
  positions: chex.Array  # [B] int32, place in the batch over all devices
  rate: chex.Array  # learning rate
  forgets: chex.Array  # bool, whether the momentum starts anew


class Weights(NamedTuple):
  """Of the terms beside cross-entropy."""
  divergence: float
  alignment: float


def keys_of(lesson: Lesson, name: str) -> chex.Array:
  """A key for each example, [B, 2], which does not hang on how devices share the batch."""
  return randomness.each(randomness.named(lesson.key, name), lesson.positions)


def begin(params: Any, stats: Any, optimiser: Optimiser) -> Pupil:
  """A pupil before its first lesson."""
  return Pupil(params, stats, optimiser.init(params))


def _learn(pupil: Pupil, lesson: Lesson, optimiser: Optimiser, axis_name: str | None,
           loss: Callable[[Any], tuple[chex.Array, Any]]) -> tuple[Pupil, dict[str, chex.Array]]:
  """One step down a loss: params -> (value, (statistics, metrics of this device))."""
  grads, value, (stats, metrics) = steps.gradient(loss, pupil.params, axis_name)
  params, momentum = optimiser.update(grads, pupil.momentum, pupil.params, lesson)
  return Pupil(params, stats, momentum), {"loss": value} | steps.over_devices(metrics, axis_name)


def make_solitary(vgg: Vgg, look: Look, losses: Losses, weights: Weights, optimiser: Optimiser,
                  axis_name: str | None) -> Callable[[Pupil, Lesson], tuple[Pupil, dict]]:
  """One that learns without teachers: cross-entropy and energy alignment.

  Source: stage A of MASC, its specialists; also joint and federated training.
  """

  def observe(pupil, lesson):
    images = look(lesson.index, keys_of(lesson, "augmentation"))

    def loss(params):
      logits, _, stats = _see(vgg, params, pupil.stats, images, lesson, "dropout")
      return _with_alignment({}, vgg, params, stats, images, logits, lesson, losses, weights,
                             axis_name)

    return _learn(pupil, lesson, optimiser, axis_name, loss)

  return observe


class Teachers(NamedTuple):
  """Those who say what they think of an image."""
  ask: Callable[[chex.Array, chex.Array], chex.Array]  # (images, index [B]) -> logits [N, B, C]
  # (block, activations [N, B, …] at its input) -> logits [N, B, C]; None if they cannot.
  ask_from: Callable[[int, chex.Array], chex.Array] | None
  groups: chex.Array  # [N, C] bool, whose classes are whose


def make_student(vgg: Vgg, look: Look, teachers: Teachers, losses: Losses, weights: Weights,
                 optimiser: Optimiser, axis_name: str | None, *, kd_mode: str,
                 adapter: Adapter | None, block: int
                 ) -> Callable[[Pupil, Lesson], tuple[Pupil, dict]]:
  """The generalist: cross-entropy, what all teachers say, and energy alignment.

  `l(h(x), y) + divergence_weight mean_i KD_i + alignment_weight mean (F(h(x)) - anchor)^2`.
  Source: stage B of MASC, collective collaboration; see `distillation.distil` for KD_i.
  """

  def observe(pupil, lesson):
    images = look(lesson.index, keys_of(lesson, "augmentation"))
    targets = teachers.ask(images, lesson.index)
    valid = jnp.ones(lesson.index.shape, bool)

    def loss(params):
      logits, seen, stats = _see(vgg, params, pupil.stats, images, lesson, "dropout")
      if kd_mode == "owner_head":
        heard = jax.vmap(lambda head, key: vgg.head(head, seen.features, vgg.draw_kept(key)))(
            params["helpers"], _keys_of_helpers(lesson, len(targets)))
      elif kd_mode == "mid_feature":
        adapted = jax.vmap(adapter.apply, in_axes=(0, None))(params["helpers"], seen.inputs[block])
        heard = teachers.ask_from(block, adapted)
      else:
        heard = logits
      divergences = distillation.distil(kd_mode, losses.divergence, heard, targets, teachers.groups,
                                        lesson.labels, valid, axis_name)
      passed_on = divergences.sum() if losses.sums_teachers else divergences.mean()
      terms = {"divergence": weights.divergence * passed_on}
      return _with_alignment(terms, vgg, params, stats, images, logits, lesson, losses, weights,
                             axis_name)

    return _learn(pupil, lesson, optimiser, axis_name, loss)

  return observe


def make_expert(vgg: Vgg, losses: Losses, weights: Weights, optimiser: Optimiser,
                axis_name: str | None
                ) -> Callable[[Pupil, Lesson, chex.Array, chex.Array], tuple[Pupil, dict]]:
  """An agent's own head on the generalist's frozen backbone, held to what the agent said before.

  observe(pupil, lesson, features [B, F], targets [B, C]): no gradient can reach the backbone.
  Source: stage C of MASC, reciprocal altruism.
  """

  def observe(pupil, lesson, features, targets):
    valid = jnp.ones(lesson.index.shape, bool)
    mean = lambda values: steps.mean(values, valid, axis_name)

    def loss(params):
      hear = lambda name: vgg.head(params["head"], features, vgg.draw_kept(keys_of(lesson, name)))
      logits = hear("dropout")
      aligned = hear("second dropout") if losses.aligns_second_pass else logits
      terms = {
          "cross_entropy": mean(losses.cross_entropy(logits, lesson.labels)),
          "divergence": weights.divergence * mean(losses.divergence(logits, targets)),
          "alignment": weights.alignment * mean(losses.alignment(aligned))}
      return sum(terms.values()), (pupil.stats, terms | {"accuracy": _accuracy(logits, lesson)})

    return _learn(pupil, lesson, optimiser, axis_name, loss)

  return observe


def _see(vgg, params, stats, images, lesson, name):
  """One forward pass in training: logits, what the backbone saw, statistics afterwards."""
  seen, stats = vgg.backbone(Net(params["backbone"], stats), images, is_training=True)
  return vgg.head(params["head"], seen.features, vgg.draw_kept(keys_of(lesson, name))), seen, stats


def _with_alignment(terms, vgg, params, stats, images, logits, lesson, losses, weights, axis_name):
  """The whole loss: cross-entropy, the given terms, alignment."""
  valid = jnp.ones(lesson.index.shape, bool)
  mean = lambda values: steps.mean(values, valid, axis_name)
  aligned = logits
  if losses.aligns_second_pass:
    aligned, _, stats = _see(vgg, params, stats, images, lesson, "second dropout")
  terms = {"cross_entropy": mean(losses.cross_entropy(logits, lesson.labels)), **terms,
           "alignment": weights.alignment * mean(losses.alignment(aligned))}
  return sum(terms.values()), (stats, terms | {"accuracy": _accuracy(logits, lesson)})


def _keys_of_helpers(lesson: Lesson, num: int) -> chex.Array:
  """Keys of the dropout of the teachers' heads on the student, [N, B, 2]."""
  return jax.vmap(lambda i: randomness.each(randomness.named(jax.random.fold_in(
      lesson.key, i), "helpers"), lesson.positions))(jnp.arange(num))


def _accuracy(logits: chex.Array, lesson: Lesson) -> chex.Array:
  return (logits.argmax(axis=-1) == lesson.labels).mean()
