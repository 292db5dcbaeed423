"""Runs one market: commands in, durable events out to streams, watches, measures and tables."""
