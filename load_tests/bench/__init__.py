"""Benchmarks: each a command that a reader can run."""
