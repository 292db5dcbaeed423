"""Durations in fixed buckets, in bounded memory."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

# Upper edges, seconds; the last bucket is open.
WAIT_EDGES_S = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200)


@dataclass(slots=True)
class Histogram:
    """``counts`` has one more entry than ``edges``; ``total`` is the sum of all observations, in seconds."""

    edges: tuple[int, ...] = WAIT_EDGES_S
    counts: list[int] = field(default_factory=lambda: [0] * (len(WAIT_EDGES_S) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(self.edges, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """Upper edge, in seconds, of the bucket that holds the quantile; the last edge for the open bucket."""
        wanted, seen = share * self.count, 0
        for edge, count in zip(self.edges, self.counts, strict=False):
            seen += count
            if seen >= wanted:
                return float(edge) if self.count else 0.0
        return float(self.edges[-1])
