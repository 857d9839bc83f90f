"""Populations of Haiku agents that learn together: Lewis games and continual-learning streams."""

__version__ = "0.2.0"
