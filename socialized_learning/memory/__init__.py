"""Memories of what was seen: arrays of a fixed size that a step can read, write and donate.

A memory holds no images but where they are: positions in the training images, which lie on the device
anyway, and how each was looked at. `policies` decides which slot an example gets.
"""

from socialized_learning.memory.policies import POLICIES
from socialized_learning.memory.slots import empty
from socialized_learning.memory.slots import filled
from socialized_learning.memory.slots import Memory
from socialized_learning.memory.slots import read
from socialized_learning.memory.slots import sample
from socialized_learning.memory.slots import write

__all__ = ("Memory", "POLICIES", "empty", "filled", "read", "sample", "write")
