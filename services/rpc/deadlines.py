"""Answer before the caller's deadline: a caller who hears nothing does not know what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dispatcher.errors import Exhausted
from services.auth.bulkheads import RETRY_S

# Wall seconds before the deadline at which a call is answered; a tenth of the time left where that is less.
MARGIN_S = 1.0


@asynccontextmanager
async def answered_in_time(left_s: float | None) -> AsyncIterator[None]:
    """Cancel the block shortly before the caller's deadline, ``left_s`` wall seconds from now; None: there is none.

    Raises Exhausted then. Work that does not end with its caller goes on, and the repetition of the request finds it.
    """
    try:
        async with asyncio.timeout(None if left_s is None else limit_of(left_s)) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        text = "the answer was not ready within your deadline: send the same request again, with a longer deadline"
        raise Exhausted("TOO_SLOW", text, RETRY_S) from None


def limit_of(left_s: float) -> float:
    """Return how long a call may take whose caller waits for ``left_s`` wall seconds."""
    return max(left_s - min(MARGIN_S, left_s / 10), 0.0)
