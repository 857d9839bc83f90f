"""Learning without forgetting: old outputs go on saying what they said before the task.

Source: Li and Hoiem 2016, with the warm-up of new outputs, in the continual-learning literature's
common implementation. That one records the old network's logits of each un-augmented image at the
beginning of a task; here the old network is kept and looks at the very images that are learnt from.
Without augmentation these are the same numbers; with it teacher and learner see the same image,
which is what the method means, and no agent needs a table of logits as long as the data.

Shapes: `B` examples on this device, `O` outputs, `n` examples of a task, `b` of them in a batch.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from ml_collections import config_dict
import optax

from socialized_learning.agents.classifiers import Classifier
from socialized_learning.agents.classifiers import Net
from socialized_learning.learners import replay
from socialized_learning.learners import steps
from socialized_learning.learners import types
from socialized_learning.population import randomness


class State(NamedTuple):
  """All that changes."""
  net: Net
  teacher: Net  # The network as the task began, warmed up.
  seen: chex.Array  # [O] bool, outputs up to and with this task; none before the first begins
  old: chex.Array  # [O] bool, outputs before this task


def among(logits: chex.Array, outputs: chex.Array) -> chex.Array:
  """Logits [B, O] of which only those of some outputs [O] bool count in a softmax.

  The others get the least finite number: with infinities the gradient would not be a number where
  no output counts at all.
  """
  return jnp.where(outputs, logits, jnp.finfo(logits.dtype).min)


def distillation(logits: chex.Array, targets: chex.Array, old: chex.Array, temperature: float
                ) -> chex.Array:
  """`-sum_k q_k log p_k` over the old outputs: [B, O], [B, O], [O] bool -> [B]; 0 if none is old.

  q and p are the softmax over the old outputs of targets and logits, each divided by the
  temperature: the same as softmax to the power of `1 / temperature`, renormalised. No gradient to
  the targets.
  """
  soft = lambda x: jax.nn.log_softmax(among(x / temperature, old))
  terms = jnp.exp(soft(jax.lax.stop_gradient(targets))) * soft(logits)
  return -jnp.where(old, terms, 0).sum(axis=-1)


def _shuffled(key: chex.PRNGKey, valid: chex.Array, num_epochs: int, batch_size: int) -> chex.Array:
  """Positions [batches of all epochs, b] in a permutation per epoch, the valid [n] ones first."""
  scores = jnp.where(valid, jax.random.uniform(key, (num_epochs, valid.shape[0])), 2.0)
  return jnp.argsort(scores).reshape(-1, batch_size)


def warm_up(classifier: Classifier, net: Net, examples: types.Batch, new: chex.Array,
            world: types.World, key: chex.PRNGKey, config: config_dict.ConfigDict) -> Net:
  """Fits the new outputs alone, to the task's examples, on what the layer before the last says.

  Cross-entropy over the new outputs, in evaluation mode. Other outputs have no gradient.

  Args:
    classifier: the kind of network.
    net: the network.
    examples: [n].
    new: [O] bool.
    world: shows the examples, augmented afresh in each epoch.
    key: of this warm-up.
    config: `num_epochs`, `batch_size`, `learning_rate`.
  """
  size = config.batch_size
  examples = jax.tree.map(lambda x: jnp.pad(x, (0, -x.shape[0] % size)), examples)
  batches = _shuffled(randomness.named(key, "order"), examples.valid, config.num_epochs, size)

  def step(layer, numbered):
    number, at = numbered
    batch = jax.tree.map(lambda x: x[at], examples)
    shown, labels = replay.show(batch, world, randomness.at_step(key, number))
    features = classifier.apply(net, shown, is_training=False)[0].features

    def loss(layer):
      values = steps.cross_entropy(among(features @ layer["w"] + layer["b"], new), labels)
      return steps.mean(values, batch.valid & new[labels], None)  # All devices do the same.

    grads = jax.grad(loss)(layer)
    return jax.tree.map(lambda p, g: p - config.learning_rate * g, layer, grads), None

  layer, _ = jax.lax.scan(step, net.params[classifier.head],
                          (jnp.arange(batches.shape[0]), batches))
  return net._replace(params={**net.params, classifier.head: layer})


def make(classifier: Classifier, config: config_dict.ConfigDict, *, images: chex.Array,
         num_outputs: int, axis_name: str | None) -> types.Learner:
  """Builds the learner; see `learners.make`. It is for tasks that bring outputs of their own.

  Loss: `ce over the outputs seen so far + distillation_weight mean(distillation) + weight_decay
  sum theta^2`. From the second task on the new outputs are warmed up first.
  Config: `learning_rate`, `distillation_weight`, `temperature`, `weight_decay`; of the warm-up
  `num_epochs` and `batch_size` over all devices.
  """

  def init(key):
    net = classifier.init(key, images)
    nothing = lambda: jnp.zeros(num_outputs, bool)
    return State(net, jax.tree.map(jnp.array, net), nothing(), nothing())

  def begin_task(state, task, world, key):
    warm = lambda net: warm_up(classifier, net, task.examples, task.seen & ~state.seen, world, key,
                               config)
    net = jax.lax.cond(task.number > 0, warm, lambda net: net, state.net)
    return State(net, jax.tree.map(jnp.array, net), task.seen, state.seen)

  def observe(state, batch, world, key):
    shown, labels = replay.show(batch, world, key)
    targets = classifier.apply(state.teacher, shown, is_training=False)[0].logits

    def loss(params):
      output, stats = classifier.apply(state.net._replace(params=params), shown, is_training=True,
                                       weights=batch.valid)
      mean = lambda values: steps.mean(values, batch.valid, axis_name)
      terms = {
          "cross_entropy": mean(steps.cross_entropy(among(output.logits, state.seen), labels)),
          "distillation": mean(distillation(output.logits, targets, state.old, config.temperature)),
          "square": optax.tree.norm(params, squared=True)}
      return (terms["cross_entropy"] + config.distillation_weight * terms["distillation"]
              + config.weight_decay * terms["square"]), (stats, terms)

    grads, value, (stats, terms) = steps.gradient(loss, state.net.params, axis_name)
    net = steps.descend(state.net, grads, stats, config.learning_rate)
    return state._replace(net=net), steps.over_devices({"loss": value} | terms, axis_name)

  return types.Learner(init, observe, lambda state: {"working": state.net}, begin_task=begin_task)
