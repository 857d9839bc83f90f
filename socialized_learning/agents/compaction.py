"""A gated network at inference without the channels that are dropped anyway: smaller kernels.

A channel that is dropped is exactly zero, and adds nothing to anything. Where it is known that some
are dropped for all images of a kind, the network without them gives the same logits.

Shapes: `B` images, `L` agents, `C` channels of each, `n` of them that are left.
"""

from collections.abc import Sequence

import jax
import numpy as np
import numpy.typing as npt

from socialized_learning.agents.classifiers import Net


def needed(kept: npt.ArrayLike, multiple_of: int = 1) -> list[np.ndarray]:
  """The channels that have to be there for some images, at least one: [B, L, C] -> L arrays [n].

  With `multiple_of` others stay as well, for numbers that a machine is fast with.
  """
  found = []
  for used in np.asarray(kept, bool).any(axis=0):
    count = -(-max(1, used.sum()) // multiple_of) * multiple_of
    found.append(np.sort(np.argsort(~used, kind="stable")[:count]))
  return found


def compact(net: Net, channels: Sequence[np.ndarray]) -> Net:
  """The network with these channels alone, for a classifier made with the same `channels`."""
  # Module -> channels it reads, channels it makes; None for all.
  first, middle, second, last = channels
  sliced = {
      "stage_1_block_0/conv_1": (None, first), "stage_1_block_0/norm_1": (None, first),
      "stage_1_block_0/conv_2": (first, middle), "stage_1_block_0/norm_2": (None, middle),
      "stage_1_block_0/shortcut": (None, middle), "stage_1_block_0/shortcut_norm": (None, middle),
      "stage_1_block_1/conv_1": (middle, second), "stage_1_block_1/norm_1": (None, second),
      "stage_1_block_1/conv_2": (second, last), "stage_1_block_1/norm_2": (None, last),
      "agent_1/~/conv": (first, None), "agent_2/~/conv": (middle, None),
      "agent_3/~/conv": (second, None), "linear": (last, None)}

  def cut(module, which, leaf):
    reads, makes = sliced.get(module.removeprefix("resnet/~/"), (None, None))
    if reads is not None and which == "w":
      leaf = leaf[..., reads, :]
    if makes is not None:
      leaf = leaf[..., makes]
    return leaf

  of_all = lambda tree: {module: {which: cut(module, which, leaf) for which, leaf in leaves.items()}
                         for module, leaves in tree.items()}
  return jax.tree.map(np.asarray, Net(of_all(net.params), of_all(net.stats)))
