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


_TITLES = {"robustness": "test, noisy", "transfer": "transfer", "out_of_distribution": "official"}


def message_rows(split: Split, messages: np.ndarray, lengths: np.ndarray | None
                ) -> Iterator[dict[str, Any]]:
  """One row per item and speaker of `messages` [S, n, T]: id, name if known, speaker, message.

  A message that ends early is written without its end symbol: the first `lengths` [S, n] symbols.
  """
  names = split.item_names(np.arange(messages.shape[1]))
  for item, name in enumerate(names):
    for speaker, said in enumerate(messages[:, item]):
      said = said if lengths is None else said[:lengths[speaker, item]]
      yield {"id": item, "name": name, "speaker": speaker, "message": said.tolist()}


def print_results(summary: dict[str, Any]) -> None:
  """Prints the numbers of all examinations side by side."""
  data, test = summary["data"], summary["test"]
  names = [name for name in ("valid", "test", *_TITLES) if name in summary]
  metrics = _METRICS | ({"message_length": "symbols of a message"} if "message_length" in test else {})
  among = f", {test['num_candidates']} candidates" if "num_candidates" in test else ""
  progress.print_table(
      f"{data['name']} ({data['kind']}), step {summary['evaluated']['step']}{among}",
      ["", *(_TITLES.get(name, name) for name in names)],
      [[label, *(summary[name][key] for name in names)] for key, label in metrics.items()])


def print_messages(split: Split, messages: np.ndarray, lengths: np.ndarray | None, *,
                   num_items: int = 8) -> None:
  """Prints what the first two speakers say about a few items that were never trained on."""
  items = np.linspace(0, messages.shape[1] - 1, num_items).astype(int)
  speakers = range(min(2, messages.shape[0]))
  fewer_symbols = messages.max() < len(string.ascii_lowercase)

  def say(speaker, item):
    said = messages[speaker, item]
    said = said if lengths is None else said[:lengths[speaker, item]]
    return spell(said, letters=fewer_symbols)

  progress.print_table(
      f"{split.split} items of {split.name}, as described by {len(speakers)} of "
      f"{messages.shape[0]} speakers", ["item", *(f"speaker {s}" for s in speakers)],
      [[name or f"#{item}", *(say(s, item) for s in speakers)]
       for item, name in zip(items, split.item_names(items), strict=True)])


def spell(message: np.ndarray, *, letters: bool) -> str:
  """A message for people: a letter per symbol, or numbers."""
  if letters:
    return "".join(string.ascii_lowercase[symbol] for symbol in message)
  return " ".join(map(str, message))
