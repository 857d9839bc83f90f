"""What teaches the agents of a gated network: rewards, REINFORCE, and a ratio of distances.

Nothing of it says which channels help to classify: a reward looks at how many are kept, and at
whether the answer is right. Source: Varma, Arani and Zonooz 2023, "Dynamically Modular and Sparse
General Continual Learning".

Shapes: `B` examples on this device, `L` agents, `C` channels that an agent decides on.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning.agents import gated_resnet
from socialized_learning.agents.classifiers import Classification
from socialized_learning.agents.classifiers import Classifier
from socialized_learning.learners import steps
from socialized_learning.population import randomness

_LEAST = 3  # Right answers of which distances are compared.


class Pass(NamedTuple):
  """What a network with agents made of a batch in training."""
  output: Classification
  decisions: gated_resnet.Decisions
  is_right: chex.Array  # [B] bool
  terms: dict[str, chex.Array]  # cross_entropy, policy_loss, prototype_loss; keep_rate, right_share
  stats: Any  # After it.


def rewards(kept: chex.Array, is_right: chex.Array, keep_ratio: float, penalty: float
           ) -> chex.Array:
  """`-(k - share of the channels kept)^2`, times `-penalty` where the answer is wrong.

  Args:
    kept: [B, L, C], 1 or 0.
    is_right: [B] bool.
    keep_ratio: k.
    penalty: at most 0.

  Returns:
    [B, L], never above 0.
  """
  chex.assert_rank((kept, is_right), (3, 1))
  deviation = jnp.square(keep_ratio - kept.mean(axis=-1))
  return -jnp.where(is_right, 1.0, -penalty)[:, None] * deviation


def policy_loss(log_probs: chex.Array, earned: chex.Array) -> chex.Array:
  """REINFORCE (Williams 1992): minus reward times log-probability, their mean: [B, L] -> [B]."""
  chex.assert_equal_shape((log_probs, earned))
  return -(jax.lax.stop_gradient(earned) * log_probs).mean(axis=-1)


def prototype_ratio(logits: chex.Array, labels: chex.Array, counts: chex.Array,
                    axis_name: str | None) -> chex.Array:
  """`(1 + sum D_ij / d over pairs of one class) / (1 + sum D_ij / d over pairs of two)`.

  D is the squared distance of what two examples' agents said, of d numbers. Sums, not means: a
  larger batch weighs more.

  Args:
    logits: [B, L, C], of the agents.
    labels: [B].
    counts: [B] bool, examples to be compared; of those of all devices.
    axis_name: the devices' axis; None for none.

  Returns:
    The ratio over all devices, the same on each; 0 if fewer than three examples count.
  """
  chex.assert_rank((logits, labels, counts), (3, 1, 1))
  flat = logits.reshape(len(logits), -1)
  if axis_name is not None:
    flat, labels, counts = jax.lax.all_gather((flat, labels, counts), axis_name, tiled=True)
  squares = jnp.square(flat).sum(axis=-1)
  products = jnp.matmul(flat, flat.T, precision=jax.lax.Precision.HIGHEST)
  # Rounding can take it below 0.
  distances = jnp.maximum(squares[:, None] + squares - 2 * products, 0) / flat.shape[-1]
  pairs = jnp.triu(counts[:, None] & counts, k=1)
  alike = labels[:, None] == labels
  total = lambda which: jnp.where(which, distances, 0).sum()
  ratio = (1 + total(pairs & alike)) / (1 + total(pairs & ~alike))
  return jnp.where(counts.sum() >= _LEAST, ratio, 0)


def draw_bars(key: chex.PRNGKey, num_examples: int, gates: tuple[int, int], axis_name: str | None
             ) -> chex.Array:
  """Bars of this device's examples, which hang on their place over all devices: [B, L, C]."""
  positions = jnp.arange(num_examples)
  if axis_name is not None:
    positions += jax.lax.axis_index(axis_name) * num_examples
  return gated_resnet.draw_bars(randomness.each(key, positions), gates)


def make_pass(classifier: Classifier, config: config_dict.ConfigDict, axis_name: str | None
             ) -> Callable[..., Pass]:
  """One pass of a network in training, and all that is made of it alone.

  Args:
    classifier: one with agents.
    config: `keep_ratio`, `policy_penalty`.
    axis_name: the devices' axis; None for none.

  Returns:
    run(net, images [B, H, W, C'], labels [B], valid [B], key, is_dense) -> Pass; if it is dense all
    channels are kept, and the agents remember nothing.
  """

  def run(net, images, labels, valid, key, is_dense):
    bars = draw_bars(key, len(images), classifier.gates, axis_name)
    output, decisions, stats = classifier.gated(net, images, bars, is_training=True, weights=valid,
                                                is_dense=is_dense)
    is_right = jnp.argmax(output.logits, axis=-1) == labels
    earned = rewards(decisions.kept, is_right, config.keep_ratio, config.policy_penalty)
    mean = lambda values: steps.mean(values, valid, axis_name)
    terms = {
        "cross_entropy": mean(steps.cross_entropy(output.logits, labels)),
        "policy_loss": mean(policy_loss(decisions.log_probs, earned)),
        "prototype_loss": prototype_ratio(decisions.logits, labels, is_right & valid, axis_name),
        "keep_rate": mean(decisions.kept.mean(axis=(1, 2))),
        "right_share": mean(is_right.astype(output.logits.dtype))}
    return Pass(output, decisions, is_right, terms, stats)

  return run


def loss(terms: dict[str, chex.Array], is_warm: chex.Array, config: config_dict.ConfigDict
        ) -> chex.Array:
  """`ce + policy_weight policy + prototype_weight prototype` of a pass, `ce` alone in warm-up."""
  taught = (config.policy_weight * terms["policy_loss"]
            + config.prototype_weight * terms["prototype_loss"])
  return terms["cross_entropy"] + jnp.where(is_warm, 0, taught)
