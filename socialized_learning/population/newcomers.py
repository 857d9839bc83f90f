"""Newcomers learn a language that is there: fresh listeners, frozen speakers, all at once.

Each of S speakers has L listeners of its own. The speakers only speak, once per batch for all their
listeners, and nothing is differentiated through them.

Shapes: `S` speakers, `L` listeners of each, `B` batch on this device.
Source: Chaabouni et al. 2022, section 4 (ease and transfer of learning).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import optax

from socialized_learning.agents import Listener
from socialized_learning.agents import Speaker
from socialized_learning.games import listener_losses
from socialized_learning.games import View
from socialized_learning.population import mapping
from socialized_learning.population import randomness
from socialized_learning.population import stack

Metrics = dict[str, chex.Array]


class Newcomers(NamedTuple):
  """init(key, view) -> listeners [S, L, …]; update(listeners, speakers, view, key).

  `update` takes the speakers' parameters [S, …] and returns (listeners, metrics): `loss`, `accuracy`
  where there is one, `listener_grad_norm`, and `loss_per_listener`, `accuracy_per_listener` [S, L].
  """
  init: Callable[[chex.PRNGKey, View], stack.AgentState]
  update: Callable[[stack.AgentState, Any, View, chex.PRNGKey], tuple[stack.AgentState, Metrics]]


def make_newcomers(speaker: Speaker, listener: Listener, optimiser: optax.GradientTransformation,
                   config: config_dict.ConfigDict, speaker_ids: Sequence[int], *,
                   axis_name: str | None) -> Newcomers:
  """Builds the lessons.

  A listener's randomness hangs on which speaker and the how-manieth listener of it it is, and not on
  who else learns: a part of the listeners, alone, learns the same.

  Args:
    speaker: the kind of agent that speaks.
    listener: the kind of agent that learns.
    optimiser: of the listeners.
    config: `num_listeners`, `messages` (greedy or sampled), `mapping`, `listener`, `listener_loss`.
    speaker_ids: what the S speakers are called in the population they come from.
    axis_name: the devices' axis, over which gradients are averaged; None for none.
  """
  study = _make_study(listener, optimiser, config.listener_loss, axis_name)

  def keys(key):
    """One for each listener, [S, L, 2]."""
    of_speakers = randomness.each(key, jnp.asarray(speaker_ids, jnp.int32))
    return jax.vmap(lambda k: randomness.each(k, jnp.arange(config.num_listeners)))(of_speakers)

  def init(key, view):
    view = jax.tree.map(lambda x: x[:1], view)

    def newborn(key):
      # Whatever a message says: only its shape matters.
      said = jnp.zeros((1, config.message.length), jnp.int32)
      params = listener.init(key, said, view.listener_inputs)
      return stack.AgentState(params, optimiser.init(params))

    # Not "listeners": with the seed of their speakers' run one would be a listener of that run again.
    return jax.vmap(jax.vmap(newborn))(keys(randomness.named(key, "newcomers")))

  def update(listeners, speakers, view, key):
    said = say(speaker, speakers, view, randomness.named(key, "messages"), config.messages)
    over = mapping.over_members(config.mapping, hidden_size=config.listener.core.hidden_size,
                                batch=view.positions.shape[0])

    def lesson(agents, said, keys):  # All listeners of one speaker.
      return over(lambda agent, k: study(agent, said, view, k))(agents, keys)

    listeners, metrics = over(lesson)(listeners, said, keys(randomness.named(key, "distractors")))
    each = {f"{name}_per_listener": metrics[name] for name in ("loss", "accuracy") if name in metrics}
    return listeners, jax.tree.map(jnp.mean, metrics) | each

  return Newcomers(init, update)


def _make_study(listener: Listener, optimiser: optax.GradientTransformation,
                config: config_dict.ConfigDict, axis_name: str | None):
  listener_loss = listener_losses.make_listener_loss(config, axis_name)

  def study(agent, said, view, key):
    """One step of one listener that hears messages [B, T]."""
    crowd = listener_losses.Crowd(view.positions, randomness.each(key, view.positions))

    def loss(params):
      verdict = listener_loss(listener.apply(params, said, view.listener_inputs), view.labels, crowd)
      metrics = {"loss": verdict.loss.mean()}
      if verdict.accuracy is not None:
        metrics["accuracy"] = verdict.accuracy.mean()
      return metrics["loss"], metrics

    grads, metrics = jax.grad(loss, has_aux=True)(agent.params)
    if axis_name is not None:
      grads, metrics = jax.lax.pmean((grads, metrics), axis_name)
    metrics["listener_grad_norm"] = optax.tree.norm(grads)
    return stack.descend(optimiser, agent, grads), metrics

  return study


def say(speaker: Speaker, speakers: Any, view: View, key: chex.PRNGKey | None, kind: str
       ) -> chex.Array:
  """What speakers [S, …] say about a batch: [S, B, T].

  Greedy messages need no key. Sampled ones are drawn by the same keys for all speakers.
  """
  if kind == "greedy":
    return jax.vmap(lambda params: speaker.greedy(params, view.speaker_inputs).actions)(speakers)
  keys = randomness.each(key, view.positions)
  return jax.vmap(lambda params: speaker.sample(params, view.speaker_inputs, keys).actions)(speakers)
