"""Tuned values of continual-learning methods, as published: `preset(method, stream, buffer)`.

Tables are data, a module per family: stream -> slots of the memory (0: none) -> row. `derived`
says which methods and streams take the rows of another. Streams are named as in `streams`, but GCIL
with its weights of classes (option gcil_weights): gcil-cifar100-unif, gcil-cifar100-longtail. The
rows of Dynamos are for its own network. What a row says of itself:

| key | |
|---|---|
| source | whose table has the row: synergy (maybe CLS-ER's as well), cls-er, dynamos; or ours |
| ours | True if the row is not one of the published tables |
| reason | why it is as it is, if ours |

Our keys and the flags of the original command lines:

| key | flag | symbol, meaning |
|---|---|---|
| learning_rate | lr | constant, plain SGD |
| batch_size | batch_size | B, current images of a step |
| replay_batch_size | minibatch_size | Bm, replayed images of a step |
| num_epochs | n_epochs | of each task; 1 for MNIST-360, a stream of one pass |
| consistency_weight | reg_weight | lambda_reg (SYNERGy, CLS-ER) |
| ema_rate | ema_update_freq | r_ema, probability of an update of the averaged network |
| ema_decay | ema_alpha | alpha_ema |
| stable_ema_rate, plastic_ema_rate | {stable,plastic}_model_update_freq | r_S, r_P |
| stable_ema_decay, plastic_ema_decay | {stable,plastic}_model_alpha | alpha_S, alpha_P |
| penalty_weight | penalty_weight | lambda_pen |
| importance_decay | fisher_alpha | alpha_F |
| importance_rate | fisher_update_freq | r_F, probability of an update of the importance |
| ewc_weight, ewc_decay | e_lambda, gamma | of online EWC |
| si_weight, si_damping | c, xi | of SI |
| distillation_weight | alpha | of LwF |
| temperature, weight_decay | softmax_temp, wd_reg | of LwF, the latter times sum theta^2 |
| logit_weight, label_weight | alpha, beta | of DER and DER++, multi_scale, Dynamos |
| width | nf | of Dynamos' network, as all that follows |
| grey_as_colour | - | whether a grey image is shown with three equal channels, as all of theirs are |
| warmup_steps, warmup_epochs | warmup | how long all channels are kept at first; 0 for not |
| keep_ratio | keep-ratio | k |
| policy_penalty | policy-penalty | g <= 0, multiplies the reward of a wrong image |
| policy_weight | reward-weight | w_r |
| policy_logit_weight | policy-alpha | alpha_p, MSE to the agents' stored outputs |
| prototype_weight | prototype-loss | w_p |
| policy_temperature | temperature | T |
| bottleneck_ratio | hidden-dim-ratio | channels for each hidden unit of an agent |
| inference, inference_threshold | infer-mode, inf-thresh | of the agents' decisions in a test |
"""

from collections.abc import Iterator, Mapping
from typing import Any

from socialized_learning.configs.presets import clser
from socialized_learning.configs.presets import dark_replay
from socialized_learning.configs.presets import derived
from socialized_learning.configs.presets import dynamos
from socialized_learning.configs.presets import replay
from socialized_learning.configs.presets import synergy
from socialized_learning.configs.presets import without_memory

_TABLES = (without_memory.TABLES | replay.TABLES | dark_replay.TABLES | clser.TABLES
           | synergy.TABLES | dynamos.TABLES)
_NOT_OURS = {"ours": False, "reason": ""}


def preset(method: str, stream: str, buffer: int | None = None, *, source: str | None = None
          ) -> dict[str, Any]:
  """The tuned values of a method on a stream, a new dictionary.

  Args:
    method: as in the tables: sgd, er, synergy, …
    stream: as in the tables: rot-mnist, seq-cifar10, gcil-cifar100-unif, …
    buffer: slots of the memory; None or 0 for a method without one.
    source: what the row's `source` must be; None prefers synergy to cls-er where both have one.

  Returns:
    The row, with all keys of the tables above that belong to the method.

  Raises:
    KeyError: no such row; its one argument is a line that tells which there are.
  """
  streams = _get(_ROWS, method, "method", "presets")
  buffers = _get(streams, stream, "stream", f"presets of {method}")
  _check_buffer(buffers, method, stream, buffer)
  sources = buffers[buffer or 0]
  wanted = next(iter(sources)) if source is None else source
  name = f"presets of {method} on {stream}" + (f" with buffer {buffer}" if buffer else "")
  return dict(_get(sources, wanted, "source", name))


