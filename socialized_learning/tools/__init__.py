"""Small commands beside the main one, each `python -m socialized_learning.tools.NAME`."""
