"""How a speaker learns from the listener's success: REINFORCE and a policy-gradient variant.

All terms are means over the batch and over the steps of the message. `sg` is stop-gradient, `r` the
reward, `v` the state value, `w` the symbol said, `pi` the speaker's policy, `pi_bar` its target's.

Shapes: `B` batch, `T` message length, `V` vocabulary.
Source: Chaabouni et al. 2022, section 3 (there summed over steps, which is `T` times as much).
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict

from socialized_learning.agents import SpeakerOutput

Metrics = dict[str, chex.Array]
SpeakerLoss = Callable[[SpeakerOutput, SpeakerOutput | None, chex.Array],
                       tuple[chex.Array, Metrics]]


def kl_to_target(speaker: SpeakerOutput, target: SpeakerOutput) -> chex.Array:
  """KL(pi || pi_bar) [B, T] in nats, of two policies that read the same prefix."""
  log_pi = jax.nn.log_softmax(speaker.logits)
  log_pi_bar = jax.nn.log_softmax(jax.lax.stop_gradient(target.logits))
  return jnp.sum(jnp.exp(log_pi) * (log_pi - log_pi_bar), axis=-1)


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
    terms["value_loss"] = jnp.square(reward - speaker.values).mean()
  terms["policy_loss"] = -(advantage * speaker.log_probs).mean()
  if kl:
    terms["kl_loss"] = kl * kl_to_target(speaker, target).mean()
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
      "action_value_loss": jnp.square(reward - chosen).mean(),
      "value_loss": jnp.square(reward - speaker.values).mean(),
      "entropy_loss": -entropy * speaker.entropies.mean(),
  }
  return sum(terms.values()), terms


def imitation(student: SpeakerOutput) -> chex.Array:
  """Cross-entropy to a teacher: `-mean log pi(w)` of a student forced along the teacher's words."""
  return -student.log_probs.mean()


def make_speaker_loss(config: config_dict.ConfigDict) -> SpeakerLoss:
  """Returns the loss named `config.kind` with the weights of `config` (baseline, entropy, kl)."""
  if config.kind == "reinforce":
    return lambda speaker, target, reward: reinforce(
        speaker, target, reward, baseline=config.baseline, entropy=config.entropy, kl=config.kl)
  return lambda speaker, target, reward: policy_gradient(
      speaker, target, reward, entropy=config.entropy)


SPEAKER_LOSSES = ("reinforce", "policy_gradient")