def combinations() -> Iterator[tuple[str, str, int]]:
  """All (method, stream, buffer) that have a preset."""
  for method, streams in _ROWS.items():
    for stream, buffers in streams.items():
      for buffer in buffers:
        yield method, stream, buffer


def _check_buffer(buffers: Mapping[int, Any], method: str, stream: str, buffer: int | None) -> None:
  """Raises KeyError unless a row is for this buffer."""
  sizes = ", ".join(map(str, buffers))
  if (buffer or 0) in buffers:
    return
  if 0 in buffers:
    raise KeyError(f"buffer {buffer}: {method} has no memory, name {method},{stream} without a buffer")
  if not buffer:
    raise KeyError(f"{method} on {stream} needs a buffer size: name {method},{stream},SLOTS, "
                   f"there are presets for {sizes}")
  raise KeyError(f"no buffer {buffer} among the presets of {method} on {stream}: there are {sizes}")


def _get(table: Mapping[Any, Any], key: Any, kind: str, name: str) -> Any:
  if key not in table:
    raise KeyError(f"no {kind} {key!r} among the {name}: there are "
                   f"{', '.join(map(str, table))}")
  return table[key]


def _derive(rows: Mapping[str, Any], *, like: str, without: tuple[str, ...], reason: str,
            without_memory_from: int | None = None) -> dict[str, Any]:
  """Rows of a method after those of another, see `derived.METHODS`."""
  def change(row):
    ours = {"ours": True, "reason": reason} if reason else {}
    return {key: value for key, value in row.items() if key not in without} | ours

  found = {}
  for stream, buffers in rows[like].items():
    if without_memory_from is not None:
      buffers = {0: buffers[without_memory_from]}
    found[stream] = {buffer: change(row) for buffer, row in buffers.items()}
  return found


def _on_other_data(row: Mapping[str, Any], stream: str, data: str,
                   of_mammoth: Mapping[str, Any] | None) -> dict[str, Any]:
  """The row of a stream for the same on other data, see `derived.STREAMS` and `derived.OF_MAMMOTH`."""
  reason = f"the row of {stream}, on {data}"
  if of_mammoth:
    others = [f"{name} {value:g}" for name, value in of_mammoth.items() if row[name] != value]
    reason += ("; Mammoth's row, for 10 tasks of 10 classes and a learning rate that falls, has "
               + (", ".join(others) if others else "the same values"))
  return {**row, "ours": True, "reason": f"{reason}; {row['reason']}" if row["reason"] else reason}


def _collect() -> dict[str, dict[str, dict[int, dict[str, dict[str, Any]]]]]:
  """All rows: method -> stream -> buffer -> source -> row; the preferred source comes first."""
  tables = _TABLES | {method: _derive(_TABLES, **how) for method, how in derived.METHODS.items()}
  collected = {}
  for method, streams in tables.items():
    found = collected[method] = {}
    for stream, buffers in streams.items():
      others = clser.ALTERNATIVES.get(method, {}).get(stream, {})
      found[stream] = {
          buffer: {each["source"]: _NOT_OURS | each
                   for each in (row, others.get(buffer)) if each is not None}
          for buffer, row in buffers.items()}
    for other, (stream, data) in derived.STREAMS.items():
      of_mammoth = derived.OF_MAMMOTH.get(other, {}).get(method, {})
      if stream in found:
        found[other] = {
            buffer: {source: _on_other_data(row, stream, data, of_mammoth.get(buffer))
                     for source, row in sources.items()}
            for buffer, sources in found[stream].items()}
  return collected


_ROWS = _collect()
