"""Recipes: one file per family of experiments, sweeps after ':' in `--config=FILE:SWEEP`."""
