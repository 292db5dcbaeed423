"""Bulkheads: expensive methods queue among themselves and take no place of other calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dispatcher.complete import complete, known
from dispatcher.errors import Exhausted
from services.auth.caller import Caller
from services.auth.contract import METHODS

RETRY_S = 1.0
# Wall seconds that a call waits for its turn: clients commonly give up after 30 s, and must get an answer before.
WAIT_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Width:
    """``running`` calls at a time and ``waiting`` ones behind them, of all callers; ``per_caller`` of one caller,
    running and waiting. ``wait_limit_s``: wall seconds that a call waits before it is refused."""

    running: int
    waiting: int
    per_caller: int
    wait_limit_s: float = WAIT_LIMIT_S


BULKHEADS: Mapping[str, str] = known(
    {
        "TransparencyService/ExplainNoOffer": "reruns",
        "TransparencyService/ExportMyData": "exports",
        "TransparencyService/EraseMyData": "erasures",
        "OversightService/SetPolicy": "publications",
        "OversightService/SetZones": "publications",
        "OversightService/CheckPlan": "explanations",
        "OversightService/GetQueue": "explanations",
        "TransparencyService/ExplainWait": "explanations",
        "TransparencyService/GetMyMeasures": "explanations",
        "JobService/ListJobs": "reads",
        "OversightService/ListReviews": "reads",
        "TransparencyService/ListDecisions": "reads",
        "TransparencyService/ExplainDecision": "reads",
        "PayService/GetStatement": "reads",
        "RatingService/ListRatings": "reads",
    },
    METHODS,
    "bulkheads of methods",
)
WIDTHS: Mapping[str, Width] = complete(
    {
        # Each folds the log in a process of its own.
        "reruns": Width(running=1, waiting=16, per_caller=2),
        # Each goes through the whole log, and keeps a file until its reader has it.
        "exports": Width(running=2, waiting=32, per_caller=1),
        # Each rewrites the log.
        "erasures": Width(running=1, waiting=16, per_caller=1),
        # Each is checked against the whole market.
        "publications": Width(running=1, waiting=8, per_caller=2),
        # Each reads every courier online, or every pair of stops.
        "explanations": Width(running=2, waiting=64, per_caller=4),
        # Each takes a connection to the database, which the log needs too.
        "reads": Width(running=8, waiting=256, per_caller=32),
    },
    BULKHEADS.values(),
    "widths of bulkheads",
)


class Slot:
    """A place among the running calls of a bulkhead; ``release`` gives it back before the call ends."""

    def __init__(self, running: asyncio.Semaphore) -> None:
        self._running: asyncio.Semaphore | None = running

    def release(self) -> None:
        if self._running is not None:
            self._running.release()
            self._running = None


class Bulkhead:
    def __init__(self, name: str, width: Width, count_refused: Callable[[str], None]) -> None:
        self._name, self._width, self._count_refused = name, width, count_refused
        self._running = asyncio.Semaphore(width.running)
        self._waiting = 0
        self._callers: Counter[str] = Counter()

    @asynccontextmanager
    async def held(self, caller: Caller) -> AsyncIterator[Slot]:
        """Wait for a slot and hold it; a call that is cancelled gives it back.

        Raises Exhausted where the caller has as many such calls already, too many callers wait, or no slot is free
        within the wait limit.
        """
        who = caller.principal
        if self._callers[who] >= self._width.per_caller:
            count = self._width.per_caller
            raise self._exhausted("bulkhead_per_caller", f"{count} such calls of yours are under way: wait for them")
        if self._waiting >= self._width.waiting:
            raise self._exhausted("bulkhead", f"too many calls of this kind ({self._name}) wait: come back later")
        self._callers[who] += 1
        try:
            await self._wait_for_slot()
            slot = Slot(self._running)
            try:
                yield slot
            finally:
                slot.release()
        finally:
            self._callers[who] -= 1
            if not self._callers[who]:
                del self._callers[who]

    async def _wait_for_slot(self) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(self._width.wait_limit_s):
                await self._running.acquire()
        except TimeoutError:
            limit_s = self._width.wait_limit_s
            text = f"no place for a call of this kind ({self._name}) came free within {limit_s:g} s: come back later"
            raise self._exhausted("bulkhead_wait", text) from None
        finally:
            self._waiting -= 1

    def _exhausted(self, limit: str, text: str) -> Exhausted:
        self._count_refused(limit)
        return Exhausted("BUSY", text, RETRY_S)


def bulkheads(count_refused: Callable[[str], None]) -> Mapping[str, Bulkhead]:
    """Return the bulkhead of each method that has one; methods of one kind share it."""
    made = {name: Bulkhead(name, width, count_refused) for name, width in WIDTHS.items()}
    return {path: made[name] for path, name in BULKHEADS.items()}
