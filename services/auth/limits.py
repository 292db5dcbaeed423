"""How much of the service one caller may take, and all together. Beyond it they are told when to come back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Counted
from throttled import MemoryStore, RateLimiterType, Throttled, per_sec

from dispatcher.complete import known
from dispatcher.errors import Exhausted
from services.auth.bulkheads import RETRY_S, Slot, bulkheads
from services.auth.caller import Caller
from services.auth.contract import METHODS
from services.auth.slow_refusals import SlowRefusals

# Buckets that are kept; the ones that nobody has touched the longest go first, and they are full by then.
BUCKETS = 200_000
# Seconds of the rate that may come at once.
CALL_BURST_S, PING_BURST_S, CAPACITY_BURST_S = 5, 60, 0.25
NAMES = (
    *("calls", "pings", "messages", "capacity", "calls_in_flight", "bulkhead", "bulkhead_per_caller", "bulkhead_wait"),
    *("streams", "streams_per_caller", "requests", "connections", "connections_per_address", "connections_opened"),
    "feeds",
)
# Requests a second of one address to the HTTP port, by callers without a token.
REQUESTS_PER_SECOND = 100
# Calls that finish work in progress. They reduce the load, so they have a larger bound of their own.
UNDER_WAY = known(
    frozenset(
        {
            "JobService/CancelJob",
            "CourierService/AnswerOffer",
            "CourierService/ReportProgress",
            "CourierService/GoOffline",
        }
    ),
    METHODS,
    "methods that bring jobs under way to their end",
)
# At most this many times `calls_in_flight` of them run at a time.
UNDER_WAY_SHARE = 4
# A message costs one call, and one more for each of these blocks of bytes.
BYTES_OF_A_CALL = 32 * 1024


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
        self.slow_refusals = SlowRefusals()
        self._calls = _buckets(quotas.calls_per_second, CALL_BURST_S)
        self._pings = _buckets(quotas.pings_per_second, PING_BURST_S)
        self._addresses = _buckets(REQUESTS_PER_SECOND, CALL_BURST_S)
        self._all = _buckets(quotas.capacity, CAPACITY_BURST_S)
        self._in_flight = {False: 0, True: 0}
        self._most_in_flight = {False: quotas.calls_in_flight, True: quotas.calls_in_flight * UNDER_WAY_SHARE}
        self._bulkheads = bulkheads(self.count_refused)
        self._streams: Counter[str] = Counter()
        self._open_streams = 0
        self._refused = Counted(
            "gig_refused", "Calls, streams and batches of pings beyond a limit", ["limit"], registry=registry
        )
        for limit in NAMES:
            self._refused.labels(limit)

    def call(self, caller: Caller) -> None:
        """Raises Exhausted where this caller calls too often."""
        self._charge(caller, 1)

    def size(self, caller: Caller, message: bytes) -> None:
        """Charge a large message as several calls. Raises Exhausted where this caller sends too much."""
        cost = len(message) // BYTES_OF_A_CALL
        if cost:
            self._charge(caller, cost)

    def message_wait_s(self, caller: Caller, cost: int) -> float:
        """Charge a message of a stream as so many calls; return 0, or, where the caller has too few left, the seconds
        until it has them."""
        wait_s = _taken(self._calls, caller.principal, self._payable(cost))
        if wait_s:
            self.count_refused("messages")
        return wait_s

    def request(self, address: str) -> None:
        """Charge a request without a token. Raises Exhausted where its address sends too many."""
        retry_s = _taken(self._addresses, address, 1)
        if retry_s:
            text = f"more than {REQUESTS_PER_SECOND} requests a second without a token: wait, or sign in"
            raise self._exhausted("requests", "TOO_MANY_CALLS", text, retry_s)

    def _charge(self, caller: Caller, cost: int) -> None:
        retry_s = _taken(self._calls, caller.principal, self._payable(cost))
        if retry_s:
            text = f"more than {self.quotas.calls_per_second} calls a second: wait before the next one"
            raise self._exhausted("calls", "TOO_MANY_CALLS", text, retry_s)

    def _payable(self, cost: int) -> int:
        """Return the cost, at most half of a bucket: a caller who has waited can send the largest message."""
        return min(cost, max(self.quotas.calls_per_second * CALL_BURST_S // 2, 1))

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
        """Charge positions; an empty batch costs as much as one position.

        Raises Exhausted where this courier sends positions too often; none of the batch is taken.
        """
        retry_s = _taken(self._pings, courier_id, max(count, 1))
        if retry_s:
            text = f"more than {self.quotas.pings_per_second} positions a second: send fewer"
            raise self._exhausted("pings", "TOO_MANY_PINGS", text, retry_s)

    @asynccontextmanager
    async def carrying_out(self, path: str, caller: Caller) -> AsyncIterator[Slot | None]:
        """Hold a place for a call: in the bulkhead of its method, or among all calls in flight.

        Raises Exhausted where there is none.
        """
        bulkhead = self._bulkheads.get(path)
        if bulkhead is None:
            with self._flying(path in UNDER_WAY):
                yield None
        else:
            async with bulkhead.held(caller) as slot:
                yield slot

    @contextmanager
    def _flying(self, under_way: bool) -> Iterator[None]:
        if self._in_flight[under_way] >= self._most_in_flight[under_way]:
            text = "the service carries out as many calls as it can serve quickly: come back later"
            raise self._exhausted("calls_in_flight", "OVERLOADED", text, RETRY_S)
        self._in_flight[under_way] += 1
        try:
            yield
        finally:
            self._in_flight[under_way] -= 1

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

    def count_refused(self, limit: str) -> None:
        self._refused.labels(limit).inc()

    def _exhausted(self, limit: str, reason: str, text: str, retry_s: float) -> Exhausted:
        self.count_refused(limit)
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
