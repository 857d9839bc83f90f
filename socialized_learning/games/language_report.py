"""What a population says about a split of a data set, in numbers and word for word.

Shapes: `S` speakers, `n` items, `T` message length.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from emcom_datasets import Rows
from emcom_datasets import Split
import jax
from ml_collections import config_dict
import numpy as np

from socialized_learning.agents import messages as messages_lib
from socialized_learning.games import evaluation
from socialized_learning.games.lewis import View
from socialized_learning.metrics import agreement
from socialized_learning.metrics import disentanglement
from socialized_learning.metrics import symbols
from socialized_learning.metrics import topographic


class LanguageReport(NamedTuple):
  """Numbers, and the messages they were computed from."""
  metrics: dict[str, float]  # NaN where a metric is not defined
  messages: np.ndarray  # [S, n, T] int32, in the order of the split
  lengths: np.ndarray | None  # [S, n], symbols before the end symbol; None if all are T


def chance(listener_loss: config_dict.ConfigDict, num_classes: dict[str, int], num_candidates: int
          ) -> float:
  """The accuracy of a blind guess: one candidate in C, or the mean over labels of 1 / classes."""
  if listener_loss.kind == "cpc":
    return 1 / num_candidates
  return float(np.mean([1 / num_classes[name] for name in listener_loss.questions]))


def report_on(split: Split, judge: evaluation.Judge, speakers: Any, listeners: Any,
              make_view: Callable[[Rows, int], View],
              config: config_dict.ConfigDict) -> LanguageReport:
  """Lets the population play all of `split` and measures its language.

  Args:
    split: the data.
    judge: plays one batch.
    speakers: parameters [S, …].
    listeners: parameters [L, …].
    make_view: what the players see of some rows, the number-th batch of them.
    config: `evaluation`, `listener_loss` and `message`.

  Returns:
    accuracy, accuracy_vote, chance (shares of the games), loss (nats), num_candidates where inputs
    are picked, and the metrics of the messages.
  """
  settings = config.evaluation
  totals = {"accuracy": 0.0, "accuracy_vote": 0.0, "loss": 0.0}
  said = np.zeros((jax.tree.leaves(speakers)[0].shape[0], len(split), config.message.length),
                  np.int32)
  games = 0
  for number, (items, counts) in enumerate(evaluation.candidate_batches(
      len(split), settings.num_candidates, settings.num_epochs)):
    judged = jax.device_get(judge(speakers, listeners, make_view(split.take(items), number)))
    said[:, items] = judged.messages
    for name, values in zip(totals, (judged.accuracy, judged.vote, judged.loss), strict=True):
      totals[name] += float(np.asarray(values, np.float64)[:, counts].mean(axis=0).sum())
    games += int(counts.sum())
  metrics = {name: total / games for name, total in totals.items()}
  metrics["chance"] = chance(config.listener_loss, split.num_classes, settings.num_candidates)
  if config.listener_loss.kind == "cpc":
    metrics["num_candidates"] = settings.num_candidates
  lengths = messages_lib.lengths(said) if config.message.variable_length else None
  return LanguageReport(metrics | language_metrics(said, lengths, split, config), said, lengths)


def language_metrics(messages: np.ndarray, lengths: np.ndarray | None, split: Split,
                     config: config_dict.ConfigDict) -> dict[str, float]:
  """Metrics of messages [S, n, T] about the items of `split`: means over the speakers.

  Of messages that end early the first `lengths` [S, n] symbols count, the end symbol never does.
  Topographic similarity and edit distance are over `evaluation.similarity_items` items drawn once;
  a speaker for which similarity is not defined is left out of the mean and counted in
  `topographic_similarity_undefined`.
  """
  settings, vocab_size = config.evaluation, config.message.vocab_size
  chosen = np.random.default_rng(evaluation.SEED).permutation(len(split))[:settings.similarity_items]
  rows = split.take(chosen)
  if settings.similarity_over == "attributes":
    distances = topographic.attribute_distances(np.stack(list(rows.attributes.values()), axis=1))
  else:
    distances = topographic.input_distances(rows.inputs.reshape(len(chosen), -1))
  metrics = {}
  if lengths is None:
    spoken = [(said, None) for said in messages]
  else:
    messages, vocab_size = messages_lib.without_end(messages), vocab_size - 1
    spoken = list(zip(messages, lengths, strict=True))
    metrics["message_length"] = float(lengths.mean())
  some = lambda ends: None if ends is None else ends[..., chosen]
  similarity, undefined = topographic.summarise_defined(
      [topographic.topographic_similarity(said[chosen], distances, some(ends))
       for said, ends in spoken])
  mean = lambda metric: float(np.mean([metric(*said) for said in spoken]))
  return metrics | attribute_metrics(spoken, split) | {
      "topographic_similarity": similarity,
      "topographic_similarity_undefined": undefined,
      "similarity_items": len(chosen),
      "edit_distance": agreement.cross_speaker_edit_distance(
          messages[:, chosen], some(lengths))[1],
      "message_entropy": mean(symbols.message_entropy),
      "symbol_entropy": mean(symbols.symbol_entropy),
      "vocabulary_use": mean(lambda said, ends: symbols.vocabulary_use(said, vocab_size, ends)),
      "distinct_messages": mean(lambda said, ends: symbols.distinct_messages(said, ends)[1]),
  }


def attribute_metrics(spoken: Sequence[tuple[np.ndarray, np.ndarray | None]], split: Split
                     ) -> dict[str, float]:
  """How each speaker's (messages [n, T], lengths) carry the attributes of a split in memory: means.

  Positional and bag-of-symbols disentanglement, context independence, and the mutual information of
  a message position and an attribute, in units of the attribute's entropy, averaged over both.
  Nothing for a set without attributes.
  """
  if not split.attribute_names or not split.resident:
    return {}
  attributes = np.stack(list(split.rows.attributes.values()), axis=1)
  information = lambda said, values, ends: np.mean(
      disentanglement.mutual_information(said, values, ends, normalise=True))
  metrics = {
      "positional_disentanglement": disentanglement.positional_disentanglement,
      "bag_of_symbols_disentanglement": disentanglement.bag_of_symbols_disentanglement,
      "context_independence": disentanglement.context_independence,
      "mutual_information": information,
  }
  return {name: topographic.summarise_defined(
      [metric(said, attributes, ends) for said, ends in spoken])[0]
          for name, metric in metrics.items()}
