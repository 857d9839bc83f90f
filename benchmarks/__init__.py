"""Benchmarks: each is a module to be run, prints JSON lines and needs no data."""
