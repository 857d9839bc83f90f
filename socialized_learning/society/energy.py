"""The energy of an image under a classifier: the lower, the more familiar.

Shapes: `B` examples, `C` classes; any number of leading axes, written `...`.
"""

import chex
import jax


def free_energy(logits: chex.Array, temperature: float = 1.0) -> chex.Array:
  """Helmholtz free energy `-T log sum_c exp(z_c / T)`: [..., C] -> [...].

  A soft maximum of the logits with its sign turned. Source: Liu et al. 2020, "Energy-based
  Out-of-distribution Detection"; of MASC it decides who answers.
  """
  return -temperature * jax.nn.logsumexp(logits / temperature, axis=-1)


def soft_minimum(logits: chex.Array, beta: float = 1.0) -> chex.Array:
  """`-1 / beta log sum_c exp(-beta z_c)`: [..., C] -> [...], the energy of the released training.

  A soft minimum of the logits, where the gate of the same code looks at the soft maximum.
  """
  return -jax.nn.logsumexp(-beta * logits, axis=-1) / beta


def alignment(energy: chex.Array, anchor: float) -> chex.Array:
  """`(F - anchor)^2` of each example, [...] -> [...].

  Cross-entropy leaves it open what is added to all logits of a network; this makes the energies of
  networks comparable that were trained apart.
  """
  return (energy - anchor)**2
