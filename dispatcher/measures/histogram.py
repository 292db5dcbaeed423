"""Distributions in fixed buckets, in bounded memory."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate

# Upper edges; the last bucket is open. Seconds, unless they say otherwise.
WAIT_EDGES_S = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200)
ANSWER_EDGES_S = (1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 300, 600)
REVIEW_EDGES_S = (15, 30, 60, 120, 180, 300, 450, 600, 900, 1800, 3600)
REPLY_EDGES_S = (600, 3600, 4 * 3600, 86_400, 2 * 86_400, 3 * 86_400, 7 * 86_400, 14 * 86_400, 28 * 86_400)
TAKE_RATE_EDGES = (-1.0, -0.5, -0.25, 0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.75, 1.0)
# Minor units an hour.
HOURLY_EDGES = (0, 250, 500, 750, 1000, 1250, 1500, 1750, 2000, 2500, 3000, 3500, 4000, 5000, 7500, 10_000)


@dataclass(slots=True)
class Histogram:
    """``counts`` has one more entry than ``edges``; ``total`` is the sum of all observations, in their unit."""

    edges: tuple[float, ...] = WAIT_EDGES_S
    counts: list[int] = field(default_factory=list)
    total: float = 0.0
    # Of each bucket, a decision that fell into it: (its id, the value), or None.
    examples: list[tuple[str, float] | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.edges) + 1)
        self.examples = self.examples or [None] * (len(self.edges) + 1)

    def add(self, value: float, decision_id: str = "") -> None:
        bucket = bisect_left(self.edges, value)
        self.counts[bucket] += 1
        self.total += value
        if decision_id:
            self.examples[bucket] = (decision_id, value)

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """Upper edge of the bucket that holds the quantile; the last edge for the open bucket; 0 where it is empty."""
        if not self.count:
            return 0.0
        wanted = share * self.count
        reached = (edge for edge, seen in zip(self.edges, accumulate(self.counts), strict=False) if seen >= wanted)
        return float(next(reached, self.edges[-1]))
