"""The results of a Lewis game for people: a table of numbers and some of what was said."""

from collections.abc import Iterator
import string
from typing import Any

from emcom_datasets import Split
import numpy as np

from socialized_learning.platform import progress

_METRICS = {
    "accuracy": "accuracy",
    "accuracy_vote": "accuracy, listeners vote",
    "chance": "chance",
    "topographic_similarity": "topographic similarity",
    "edit_distance": "edit distance between speakers",
    "message_entropy": "message entropy, bits",
    "vocabulary_use": "share of the vocabulary used",
    "distinct_messages": "share of messages that differ",
}


def message_rows(split: Split, messages: np.ndarray) -> Iterator[dict[str, Any]]:
  """One row per item and speaker of `messages` [S, n, T]: id, name if known, speaker, message."""
  names = split.item_names(np.arange(messages.shape[1]))
  for item, name in enumerate(names):
    for speaker, said in enumerate(messages[:, item]):
      yield {"id": item, "name": name, "speaker": speaker, "message": said.tolist()}


def print_results(summary: dict[str, Any]) -> None:
  """Prints validation and test numbers side by side."""
  data, test = summary["data"], summary["test"]
  progress.print_table(
      f"{data['name']} ({data['kind']}), step {summary['evaluated']['step']}, "
      f"{test['num_candidates']} candidates", ["", "valid", "test"],
      [[label, summary["valid"][key], test[key]] for key, label in _METRICS.items()])


def print_messages(split: Split, messages: np.ndarray, *, num_items: int = 8) -> None:
  """Prints what the first two speakers say about a few items that were never trained on."""
  items = np.linspace(0, messages.shape[1] - 1, num_items).astype(int)
  speakers = range(min(2, messages.shape[0]))
  progress.print_table(
      f"{split.split} items of {split.name}, as described by {len(speakers)} of "
      f"{messages.shape[0]} speakers", ["item", *(f"speaker {s}" for s in speakers)],
      [[name or f"#{item}", *(spell(messages[s, item]) for s in speakers)]
       for item, name in zip(items, split.item_names(items), strict=True)])


def spell(message: np.ndarray) -> str:
  """A message for people: a letter per symbol, or numbers if there are more than 26 symbols."""
  if message.max() < len(string.ascii_lowercase):
    return "".join(string.ascii_lowercase[symbol] for symbol in message)
  return " ".join(map(str, message))
