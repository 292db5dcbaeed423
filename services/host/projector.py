"""Keeps the SQL projections up with the log, in batches, off the path of the calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

import asyncpg

from dispatcher.errors import MarketUnavailable, TablesBehind
from dispatcher.log.projections import Projections, Rows
from services.host.applied import Applied
from services.host.log_writer import STORE_FAULTS
from services.host.quarantine import Item, Kind, Loop, Quarantine, loop_item
from services.telling import ABOUT_THE_DATABASE, told

log = logging.getLogger(__name__)

GATHER_S = 0.1
RETRY_S = 1.0
# Further classes of SQLSTATE that say nothing about the rows: transactions and locks.
ABOUT_THE_MOMENT = ABOUT_THE_DATABASE | {"25", "40", "55"}


def _is_cancelled() -> bool:
    """On a dead connection the driver's own fault can take the place of a cancellation."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def is_about_the_rows(fault: Exception) -> bool:
    """Return whether the rows are the cause: the same rows would fail again, and others would not."""
    if isinstance(fault, asyncpg.PostgresError) and fault.sqlstate is not None:
        return str(fault.sqlstate)[:2] not in ABOUT_THE_MOMENT
    return isinstance(fault, asyncpg.DataError) or not isinstance(fault, STORE_FAULTS)


class Projector:
    """Writes what was published; ``reached`` waits until the tables show a sequence.

    Events whose rows the database refuses are set aside and tried again later, one by one. ``patient``: wait for a
    database that does not answer; otherwise raise its fault. ``behind``: called once, at the end of ``run``, where a
    crash of the database has taken rows, so that the market must follow its log again.
    """

    def __init__(
        self,
        projections: Projections,
        quarantine: Quarantine,
        *,
        patient: bool = True,
        behind: Callable[[TablesBehind], None] | None = None,
    ) -> None:
        self._patient = patient
        self._behind = behind
        self._projections = projections
        self._quarantine = quarantine
        self._waiting: list[Applied] = []
        self._refused: dict[Item, Applied] = {}
        self._advanced = asyncio.Condition()
        self._wanted = asyncio.Event()
        self._closed = False

    @property
    def sequence(self) -> int:
        return self._projections.sequence

    def add(self, batch: Sequence[Applied]) -> None:
        """Events must come in order; those that the tables show already are passed over."""
        shown = self._projections.sequence
        self._waiting += [applied for applied in batch if applied.event.sequence > shown]
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
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), RETRY_S if self._refused else None)
            await asyncio.sleep(GATHER_S)
            self._wanted.clear()
            try:
                await self.flush()
                await self.retry()
            except TablesBehind as fault:
                if self._behind is None:
                    raise
                self._behind(fault)
                return

    async def flush(self) -> None:
        """Write what has gathered. Nothing is dropped."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            await self._write(waiting)
        async with self._advanced:
            self._advanced.notify_all()

    async def retry(self) -> None:
        """Write events again that were refused and whose pause is over."""
        for item in self._quarantine.suspects(Loop.TABLES) & self._refused.keys():
            fault = await self._refusal([self._refused[item]], self._projections.sequence)
            if fault is None:
                self._refused.pop(item, None)
                self._quarantine.release(Loop.TABLES, (item,))
            else:
                self._quarantine.add(Loop.TABLES, item, fault, "writing rows")

    async def _write(self, waiting: list[Applied]) -> None:
        """Write all in one transaction, or by halves where rows are refused, so that only the cause is left out."""
        fault = await self._refusal(waiting, waiting[-1].event.sequence)
        if fault is None:
            return
        if len(waiting) > 1:
            middle = len(waiting) // 2
            await self._write(waiting[:middle])
            await self._write(waiting[middle:])
            return
        await self._leave_out(waiting[0], fault)

    async def _leave_out(self, applied: Applied, fault: Exception) -> None:
        """Set an event aside, once the database accepts any write at all, and go on without its rows."""
        sequence = applied.event.sequence
        while (general := await self._refusal([], sequence)) is not None:
            # The database refuses even to note how far the tables are: no event is the cause.
            self._quarantine.add(Loop.TABLES, loop_item(Loop.TABLES), general, "noting how far the tables are")
            await asyncio.sleep(RETRY_S)
        self._quarantine.release(Loop.TABLES, (loop_item(Loop.TABLES),))
        item = Item(Kind.EVENT, str(sequence), applied.kind)
        self._quarantine.add(Loop.TABLES, item, fault, "writing rows")
        if self._quarantine.find(Loop.TABLES, item) is not None:
            self._refused[item] = applied

    async def _refusal(self, waiting: list[Applied], sequence: int) -> Exception | None:
        """Write rows of these events and note the sequence. Return why the rows are refused, or None once they are
        written."""
        while True:
            try:
                rows = Rows(sequence=sequence)
                for applied in waiting:
                    rows.add(applied.event, applied.kind, applied.jobs, applied.phases)
                rows.sequence = sequence
                await self._projections.write(rows)
            except TablesBehind:
                raise
            except Exception as fault:
                if _is_cancelled():
                    raise asyncio.CancelledError from fault
                if is_about_the_rows(fault):
                    return fault
                if not self._patient:
                    raise
                log.warning("the projections wait for the database: %s", told(fault))
                await asyncio.sleep(RETRY_S)
            else:
                return None
