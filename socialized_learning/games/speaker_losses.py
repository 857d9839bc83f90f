"""How a speaker learns from the listener: REINFORCE, a policy-gradient variant, relaxed symbols.

All terms are means over the batch and over the steps of the message; where messages end early, sums
over the steps up to the end symbol divided by `T`. `sg` is stop-gradient, `r` the reward, `v` the
state value, `w` the symbol said, `pi` the speaker's policy, `pi_bar` its target's.

Shapes: `B` batch, `T` message length, `V` vocabulary.
Source: Chaabouni et al. 2022, section 3 (there summed over steps, which is `T` times as much).
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning.agents import messages
from socialized_learning.agents import SpeakerOutput

Metrics = dict[str, chex.Array]
SpeakerLoss = Callable[[SpeakerOutput, SpeakerOutput | None, chex.Array],
                       tuple[chex.Array, Metrics]]


def kl_to_target(speaker: SpeakerOutput, target: SpeakerOutput) -> chex.Array:
  """KL(pi || pi_bar) [B, T] in nats, of two policies that read the same prefix."""
  log_pi = jax.nn.log_softmax(speaker.logits)
  log_pi_bar = jax.nn.log_softmax(jax.lax.stop_gradient(target.logits))
  return jnp.sum(jnp.exp(log_pi) * (log_pi - log_pi_bar), axis=-1)


def _mean(values: chex.Array, speaker: SpeakerOutput) -> chex.Array:
  """The mean of values [B, T], those after the end of a message being nothing."""
  return (values if speaker.spoken is None else values * speaker.spoken).mean()


def reinforce(speaker: SpeakerOutput, target: SpeakerOutput | None, reward: chex.Array, *,
              baseline: bool, entropy: float, kl: float) -> tuple[chex.Array, Metrics]:
  """REINFORCE: `-(r - sg v) log pi(w) + (r - v)^2 - entropy H(pi) + kl KL(pi || pi_bar)`.

  Args:
    speaker: its output for the messages it sampled.
    target: the target speaker's output, forced along the same messages; needed if `kl` is not 0.
    reward: [B].
    baseline: whether the value head is trained and subtracted from the reward.
    entropy: weight of the entropy bonus.
    kl: weight of the divergence to the target speaker.
  """
  chex.assert_rank([reward, speaker.log_probs], [1, 2])
  reward = reward[:, None]
  terms = {"entropy_loss": -entropy * speaker.entropies.mean()}
  advantage = reward
  if baseline:
    advantage = reward - jax.lax.stop_gradient(speaker.values)
    terms["value_loss"] = _mean(jnp.square(reward - speaker.values), speaker)
  terms["policy_loss"] = -(advantage * speaker.log_probs).mean()
  if kl:
    terms["kl_loss"] = kl * _mean(kl_to_target(speaker, target), speaker)
  return sum(terms.values()), terms


def policy_gradient(speaker: SpeakerOutput, target: SpeakerOutput | None, reward: chex.Array, *,
                    entropy: float) -> tuple[chex.Array, Metrics]:
  """Policy gradient with a learnt critic: `-sg(Q(w) - v) log pi(w) + (r - Q(w))^2 + (r - v)^2 - …`.

  The same entropy bonus as `reinforce`; no divergence to the target speaker, which is not read.
  """
  del target
  chex.assert_rank([reward, speaker.log_probs], [1, 2])
  reward = reward[:, None]
  chosen = jnp.take_along_axis(speaker.q_values, speaker.actions[..., None], axis=-1)[..., 0]
  advantage = jax.lax.stop_gradient(chosen - speaker.values)
  terms = {
      "policy_loss": -(advantage * speaker.log_probs).mean(),
      "action_value_loss": _mean(jnp.square(reward - chosen), speaker),
      "value_loss": _mean(jnp.square(reward - speaker.values), speaker),
      "entropy_loss": -entropy * speaker.entropies.mean(),
  }
  return sum(terms.values()), terms


def relaxed(speaker: SpeakerOutput, target: SpeakerOutput | None, *, entropy: float, kl: float,
            length_cost: float) -> tuple[chex.Array, Metrics]:
  """What a relaxed speaker learns beside the listener's loss, whose gradient reaches it by itself.

  `-entropy H(pi) + kl KL(pi || pi_bar) + length_cost E[length]`.

  Args:
    speaker: its output with relaxed symbols.
    target: the target speaker's output, forced along the same symbols; needed if `kl` is not 0.
    entropy: weight of the entropy bonus.
    kl: weight of the divergence to the target speaker.
    length_cost: of each symbol before the end symbol.
  """
  terms = {"entropy_loss": -entropy * speaker.entropies.mean()}
  if kl:
    terms["kl_loss"] = kl * _mean(kl_to_target(speaker, target), speaker)
  if length_cost:
    terms["length_loss"] = length_cost * messages.expected_length(speaker.symbols).mean()
  return sum(terms.values()), terms


def imitation(student: SpeakerOutput) -> chex.Array:
  """Cross-entropy to a teacher: `-mean log pi(w)` of a student forced along the teacher's words."""
  return -student.log_probs.mean()


def make_speaker_loss(config: config_dict.ConfigDict, *, channel: str = "sampled") -> SpeakerLoss:
  """Returns the loss (speaker, target, reward) -> (loss, terms) that fits the channel.

  Args:
    config: `kind` and the weights `baseline`, `entropy`, `kl`, `length_cost`.
    channel: how symbols are said, see `games.lewis`; only `sampled` has a choice of losses, and
      there a length's cost is part of the reward.
  """
  if channel != "sampled":
    return lambda speaker, target, reward: relaxed(
        speaker, target, entropy=config.entropy, kl=config.kl, length_cost=config.length_cost)
  if config.kind == "reinforce":
    return lambda speaker, target, reward: reinforce(
        speaker, target, reward, baseline=config.baseline, entropy=config.entropy, kl=config.kl)
  return lambda speaker, target, reward: policy_gradient(
      speaker, target, reward, entropy=config.entropy)


SPEAKER_LOSSES = ("reinforce", "policy_gradient")
