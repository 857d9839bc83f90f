"""How a listener is judged: by recognising the input among candidates, naming its labels, drawing it.

Shapes: `B` batch on this device, `G` candidates (the batch over all devices), `K` projection,
`C` candidates of one game.
Source: Chaabouni et al. 2022, section 3.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning.agents import ListenerOutput

LISTENER_LOSSES = {"cpc": "cpc", "classification": "multi_mlp"}  # Loss of a game -> head it reads.
REWARDS = ("success_rate", "log_prob")
SCORES = ("2cos-2", "cos")


class Verdict(NamedTuple):
  """How well each game of the batch went."""
  loss: chex.Array  # [B], nats
  accuracy: chex.Array | None  # [B], 0 or 1 (a share where several labels are asked for)
  probs: dict[str, chex.Array]  # question -> [B, C] probability of each answer
  correct: dict[str, chex.Array]  # question -> [B] index of the right answer


class Crowd(NamedTuple):
  """Where this device's games stand among those of all devices, and its keys."""
  positions: chex.Array  # [B] int32, index of each game in the batch over all devices
  keys: chex.Array | None = None  # [B, 2], one per game; needed to draw distractors


def normalise(x: chex.Array) -> chex.Array:
  """x / sqrt(|x|^2 + 1e-12) along the last axis: a zero vector stays zero and has a gradient."""
  return x * jax.lax.rsqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-12)


def pair_scores(message: chex.Array, target: chex.Array, *, score: str, temperature: float
               ) -> chex.Array:
  """Scores [B, G] of messages [B, K] against candidates [G, K], by one matrix product.

  `2cos-2` is minus the squared distance of the unit vectors (as published code has it), `cos` their
  cosine (as the paper has it); either is divided by `temperature`.
  """
  chex.assert_rank([message, target], 2)
  cosine = normalise(message) @ normalise(target).T
  return (2 * cosine - 2 if score == "2cos-2" else cosine) / temperature


def draw_distractors(keys: chex.Array, own: chex.Array, num_candidates: int, num_distractors: int
                    ) -> chex.Array:
  """For each game [own, then `num_distractors` others without replacement]: [B, 1 + n] int32."""

  def draw(key, index):
    others = jax.random.choice(key, num_candidates - 1, (num_distractors,), replace=False)
    return jnp.concatenate([index[None], others + (others >= index)])

  return jax.vmap(draw)(keys, own)


def cpc(message: chex.Array, target: chex.Array, crowd: Crowd, *, score: str = "2cos-2",
        temperature: float = 1.0, candidates: chex.Array | None = None) -> Verdict:
  """Contrastive loss (CPC, InfoNCE): `-log softmax_j(score_ij)` at the right candidate.

  Args:
    message: [B, K].
    target: [G, K], projections of the candidates of all devices.
    crowd: this device's place among them.
    score: `2cos-2` or `cos`.
    temperature: divides the scores.
    candidates: [B, C] indices into `target`, the right one first; None for all of them.
  """
  scores = pair_scores(message, target, score=score, temperature=temperature)
  correct = crowd.positions
  if candidates is not None:
    scores = jnp.take_along_axis(scores, candidates, axis=1)
    correct = jnp.zeros_like(correct)
  log_probs = jax.nn.log_softmax(scores)
  loss = -jnp.take_along_axis(log_probs, correct[:, None], axis=1)[:, 0]
  accuracy = (jnp.argmax(scores, axis=1) == correct).astype(scores.dtype)
  return Verdict(loss, accuracy, {"candidate": jnp.exp(log_probs)}, {"candidate": correct})


def classification(logits: Mapping[str, chex.Array], labels: Mapping[str, chex.Array]) -> Verdict:
  """Mean over the labels of softmax cross-entropy; accuracy is the share of labels named rightly.

  Args:
    logits: label -> [B, classes].
    labels: label -> [B] class indices.
  """
  chex.assert_trees_all_equal_structs(dict(logits), {name: labels[name] for name in logits})
  log_probs = {name: jax.nn.log_softmax(x) for name, x in logits.items()}
  losses = [-jnp.take_along_axis(x, labels[name][:, None], axis=1)[:, 0]
            for name, x in log_probs.items()]
  hits = [jnp.argmax(x, axis=1) == labels[name] for name, x in logits.items()]
  return Verdict(
      loss=jnp.mean(jnp.stack(losses), axis=0),
      accuracy=jnp.mean(jnp.stack(hits).astype(losses[0].dtype), axis=0),
      probs={name: jnp.exp(x) for name, x in log_probs.items()},
      correct={name: labels[name] for name in logits})


def reconstruction(drawn: chex.Array, image: chex.Array) -> Verdict:
  """Squared error of a drawing, summed over pixels and channels, [B, H, W, C] each; no accuracy."""
  chex.assert_equal_shape([drawn, image])
  return Verdict(jnp.square(drawn - image).sum(axis=(1, 2, 3)), None, {}, {})


def reward(verdict: Verdict, kind: str) -> chex.Array:
  """The speaker's reward [B]: `success_rate` is the accuracy, `log_prob` is minus the loss."""
  return jax.lax.stop_gradient(verdict.accuracy if kind == "success_rate" else -verdict.loss)


ListenerLoss = Callable[[ListenerOutput, Mapping[str, chex.Array], Crowd], Verdict]


def make_listener_loss(config: config_dict.ConfigDict, axis_name: str | None) -> ListenerLoss:
  """Returns the loss named `config.kind`.

  Args:
    config: `kind`, one of `LISTENER_LOSSES` or `reconstruction`, which only newly taught listeners
      know; for `cpc` also `score`, `temperature`, `num_distractors` (-1: the whole batch)
      and `cross_device` (whether the candidates of all devices count).
    axis_name: the devices' axis, over which candidates are gathered; None outside of one.
  """
  if config.kind == "classification":
    return lambda output, labels, crowd: classification(output.logits, labels)
  if config.kind == "reconstruction":
    return lambda output, labels, crowd: reconstruction(output.image, labels["image"])
  gather_over = axis_name if config.cross_device else None

  def loss(output, labels, crowd):
    del labels
    target = output.target
    if gather_over is not None:
      target = jax.lax.all_gather(target, gather_over, tiled=True)
    else:  # Only this device's games are candidates: count them from zero.
      crowd = crowd._replace(positions=crowd.positions - crowd.positions[0])
    num_candidates, candidates = target.shape[0], None
    if 0 <= config.num_distractors < num_candidates - 1:
      candidates = draw_distractors(crowd.keys, crowd.positions, num_candidates,
                                    config.num_distractors)
    return cpc(output.message, target, crowd, score=config.score, temperature=config.temperature,
               candidates=candidates)

  return loss
