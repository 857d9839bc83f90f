"""Evaluation: fair candidates, greedy messages, votes, and numbers that are defined."""

import emcom_datasets
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from socialized_learning import agents
from socialized_learning import games
from socialized_learning.data import feeder
from socialized_learning.games import evaluation
from socialized_learning.games import language_report
from socialized_learning.games import listener_losses
from socialized_learning.games import views
from socialized_learning.population import stack
from tests.population import world


@pytest.mark.parametrize("num_items, num_candidates, num_epochs", [(10, 4, 1), (8, 4, 2), (5, 5, 3)])
def test_every_item_counts_once_a_pass_among_as_many_different_ones(num_items, num_candidates,
                                                                   num_epochs):
  batches = list(evaluation.candidate_batches(num_items, num_candidates, num_epochs, seed=0))
  counted = np.concatenate([items[counts] for items, counts in batches])
  np.testing.assert_array_equal(np.bincount(counted, minlength=num_items), num_epochs)
  assert all(len(set(items)) == num_candidates for items, _ in batches)


def _population(settings):
  view = views.make_view(jnp.zeros((1, 16)), {}, None, noise=0.0, axis_name=None)
  society = world.collaborate(settings).init(jax.random.PRNGKey(0), view)
  return society.speakers.params, society.listeners.params


def _report(settings, split, params):
  judge = evaluation.make_judge(*world.players(settings), settings.listener_loss)
  view = lambda rows, _: views.make_view(**feeder.arrays(rows, ()), key=None, noise=0.0, axis_name=None)
  return language_report.report_on(split, judge, *params, view, settings)


def test_judge_equals_a_loop_over_speakers_and_listeners():
  settings = world.config(num_speakers=2, num_listeners=3, num_pairs=2)
  speaker, listener = world.players(settings)
  speakers, listeners = _population(settings)
  inputs = jax.random.normal(jax.random.PRNGKey(4), (9, 16))
  view = games.View(inputs, inputs, {}, jnp.arange(9))
  judged = evaluation.make_judge(speaker, listener, settings.listener_loss)(
      speakers, listeners, view)
  hear = jax.jit(lambda params, said: listener_losses.cpc(
      *listener.apply(params, said, inputs)[:2], listener_losses.Crowd(jnp.arange(9)),
      temperature=settings.listener_loss.temperature))
  for s in range(2):
    said = jax.jit(speaker.greedy)(stack.take(speakers, s), inputs).actions
    np.testing.assert_array_equal(judged.messages[s], said)
    verdicts = [hear(stack.take(listeners, i), said) for i in range(3)]
    np.testing.assert_allclose(judged.accuracy[s], np.mean([v.accuracy for v in verdicts], axis=0))
    np.testing.assert_allclose(judged.loss[s], np.mean([v.loss for v in verdicts], axis=0),
                               rtol=1e-5)
    votes = np.mean([v.probs["candidate"] for v in verdicts], axis=0).argmax(1)
    np.testing.assert_array_equal(judged.vote[s], votes == np.arange(9))


def test_report_of_one_pair_with_constant_messages_has_no_nan_but_where_undefined():
  settings = world.config(num_speakers=1, num_listeners=1, num_pairs=1)
  split = emcom_datasets.load("dummy", "test")
  speakers, listeners = _population(settings)
  silent = jax.tree.map(jnp.zeros_like, speakers)
  report = _report(settings, split, (silent, listeners))
  undefined = {name for name, value in report.metrics.items() if np.isnan(value)}
  assert undefined == {"topographic_similarity", "edit_distance", "positional_disentanglement",
                       "bag_of_symbols_disentanglement"}
  assert report.metrics["topographic_similarity_undefined"] == 1
  assert report.metrics["message_entropy"] == 0
  assert report.metrics["distinct_messages"] == 1 / len(split)
  assert report.metrics["vocabulary_use"] == 1 / settings.message.vocab_size
  # Ties go to the first candidate: exactly one of each batch of 16 is right.
  assert report.metrics["accuracy"] == report.metrics["chance"] == 1 / 16


