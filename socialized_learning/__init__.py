"""Populations of Haiku agents that learn together: Lewis games and continual-learning streams."""

__version__ = "0.1.0"
