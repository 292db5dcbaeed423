"""Latencies by method in HDR histograms, from when a call was due, not from when it could be made.

A generator that waits for slow answers before it sends again measures the fast ones only (coordinated omission: Tene,
"How NOT to measure latency", 2013). Here each call has its moment by the trace's plan, and latency counts from then.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

# Microseconds, to three significant digits.
LOWEST_US, HIGHEST_US, DIGITS = 1, 120_000_000, 3
PERCENTILES = (50.0, 90.0, 99.0, 99.9)
# What happens to people who are too late, and is no failure: a job is over, or the offer that they answer is gone.
TOO_LATE, OFFER_GONE = "FAILED_PRECONDITION", ("Connect/answer", "NOT_FOUND")
# Failures by the service's fault. All other codes are refusals: of who calls, or of what they ask for.
FAULTS = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "DATA_LOSS", "RESOURCE_EXHAUSTED", "ABORTED"}
)


def _histogram() -> Any:
    return HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


@dataclass(slots=True)
class MethodTally:
    """``latency``: of calls that were answered, microseconds from when they were due; ``late``: how long after they
    were due they were made, which is the generator's own lag."""

    calls: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    latency: Any = field(default_factory=_histogram)
    late: Any = field(default_factory=_histogram)


@dataclass(slots=True)
class Latencies:
    """Of monotonic seconds (time.monotonic)."""

    methods: dict[str, MethodTally] = field(default_factory=dict)

    def answered(self, method: str, due: float, made: float) -> None:
        tally = self._of(method)
        now = time.monotonic()
        tally.latency.record_value(_us(now - due))
        tally.late.record_value(_us(made - due))

    def failed(self, method: str, code: str) -> None:
        self._of(method).errors[code] += 1

    @property
    def calls(self) -> int:
        return sum(tally.calls for tally in self.methods.values())

    @property
    def faults(self) -> int:
        """Calls that failed by the service's fault."""
        return sum(count for tally in self.methods.values() for code, count in tally.errors.items() if code in FAULTS)

    @property
    def refused(self) -> int:
        """Calls that were refused, because of their caller or their content."""
        return sum(
            count
            for method, tally in self.methods.items()
            for code, count in tally.errors.items()
            if code not in FAULTS and code != TOO_LATE and (method, code) != OFFER_GONE
        )

    def summary(self) -> dict[str, dict[str, Any]]:
        """By method, milliseconds."""
        return {name: _summary(tally) for name, tally in sorted(self.methods.items())}

    def encoded(self) -> dict[str, str]:
        """Each histogram as HdrHistogram's own compressed form, which its tools read and add up."""
        return {name: tally.latency.encode().decode() for name, tally in sorted(self.methods.items())}

    def _of(self, method: str) -> MethodTally:
        tally = self.methods.setdefault(method, MethodTally())
        tally.calls += 1
        return tally


def _summary(tally: MethodTally) -> dict[str, Any]:
    found: dict[str, Any] = {"calls": tally.calls, "errors": dict(tally.errors)}
    if tally.latency.get_total_count():
        for percentile in PERCENTILES:
            found[f"p{percentile:g}_ms"] = tally.latency.get_value_at_percentile(percentile) / 1000
        found["max_ms"] = tally.latency.get_max_value() / 1000
        found["late_p99_ms"] = tally.late.get_value_at_percentile(99.0) / 1000
    return found


def _us(seconds: float) -> int:
    return min(max(round(seconds * 1e6), LOWEST_US), HIGHEST_US)
