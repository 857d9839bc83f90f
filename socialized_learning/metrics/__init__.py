"""Metrics: pure functions of host-side arrays, one idea per file.

Language: topographic, agreement, ensembles, symbols, disentanglement (language: what they share).
Learning: continual (accuracy matrices), calibration, learning_curves.
"""
