"""How much of the service one caller may take, and all together. Beyond it they are told when to come back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Counted
from throttled import MemoryStore, RateLimiterType, Throttled, per_sec

from dispatcher.errors import Exhausted
from services.auth.caller import Caller

# Buckets that are kept; the ones that nobody has touched the longest go first, and they are full by then.
BUCKETS = 200_000
# Seconds of the rate that may come at once.
CALL_BURST_S, PING_BURST_S, CAPACITY_BURST_S = 5, 60, 0.25
RETRY_S = 1.0
NAMES = ("calls", "pings", "capacity", "calls_in_flight", "streams", "streams_per_caller")


@dataclass(frozen=True, slots=True)
class Quotas:
    """``pings_per_second`` of a courier, ``streams_per_caller`` at the same time; ``capacity`` in calls a second,
    ``calls_in_flight`` and ``streams`` of all callers together."""

    calls_per_second: int = 50
    pings_per_second: int = 20
    streams_per_caller: int = 64
    capacity: int = 1000
    calls_in_flight: int = 256
    streams: int = 20_000


class Limits:
    def __init__(self, quotas: Quotas, registry: CollectorRegistry) -> None:
        self.quotas = quotas
        self._calls = _buckets(quotas.calls_per_second, CALL_BURST_S)
        self._pings = _buckets(quotas.pings_per_second, PING_BURST_S)
        self._all = _buckets(quotas.capacity, CAPACITY_BURST_S)
        self._in_flight = 0
        self._streams: Counter[str] = Counter()
        self._open_streams = 0
        self._refused = Counted(
            "gig_refused", "Calls, streams and batches of pings beyond a limit", ["limit"], registry=registry
        )
        for limit in NAMES:
            self._refused.labels(limit)

    def call(self, caller: Caller) -> None:
        """Raises Exhausted where this caller calls too often."""
        retry_s = _taken(self._calls, caller.principal, 1)
        if retry_s:
            text = f"more than {self.quotas.calls_per_second} calls a second: wait before the next one"
            raise self._exhausted("calls", "TOO_MANY_CALLS", text, retry_s)

    def spent(self, caller: Caller) -> bool:
        """Whether the next call of this caller will be one too many."""
        return bool(self._calls.peek(caller.principal).remaining < 1)

    def beyond_capacity(self) -> bool:
        """Whether all together have asked for more than the service does in a second; else the call is counted."""
        if not _taken(self._all, "all", 1):
            return False
        self._refused.labels("capacity").inc()
        return True

    def pings(self, courier_id: str, count: int) -> None:
        """Raises Exhausted where this courier sends positions too often; none of the batch is taken."""
        retry_s = _taken(self._pings, courier_id, count)
        if retry_s:
            text = f"more than {self.quotas.pings_per_second} positions a second: send fewer"
            raise self._exhausted("pings", "TOO_MANY_PINGS", text, retry_s)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Raises Exhausted where too many calls are being carried out: those in hand stay quick."""
        if self._in_flight >= self.quotas.calls_in_flight:
            text = "the service has as many calls in hand as it can serve quickly: come back later"
            raise self._exhausted("calls_in_flight", "OVERLOADED", text, RETRY_S)
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    @contextmanager
    def stream(self, caller: Caller) -> Iterator[None]:
        """Raises Exhausted where this caller, or all together, hold too many streams."""
        name = caller.principal
        if self._open_streams >= self.quotas.streams:
            text = f"all {self.quotas.streams} streams of this service are taken"
            raise self._exhausted("streams", "TOO_MANY_STREAMS", text, RETRY_S)
        if self._streams[name] >= self.quotas.streams_per_caller:
            text = f"{self.quotas.streams_per_caller} streams are open already: end one first"
            raise self._exhausted("streams_per_caller", "TOO_MANY_STREAMS", text, RETRY_S)
        self._streams[name] += 1
        self._open_streams += 1
        try:
            yield
        finally:
            self._open_streams -= 1
            self._streams[name] -= 1
            if not self._streams[name]:
                del self._streams[name]

    def _exhausted(self, limit: str, reason: str, text: str, retry_s: float) -> Exhausted:
        self._refused.labels(limit).inc()
        return Exhausted(reason, text, retry_s)


def _buckets(rate: int, burst_s: float) -> Throttled:
    """Token buckets in the form of GCRA (ITU-T I.371): one number each, on the monotonic clock."""
    store = MemoryStore(options={"MAX_SIZE": BUCKETS})
    return Throttled(
        using=RateLimiterType.GCRA.value, quota=per_sec(rate, burst=max(int(rate * burst_s), 1)), store=store
    )


def _taken(buckets: Throttled, name: str, cost: int) -> float:
    """0 where the bucket held as much, else the seconds until it does."""
    found = buckets.limit(name, cost=cost)
    return math.ceil(found.state.retry_after * 1000) / 1000 if found.limited else 0.0
