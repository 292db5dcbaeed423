"""Keeps the SQL projections up with the log, in batches, off the path of the calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from dispatcher.errors import MarketUnavailable
from dispatcher.log.projections import Projections, Rows
from services.host.applied import Applied
from services.host.log_writer import STORE_FAULTS
from services.telling import told

log = logging.getLogger(__name__)

GATHER_S = 0.1
RETRY_S = 1.0


def _is_cancelled() -> bool:
    """On a dead connection the driver's own fault can take the place of a cancellation."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Projector:
    """Writes what was published; ``reached`` waits until the tables show a sequence."""

    def __init__(self, projections: Projections) -> None:
        self._projections = projections
        self._rows = Rows()
        self._advanced = asyncio.Condition()
        self._wanted = asyncio.Event()
        self._closed = False

    @property
    def sequence(self) -> int:
        return self._projections.sequence

    def add(self, batch: Sequence[Applied]) -> None:
        """Events must come in order; those that the tables show already are passed over."""
        for applied in batch:
            if applied.event.sequence > self._projections.sequence:
                self._rows.add(applied.event, applied.kind, applied.jobs, applied.phases)
        self._wanted.set()

    async def reached(self, sequence: int) -> None:
        """Raises MarketUnavailable where the market is loaded anew meanwhile."""
        async with self._advanced:
            await self._advanced.wait_for(lambda: self._closed or self._projections.sequence >= sequence)
        if self._closed:
            raise MarketUnavailable("RELOADING", "the market is being loaded; try again")

    async def close(self) -> None:
        """No more rows come: whoever waits is told."""
        self._closed = True
        async with self._advanced:
            self._advanced.notify_all()

    async def run(self) -> None:
        while True:
            await self._wanted.wait()
            await asyncio.sleep(GATHER_S)
            self._wanted.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write what has gathered. A database that is away is waited for; nothing is dropped."""
        rows, self._rows = self._rows, Rows()
        while rows.sequence:
            try:
                await self._projections.write(rows)
                break
            except STORE_FAULTS as fault:
                if _is_cancelled():
                    raise asyncio.CancelledError from fault
                log.warning("the projections wait for the database: %s", told(fault))
                await asyncio.sleep(RETRY_S)
        async with self._advanced:
            self._advanced.notify_all()
