"""What a population says about a split of a data set, in numbers and word for word.

Shapes: `S` speakers, `n` items, `T` message length.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from emcom_datasets import Rows
from emcom_datasets import Split
import jax
from ml_collections import config_dict
import numpy as np

from socialized_learning.games import evaluation
from socialized_learning.games.lewis import View
from socialized_learning.metrics import agreement
from socialized_learning.metrics import disentanglement
from socialized_learning.metrics import symbols
from socialized_learning.metrics import topographic

# Candidates are put together by this seed, so that all runs are asked the same questions.
_SEED = 20220425


class LanguageReport(NamedTuple):
  """Numbers, and the messages they were computed from."""
  metrics: dict[str, float]  # NaN where a metric is not defined
  messages: np.ndarray  # [S, n, T] int32, in the order of the split


def chance(listener_loss: config_dict.ConfigDict, num_classes: dict[str, int], num_candidates: int
          ) -> float:
  """The accuracy of a blind guess: one candidate in C, or the mean over labels of 1 / classes."""
  if listener_loss.kind == "cpc":
    return 1 / num_candidates
  return float(np.mean([1 / num_classes[name] for name in listener_loss.questions]))


def report_on(split: Split, judge: evaluation.Judge, speakers: Any, listeners: Any,
              make_view: Callable[[Rows], View],
              config: config_dict.ConfigDict) -> LanguageReport:
  """Lets the population play all of `split` and measures its language.

  Args:
    split: the data.
    judge: plays one batch.
    speakers: parameters [S, …].
    listeners: parameters [L, …].
    make_view: what the players see of some rows.
    config: `evaluation` and `message`.

  Returns:
    accuracy, accuracy_vote, chance (shares of the games), loss (nats), num_candidates, and the
    metrics of the messages.
  """
  settings = config.evaluation
  totals = {"accuracy": 0.0, "accuracy_vote": 0.0, "loss": 0.0}
  said = np.zeros((jax.tree.leaves(speakers)[0].shape[0], len(split), config.message.length),
                  np.int32)
  games = 0
  for items, counts in evaluation.candidate_batches(
      len(split), settings.num_candidates, settings.num_epochs, _SEED):
    judged = jax.device_get(judge(speakers, listeners, make_view(split.take(items))))
    said[:, items] = judged.messages
    for name, values in zip(totals, (judged.accuracy, judged.vote, judged.loss), strict=True):
      totals[name] += float(np.asarray(values, np.float64)[:, counts].mean(axis=0).sum())
    games += int(counts.sum())
  metrics = {name: total / games for name, total in totals.items()}
  metrics["chance"] = chance(config.listener_loss, split.num_classes, settings.num_candidates)
  metrics["num_candidates"] = settings.num_candidates
  return LanguageReport(metrics | language_metrics(said, split, config), said)


def language_metrics(messages: np.ndarray, split: Split, config: config_dict.ConfigDict
                    ) -> dict[str, float]:
  """Metrics of messages [S, n, T] about the items of `split`: means over the speakers.

  Topographic similarity and edit distance are over `evaluation.similarity_items` items drawn once;
  a speaker for which similarity is not defined is left out of the mean and counted in
  `topographic_similarity_undefined`.
  """
  settings = config.evaluation
  chosen = np.random.default_rng(_SEED).permutation(len(split))[:settings.similarity_items]
  rows = split.take(chosen)
  if settings.similarity_over == "attributes":
    distances = topographic.attribute_distances(np.stack(list(rows.attributes.values()), axis=1))
  else:
    distances = topographic.input_distances(rows.inputs.reshape(len(chosen), -1))
  similarity, undefined = topographic.summarise_defined(
      [topographic.topographic_similarity(said[chosen], distances) for said in messages])
  mean = lambda metric: float(np.mean([metric(said) for said in messages]))
  return attribute_metrics(messages, split) | {
      "topographic_similarity": similarity,
      "topographic_similarity_undefined": undefined,
      "similarity_items": len(chosen),
      "edit_distance": agreement.cross_speaker_edit_distance(messages[:, chosen])[1],
      "message_entropy": mean(symbols.message_entropy),
      "symbol_entropy": mean(symbols.symbol_entropy),
      "vocabulary_use": mean(lambda said: symbols.vocabulary_use(said, config.message.vocab_size)),
      "distinct_messages": mean(lambda said: symbols.distinct_messages(said)[1]),
  }


def attribute_metrics(messages: np.ndarray, split: Split) -> dict[str, float]:
  """How messages [S, n, T] carry the attributes of a split in memory: means over the speakers.

  Positional and bag-of-symbols disentanglement, context independence, and the mutual information of
  a message position and an attribute, in units of the attribute's entropy, averaged over both.
  Nothing for a set without attributes.
  """
  if not split.attribute_names or not split.resident:
    return {}
  attributes = np.stack(list(split.rows.attributes.values()), axis=1)
  information = lambda said, values: np.mean(
      disentanglement.mutual_information(said, values, normalise=True))
  metrics = {
      "positional_disentanglement": disentanglement.positional_disentanglement,
      "bag_of_symbols_disentanglement": disentanglement.bag_of_symbols_disentanglement,
      "context_independence": disentanglement.context_independence,
      "mutual_information": information,
  }
  return {name: topographic.summarise_defined([metric(said, attributes) for said in messages])[0]
          for name, metric in metrics.items()}
