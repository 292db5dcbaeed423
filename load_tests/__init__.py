"""Researchers and load: traces, replay, live demonstrations, benchmarks."""
