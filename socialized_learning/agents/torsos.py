"""Torsos: what a speaker does to its input before it starts to speak."""

from collections.abc import Callable, Sequence

import chex
import haiku as hk
import jax.numpy as jnp

TORSOS = ("identity", "mlp", "discrete")


def flatten(inputs: chex.Array) -> chex.Array:
  """[B, ...] -> [B, D] float32: images become pixel vectors, vectors stay as they are."""
  return inputs.reshape(inputs.shape[0], -1)


def make_torso(kind: str, *, hidden_sizes: Sequence[int], vocab_size: int, embed_dim: int,
               activate_final: bool = False) -> Callable[[chex.Array], chex.Array]:
  """Returns the torso named `kind`, a function [B, ...] -> [B, D].

  identity: the flattened input. mlp: dense layers of `hidden_sizes` with ReLU between them, as
  published; after the last one too if `activate_final`. discrete: inputs are integers in
  [0, vocab_size); each is embedded in `embed_dim` and all are concatenated.
  """
  if kind == "identity":
    return flatten
  if kind == "mlp":
    mlp = hk.nets.MLP(hidden_sizes, activate_final=activate_final, name="torso")
    return lambda inputs: mlp(flatten(inputs))
  if kind == "discrete":
    embed = hk.Embed(vocab_size, embed_dim, name="torso")
    return lambda inputs: flatten(embed(flatten(inputs).astype(jnp.int32)))
  raise KeyError(kind)