def test_messages_are_those_of_the_items():
  settings = world.config()
  settings.evaluation.num_candidates = 24  # Does not divide the 64 items.
  split = emcom_datasets.load("dummy", "valid")
  params = _population(settings)
  report = _report(settings, split, params)
  speaker, _ = world.players(settings)
  for s in range(2):
    said = jax.jit(speaker.greedy)(stack.take(params[0], s), split.rows.inputs).actions
    np.testing.assert_array_equal(report.messages[s], said)


def test_similarity_over_attributes():
  settings = world.config()
  settings.evaluation.similarity_over = "attributes"
  split = emcom_datasets.load("dummy", "valid")
  settings.message.vocab_size = 12
  # A perfect language: one position for each attribute, with symbols of its own.
  said = np.stack(list(split.rows.attributes.values()), axis=1) + [0, 4, 8]
  metrics = language_report.language_metrics(said[None].repeat(2, 0), None, split, settings)
  np.testing.assert_allclose(metrics["topographic_similarity"], 1)
  assert metrics["edit_distance"] == 0
  for name in ("positional_disentanglement", "bag_of_symbols_disentanglement",
               "context_independence"):
    assert metrics[name] > 0.9, name
  # Each of the three attributes is told by one of the three positions.
  np.testing.assert_allclose(metrics["mutual_information"], 1 / 3, atol=0.05)


def test_chance():
  settings = world.config()
  assert language_report.chance(settings.listener_loss, {}, 50) == 0.02
  settings.listener_loss.update(kind="classification", questions=("a", "b"))
  assert language_report.chance(settings.listener_loss, {"a": 4, "b": 2}, 50) == 0.375


def _class_rooms(settings, batch):
  """Players, the parameters of two speakers and of three listeners of each, and a view."""
  speaker = agents.make_speaker(settings.speaker, settings.message)
  listener = agents.make_listener(settings.listener, settings.message, {"image": 1})
  random = np.random.default_rng(0)
  inputs = random.normal(size=(batch, 16)).astype(np.float32)
  view = games.View(inputs, inputs, {"image": random.uniform(size=(batch, 32, 32, 1))},
                    np.arange(batch))

  def init(key):
    said = jnp.zeros((batch, settings.message.length), jnp.int32)
    keys = jax.random.split(key, 6)
    return (jax.vmap(lambda k: speaker.init(k, inputs))(keys[:2]),
            jax.vmap(jax.vmap(lambda k: listener.init(k, said, inputs)))(keys.reshape(2, 3, 2)))

  return speaker, listener, init, view


def test_examiner_equals_a_loop_over_speakers_and_their_own_listeners():
  settings = world.config()
  settings.listener_loss.num_distractors = 2  # In training: an examination is among all.
  speaker, listener, init, view = _class_rooms(settings, batch=5)
  speakers, listeners = jax.device_get(jax.jit(init)(jax.random.PRNGKey(0)))
  examined = jax.device_get(evaluation.make_examiner(speaker, listener, settings.listener_loss)(
      speakers, listeners, view))
  say, hear = jax.jit(speaker.greedy), jax.jit(listener.apply)
  for s in range(2):
    said = say(stack.take(speakers, s), view.speaker_inputs).actions
    for i in range(3):
      heard = jax.device_get(hear(stack.take(listeners, (s, i)), said, view.listener_inputs))
      unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (heard.message, heard.target)]
      scores = (2 * unit[0] @ unit[1].T - 2) / settings.listener_loss.temperature
      loss = -np.diag(scores - np.log(np.exp(scores).sum(1, keepdims=True)))
      np.testing.assert_allclose(examined.loss[s, i], loss, rtol=1e-4)
      np.testing.assert_array_equal(examined.accuracy[s, i], scores.argmax(1) == np.arange(5))
  assert examined.loss.shape == (2, 3, 5)
  assert len(np.unique(examined.loss.round(4))) == 30  # No two of them are alike.


def test_examiner_of_listeners_that_draw_knows_no_accuracy():
  settings = world.config()
  settings.listener.head.kind, settings.listener_loss.kind = "image", "reconstruction"
  speaker, listener, init, view = _class_rooms(settings, batch=5)
  examine = evaluation.make_examiner(speaker, listener, settings.listener_loss)
  params = jax.eval_shape(init, jax.random.PRNGKey(0))
  examined = jax.eval_shape(examine, *params, view)
  assert examined.loss.shape == (2, 3, 5) and examined.accuracy is None
