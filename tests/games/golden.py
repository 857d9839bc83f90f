"""The closed-form world of the golden numbers: weights, inputs, actions and rewards by formula.

Sizes: B = 6 games, D = 12 inputs, V = 5 symbols, T = 4 steps; speaker: embedding 3, LSTM 8; listener:
embedding 4, LSTM 9, projection 7. Tensor number t of the tables is `tensor(t, shape)`.
"""

import jax
import jax.numpy as jnp
from ml_collections import config_dict
import numpy as np

from socialized_learning import agents

B, D, V, T = 6, 12, 5, 4
ACTIONS = np.array([[0, 3, 1, 4], [2, 1, 0, 4], [0, 0, 0, 0], [3, 4, 0, 1], [2, 4, 1, 3],
                    [1, 4, 2, 0]], np.int32)
REWARDS = np.array([1., 0., 1., 1., 0., 0.])
# Haiku's module path and parameter of tensor t.
SPEAKER = {
    0: ("speaker/~/embed", "embeddings", (6, 3)),
    1: ("speaker/~/state_adapter", "w", (12, 16)), 2: ("speaker/~/state_adapter", "b", (16,)),
    3: ("speaker/~/lstm/linear", "w", (11, 32)), 4: ("speaker/~/lstm/linear", "b", (32,)),
    5: ("speaker/~/head/~/policy", "w", (8, 5)), 6: ("speaker/~/head/~/policy", "b", (5,)),
    7: ("speaker/~/head/~/value", "w", (8, 1)), 8: ("speaker/~/head/~/value", "b", (1,)),
    9: ("speaker/~/head/~/dueling_state_value", "w", (8, 1)),
    10: ("speaker/~/head/~/dueling_state_value", "b", (1,)),
    11: ("speaker/~/head/~/dueling_advantage", "w", (8, 5)),
    12: ("speaker/~/head/~/dueling_advantage", "b", (5,)),
}
LISTENER = {
    13: ("listener/~/embed", "embeddings", (5, 4)),
    14: ("listener/~/lstm/linear", "w", (13, 36)), 15: ("listener/~/lstm/linear", "b", (36,)),
}
CPC_HEAD = {
    16: ("listener/~/cpc/~/message_projection/~/linear_0", "w", (9, 7)),
    17: ("listener/~/cpc/~/message_projection/~/linear_0", "b", (7,)),
    18: ("listener/~/cpc/~/target_projection/~/linear_0", "w", (12, 7)),
    19: ("listener/~/cpc/~/target_projection/~/linear_0", "b", (7,)),
}
LABEL_HEADS = {
    20: ("listener/~/multi_mlp/~/label_x/~/linear_0", "w", (9, 3)),
    21: ("listener/~/multi_mlp/~/label_x/~/linear_0", "b", (3,)),
    22: ("listener/~/multi_mlp/~/label_y/~/linear_0", "w", (9, 2)),
    23: ("listener/~/multi_mlp/~/label_y/~/linear_0", "b", (2,)),
}
LABELS = {"x": (2 * np.arange(B) + 1) % 3, "y": np.arange(B) // 2 % 2}


def tensor(t: float, shape: tuple[int, ...], gain: float, *, embedding: bool) -> np.ndarray:
  """Tensor number t: an embedding, a weight matrix or a bias."""
  o = np.arange(shape[-1])
  if len(shape) == 1:
    return 0.1 * np.sin(t + 1.1 * o)
  i = np.arange(shape[0])[:, None]
  waves = np.sin(t + 1.1 * o + 0.7 * i + 0.2 * o * i)
  return waves if embedding else gain * waves / np.sqrt(shape[0])


def params(table: dict, shift: float = 0.0, dtype=np.float64) -> dict:
  """Haiku parameters of a table of tensors; the target speaker's are shifted by 0.3."""
  tree: dict = {}
  for t, (module, name, shape) in table.items():
    gain = 6. if t == 5 else 3.
    value = tensor(t + shift, shape, gain, embedding=name == "embeddings")
    tree.setdefault(module, {})[name] = jnp.asarray(value, dtype)
  return tree


def inputs(dtype=np.float64) -> np.ndarray:
  """x[b, d] of the games."""
  b, d = np.arange(B)[:, None], np.arange(D)
  return np.sin(0.9 * b + 0.35 * d + 0.05 * d * (b + 1)).astype(dtype)


def second_view(dtype=np.float64) -> np.ndarray:
  """The candidates as the listener sees them in the part on two views."""
  b, d = np.arange(B)[:, None], np.arange(D)
  return (inputs() + 0.5 * np.cos(b + 0.7 * d)).astype(dtype)


def of(tree: dict, table: dict, t: int):
  """Tensor number t of a parameter or gradient tree."""
  module, name, _ = table[t]
  return np.asarray(tree[module][name])


def summary(tree) -> tuple[float, float]:
  """Sum and sum of squares over all tensors."""
  leaves = [np.asarray(x, np.float64) for x in tree_leaves(tree)]
  return sum(x.sum() for x in leaves), sum((x * x).sum() for x in leaves)


def tree_leaves(tree) -> list:
  """All arrays of nested dictionaries."""
  if isinstance(tree, dict):
    return [leaf for value in tree.values() for leaf in tree_leaves(value)]
  return [tree]


SPEAKER_CONFIG = config_dict.create(
    torso=dict(kind="identity", hidden_sizes=(), vocab_size=0, embed_dim=0,
               activate_final=False),
    core=dict(kind="lstm", hidden_size=8), embed_dim=3, head="policy_q_value_dueling", unroll=1)
MESSAGE_CONFIG = config_dict.create(vocab_size=V, length=T, variable_length=False)


def make_speaker() -> agents.Speaker:
  """The speaker of the tables; compiled, as an eager scan compiles every operation by itself."""
  speaker = agents.make_speaker(SPEAKER_CONFIG, MESSAGE_CONFIG)
  return speaker._replace(greedy=jax.jit(speaker.greedy), forced=jax.jit(speaker.forced))


def listener_config(kind: str) -> config_dict.ConfigDict:
  """Settings of the listener with a `cpc` or a `multi_mlp` head."""
  return config_dict.create(
      core=dict(kind="lstm", hidden_size=9), embed_dim=4, unroll=1,
      head=dict(kind=kind, hidden_sizes=(7,) if kind == "cpc" else ()))
