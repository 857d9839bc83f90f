"""Agents: the only room of the house in which Haiku lives.

Elsewhere an agent is a record of pure functions over a parameter tree: `Speaker`, `Listener`, and
what continual learners train, `classifiers.Classifier`.
"""

from socialized_learning.agents.heads import ImageHead
from socialized_learning.agents.listener import Listener
from socialized_learning.agents.listener import ListenerOutput
from socialized_learning.agents.listener import make_listener
from socialized_learning.agents.speaker import make_speaker
from socialized_learning.agents.speaker import Speaker
from socialized_learning.agents.speaker import SpeakerOutput

IMAGE_SIZE = ImageHead.SIZE  # Of what listeners draw.

__all__ = (
    "IMAGE_SIZE",
    "Listener",
    "ListenerOutput",
    "Speaker",
    "SpeakerOutput",
    "make_listener",
    "make_speaker",
)
