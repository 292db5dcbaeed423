"""Experiments: one trace under several policies, many seeds, and what the difference is."""
