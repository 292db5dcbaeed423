"""Drive a search for failing items beside the calls, within a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from time import monotonic
from typing import TypeVar

from dispatcher.market.isolation import Isolated, Search

T = TypeVar("T", bound=Hashable)

# Wall seconds that one search may take. Items that are undecided then are left out this once and searched next time.
SEARCH_LIMIT_S = 5.0


def time_limit(seconds: float = SEARCH_LIMIT_S) -> Callable[[], bool]:
    """Return a function that is true until the seconds (wall time) have passed."""
    until = monotonic() + seconds
    return lambda: monotonic() < until


async def isolated(search: Search[T], attempt: Callable[[tuple[T, ...]], Awaitable[object]]) -> Isolated[T]:
    """Run a search and return what it found. The event loop serves calls between two attempts."""
    fault: Exception | None = None
    try:
        items = next(search)
        while True:
            try:
                await attempt(items)
                fault = None
            except Exception as raised:  # any failure is the answer to the search
                fault = raised
            await asyncio.sleep(0)
            items = search.send(fault)
    except StopIteration as end:
        found: Isolated[T] = end.value
        return found
