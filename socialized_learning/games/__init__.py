"""Games: how agents play together, and what each learns from it."""

from socialized_learning.games.lewis import Game
from socialized_learning.games.lewis import make_lewis_game
from socialized_learning.games.lewis import Pair
from socialized_learning.games.lewis import View

__all__ = ("Game", "Pair", "View", "make_lewis_game")
