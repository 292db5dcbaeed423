"""Group commit: while one append is under way, the next events gather, and go to the log together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import asyncpg

from dispatcher.errors import MarketUnavailable, StaleWriter
from gig.v1 import events_pb2 as events_pb
from services.host.applied import Applied
from services.signals import Signals
from services.telling import told

# More than a database round trip's worth of events in one statement only adds latency.
LARGEST_APPEND = 5_000

# The driver calls a connection that is cut in the middle of an answer an internal error of its own.
STORE_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class Appends(Protocol):
    async def append(self, events: Sequence[events_pb.Event]) -> None: ...


class LogWriter:
    """Makes events durable in order, then hands them to ``publish`` and wakes those who wait for them."""

    def __init__(
        self, store: Appends, durable: int, publish: Callable[[Sequence[Applied]], None], signals: Signals
    ) -> None:
        self.durable_sequence = durable
        self._signals = signals
        self._store = store
        self._publish = publish
        self._pending: deque[Applied] = deque()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._wake = asyncio.Event()
        self._failed: MarketUnavailable | None = None

    @property
    def failed(self) -> bool:
        """Whether this writer has ended: the market then reloads with another one."""
        return self._failed is not None

    def add(self, applied: Sequence[Applied]) -> None:
        self._pending.extend(applied)
        self._wake.set()

    async def durable(self, sequence: int) -> None:
        """Return once the event of this sequence is durable. Raises MarketUnavailable when that cannot be promised."""
        if self._failed is not None:
            raise self._failed
        if sequence <= self.durable_sequence:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((sequence, future))
        await future

    async def run(self) -> None:
        """Append until cancelled. Raises where an append fails, after every waiting call has the failure."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._failed is not None:
                raise self._failed
            while self._pending:
                await self._append_some()

    def give_up(self, failure: MarketUnavailable) -> None:
        """End the writer, because memory may differ from the log: ``run`` raises, and every waiting call fails."""
        self._fail(failure)
        self._wake.set()

    async def _append_some(self) -> None:
        batch = [self._pending.popleft() for _ in range(min(len(self._pending), LARGEST_APPEND))]
        try:
            with self._signals.append.time():
                await self._store.append([applied.event for applied in batch])
        except StaleWriter as fault:
            self._fail(fault)
            raise
        except STORE_FAULTS as fault:
            failure = MarketUnavailable("LOG_UNAVAILABLE", f"the event log cannot be written now ({told(fault)})")
            self._fail(failure)
            raise failure from fault
        except Exception as fault:
            # An unexpected failure: the market reloads, and the calls that wait must end.
            kind = type(fault).__name__
            self._fail(MarketUnavailable("LOG_UNAVAILABLE", f"the event log cannot be written ({kind})"))
            raise
        self._signals.appended.observe(len(batch))
        self.durable_sequence = batch[-1].event.sequence
        self._publish(batch)
        while self._waiting and self._waiting[0][0] <= self.durable_sequence:
            self._resolve(self._waiting.popleft()[1], None)

    def _fail(self, failure: MarketUnavailable) -> None:
        self._failed = failure
        while self._waiting:
            self._resolve(self._waiting.popleft()[1], failure)

    @staticmethod
    def _resolve(future: asyncio.Future[None], failure: Exception | None) -> None:
        if future.done():  # its call was cancelled meanwhile
            return
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)
