"""Messages of one length, and messages that end.

Where `message.variable_length` is set, symbol 0 is the end symbol, one of the `V` symbols, and `T` is
the most a message can take. Exactly:

- The **length** of a message is the number of symbols before its first end symbol, 0 to T; a message
  without one has length T. What is said after the end symbol is nothing: it is replaced by it.
- The **listener** reads the symbols up to and including the first end symbol, and its core's output
  there is all that it knows of the message; without an end symbol it reads all T.
- The **log-probability** of a message covers the same symbols, the end symbol included and nothing
  after it; so do entropy, divergence, and the errors of the values. Sums over those steps are still
  divided by T, so that a long message is not worth less per symbol than a short one.

A relaxed symbol is a distribution over the V symbols, [V] floats, instead of a whole number. A relaxed
message ends at step t with probability `y_t[0] prod_(s<t) (1 - y_s[0])`, at T with what is left; its
length and what the listener reads of it are expectations under that. For one-hot symbols they are
the same as above.

Shapes: `B` batch, `T` message length, `V` vocabulary, `E` embedding.
"""

import chex
import haiku as hk
import jax.numpy as jnp
import numpy as np

END = 0


def embed(table: hk.Embed, symbols: chex.Array) -> chex.Array:
  """Embeds whole symbols [...] or relaxed ones [..., V], which need not be all of the table's."""
  if jnp.issubdtype(symbols.dtype, jnp.integer):
    return table(symbols)
  return symbols @ table.embeddings[:symbols.shape[-1]]


def lengths(messages: chex.Array) -> chex.Array:
  """Symbols before the first end symbol: [..., T] whole symbols -> [...]; NumPy stays NumPy."""
  return (messages != END).cumprod(axis=-1).sum(axis=-1)


def spoken(messages: chex.Array) -> chex.Array:
  """1 at the steps up to and including the first end symbol, else 0: [B, T] -> [B, T] float32."""
  return _before((messages != END).astype(jnp.float32))


def reading_weights(symbols: chex.Array) -> chex.Array:
  """The probability that a message ends at each step: [B, T] or relaxed [B, T, V] -> [B, T]."""
  ends = _ends(symbols)
  before = _before(1 - ends)
  return jnp.concatenate([(before * ends)[:, :-1], before[:, -1:]], axis=1)


def expected_length(symbols: chex.Array) -> chex.Array:
  """The expected length of relaxed messages: [B, T, V] -> [B]."""
  return jnp.cumprod(1 - _ends(symbols), axis=1).sum(axis=1)


def without_end(messages: np.ndarray) -> np.ndarray:
  """Symbols 1 ... V-1 renamed to 0 ... V-2, for measures that only look at the first `lengths`.

  What stands where the end symbol was has no meaning.
  """
  return np.maximum(messages, 1) - 1


def _ends(symbols: chex.Array) -> chex.Array:
  if jnp.issubdtype(symbols.dtype, jnp.integer):
    return (symbols == END).astype(jnp.float32)
  return symbols[..., END]


def _before(goes_on: chex.Array) -> chex.Array:
  """The probability that each step is reached, given that of going on after each: [B, T]."""
  reached = jnp.cumprod(goes_on, axis=1)
  return jnp.concatenate([jnp.ones_like(reached[:, :1]), reached[:, :-1]], axis=1)
