"""Erase people from the log, memory and tables, one at a time, beside the market.

The steps of an erasure: the market decides it (``PersonErased``). One transaction rewrites the log; all but the last
events are found and written while the market serves. In a pause, in which commands wait, the last events are written
and the person is renamed in memory. The tables follow, and ``ErasureCompleted`` keeps the answer for repetitions.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

import asyncpg

from dispatcher import commands
from dispatcher.errors import DispatchError, Exhausted, MarketUnavailable, WrongState
from dispatcher.log import erasure
from dispatcher.log.rewriting import begin_rewriting
from dispatcher.log.sql import query
from dispatcher.market.decide.people import check_erasable, check_not_reviewed
from dispatcher.market.renaming import Prepared, Touched
from dispatcher.redaction import Erased
from services.host.child import background_process
from services.host.erasure_work import rename_latest_snapshot, search_log
from services.host.log_writer import STORE_FAULTS
from services.host.market_host import MarketHost
from services.telling import told

log = logging.getLogger(__name__)

T = TypeVar("T")
# Events that one search covers, and how many events may be left for the pause.
STRETCH, TAIL = 2_000, 200
# The pause after a stretch, as a multiple of how long it took: calls go on beside an erasure as they do without.
REST = 2.0
# Erasures that may be under way, one of them at work; and how many of them a person may begin in a day.
UNDER_WAY, A_DAY, DAY_S = 16, 3, 86_400.0
# Wall seconds: the delay for a refused caller, and the pause before the tables are tried again.
RETRY_S, TABLES_RETRY_S = 30.0, 1.0
NO_SNAPSHOT = -1


@dataclass(frozen=True, slots=True)
class Erasure:
    """The pseudonym of the person, and the number of events of the log that were rewritten."""

    pseudonym: str
    events: int


class Allowance:
    """Limits how many erasures a person begins in a day. Keeps keyed hashes of ids, not the ids."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(16)
        self._begun: deque[tuple[float, bytes]] = deque()

    def take(self, person_id: str) -> None:
        """Count an erasure of the person. Raises Exhausted where the day's erasures are used up."""
        now_s, name = self._clock(), hashlib.blake2b(person_id.encode(), key=self._key, digest_size=16).digest()
        while self._begun and self._begun[0][0] <= now_s - DAY_S:
            self._begun.popleft()
        own = [begun_s for begun_s, other in self._begun if other == name]
        if len(own) >= A_DAY:
            text = f"the data of one person is erased at most {A_DAY} times a day: ask again later"
            raise Exhausted("TOO_MANY_ERASURES", text, own[0] + DAY_S - now_s)
        self._begun.append((now_s, name))


@dataclass(slots=True)
class _UnderWay:
    """``request``: of the call that began it; None where a restart goes on with it."""

    request: commands.Request | None
    pseudonym: str
    task: asyncio.Task[Erasure]


class Erasures:
    def __init__(self, host: MarketHost, dsn: str, allowance: Allowance | None = None) -> None:
        self._host, self._dsn = host, dsn
        self._allowance = allowance if allowance is not None else Allowance()
        self._turn = asyncio.Lock()
        self._under_way: dict[str, _UnderWay] = {}

    async def start(self) -> None:
        """Resume erasures that a crash or a stop has cut short."""
        for row in await self._host.pool.fetch(query("erasures"), self._host.market_id):
            self._begin(row["person_id"], None, row["pseudonym"], self._resume(row["person_id"], row["pseudonym"]))

    async def stop(self) -> None:
        """Stop the erasures under way; the next start resumes them."""
        tasks = [one.task for one in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def erase(self, request: commands.Request, person_id: str) -> Erasure:
        """Erase a person, or answer the repetition of a request that has done so.

        Raises WrongState while the person is at work or another erasure of theirs is under way, NotFound where nothing
        is held about them, Exhausted where they ask too often or too many wait.
        """
        pseudonym = self._host.market.subject(request) or ""
        done = await self._host.read(lambda market: market.state.erasures.get(pseudonym))
        if done is not None:
            return Erasure(pseudonym, done[0])
        under_way = self._under_way.get(person_id)
        if under_way is None:
            if len(self._under_way) >= UNDER_WAY:
                raise Exhausted("TOO_MANY_ERASURES", "too many erasures are under way: ask again later", RETRY_S)
            under_way = self._begin(person_id, request, pseudonym, self._decided(request, person_id))
        elif request != under_way.request and (not pseudonym or pseudonym != under_way.pseudonym):
            raise WrongState("BEING_ERASED", "the data of this person is being erased already")
        try:
            # A caller who leaves does not end it.
            return await asyncio.shield(under_way.task)
        except asyncio.CancelledError:
            if under_way.task.cancelled():
                raise MarketUnavailable("NOT_ACCEPTING", "the market is draining; ask again") from None
            raise

    def _begin(
        self, person_id: str, request: commands.Request | None, pseudonym: str, work: Coroutine[None, None, Erasure]
    ) -> _UnderWay:
        task = asyncio.create_task(work)
        under_way = self._under_way[person_id] = _UnderWay(request, pseudonym, task)

        def ended(task: asyncio.Task[Erasure]) -> None:
            del self._under_way[person_id]
            failure = None if task.cancelled() else task.exception()
            if failure is not None and not isinstance(failure, DispatchError):
                log.error("an erasure failed: %s", told(failure))

        task.add_done_callback(ended)
        return under_way

    async def _decided(self, request: commands.Request, person_id: str) -> Erasure:
        host = self._host
        command = commands.ErasePerson(request=request, person_id=person_id, pseudonym=f"erased-{secrets.token_hex(8)}")
        if host.market.subject(request) is None:
            await erasure.check_known(await host.projected(), host.market_id, person_id)
            check_erasable(host.market.state, person_id)
            self._allowance.take(person_id)
        async with self._turn:
            host.erasing.add(person_id)
            try:
                check_erasable(host.market.state, person_id)
                # A repetition, after a failure half-way, goes on with the pseudonym that is on the log.
                pseudonym = await host.submit(command, lambda market: market.subject(request) or "")
                return await self._erase(person_id, pseudonym)
            finally:
                host.erasing.discard(person_id)

    async def _resume(self, person_id: str, pseudonym: str) -> Erasure:
        self._host.erasing.add(person_id)
        try:
            async with self._turn:
                return await self._erase(person_id, pseudonym)
        finally:
            self._host.erasing.discard(person_id)

    async def _erase(self, person_id: str, pseudonym: str) -> Erasure:
        """Carry out the steps that an erasure still lacks, once the market has decided it."""
        host = self._host
        try:
            row = await host.pool.fetchrow(query("begin_erasure"), host.market_id, person_id, pseudonym)
            done: int | None = row["events"]
            erased = await self._erased(person_id, row["pseudonym"])
            events = await self._rewrite_log(erased) if done is None else done
        except WrongState:
            await host.pool.execute(query("end_erasure"), host.market_id, person_id)
            raise
        except (BrokenExecutor, *STORE_FAULTS) as fault:
            text = f"the erasure was cut short ({told(fault)}); ask again with the same request_id"
            raise MarketUnavailable("ERASURE_FAILED", text) from fault
        await self._rewrite_tables(erased)
        await host.sessions.redact(erased)
        await host.submit(commands.CompleteErasure(pseudonym=erased.pseudonym, events=events), lambda _market: None)
        await host.pool.execute(query("end_erasure"), host.market_id, person_id)
        return Erasure(erased.pseudonym, events)

    async def _erased(self, person_id: str, pseudonym: str) -> Erased:
        async with (await self._host.projected()).acquire() as connection:
            return await erasure.erased_person(connection, self._host.market_id, person_id, pseudonym)

    # --- the log

    async def _rewrite_log(self, erased: Erased) -> int:
        """Take the person out of log and memory; return the number of events that were rewritten."""
        with background_process() as process:
            # A snapshot in progress reads the log as it was: wait for it.
            async with self._host.snapshot_lock, self._host.pool.acquire() as connection:
                rewriting = _Rewriting(self._host, self._dsn, connection, process, erased)
                return await rewriting.run()

    # --- the tables

    async def _rewrite_tables(self, erased: Erased) -> None:
        """Take the person out of the tables; try again until the database does it."""
        while True:
            try:
                await erasure.erase_from_tables(await self._host.projected(), self._host.market_id, erased)
            except (MarketUnavailable, *STORE_FAULTS) as fault:
                log.warning("an erasure waits for the database: %s", told(fault))
                await asyncio.sleep(TABLES_RETRY_S)
            else:
                return


class _Rewriting:
    """The transaction that takes a person out of the log."""

    def __init__(
        self, host: MarketHost, dsn: str, connection: asyncpg.Connection, process: ProcessPoolExecutor, erased: Erased
    ) -> None:
        self._host, self._dsn, self._connection, self._process = host, dsn, connection, process
        self._erased = erased
        # A reload of memory raises the epoch and may save a snapshot: the transaction must then fail.
        self._epoch = host.store.epoch
        # The last event that was searched, the number of events rewritten, and what they are about.
        self._searched = self._events = 0
        self._touched = Touched()

    async def run(self) -> int:
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            await begin_rewriting(self._connection, self._host.market_id)
            check_erasable(self._host.market.state, self._erased.person_id)
            # Every snapshot is of an event that is durable by now.
            await self._search_until(self._host.durable_sequence)
            await self._rename_snapshot()
            prepared = await self._prepare_memory()
            while self._host.durable_sequence - self._searched > TAIL:
                await self._search_until(self._host.durable_sequence)
            async with self._host.held():
                # The person can do nothing meanwhile, but others may have asked for a review.
                check_not_reviewed(self._host.market.state, self._erased.person_id)
                await self._search_tail()
                await erasure.end_rewriting(
                    self._connection, self._host.market_id, self._epoch, self._erased.person_id, self._events
                )
                await transaction.commit()
                self._host.rename_person(self._erased, self._touched, prepared)
        except BaseException:
            await _roll_back(self._connection, transaction)
            raise
        return self._events

    async def _prepare_memory(self) -> Prepared:
        """Copy most of what memory holds of the person; what later events touch is gathered from now on."""
        touched, self._touched = self._touched, Touched()
        prepared = Prepared()
        for _ in prepared.prepare(self._host.market.state, self._erased, touched):
            await asyncio.sleep(0)
        return prepared

    async def _search_until(self, sequence: int) -> None:
        while self._searched < sequence:
            until, began_s = min(self._searched + STRETCH, sequence), monotonic()
            await self._write(await self._beside(search_log, self._erased, self._searched, until))
            self._searched = until
            await asyncio.sleep(REST * (monotonic() - began_s))

    async def _search_tail(self) -> None:
        left = self._host.durable_sequence - self._searched
        rows = await self._connection.fetch(query("read"), self._host.market_id, self._searched, left)
        bodies = (row["body"] for row in rows)
        await self._write(erasure.redact(enumerate(bodies, start=self._searched + 1), self._erased))

    async def _write(self, found: erasure.Found) -> None:
        await erasure.write_found(self._connection, self._host.market_id, found)
        self._events += len(found.sequences)
        self._touched.update(found.touched)

    async def _rename_snapshot(self) -> None:
        """Rename the person in the latest snapshot and drop the others, which still name the person."""
        renamed = await self._beside(rename_latest_snapshot, self._erased, self._touched, self._host.networks)
        kept = (NO_SNAPSHOT, b"", b"") if renamed is None else (renamed.sequence, renamed.market, renamed.measures)
        await self._connection.execute(query("replace_snapshots"), self._host.market_id, *kept)

    async def _beside(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.wrap_future(self._process.submit(work, self._dsn, self._host.market_id, *arguments))


async def _roll_back(connection: asyncpg.Connection, transaction: asyncpg.transaction.Transaction) -> None:
    """Roll back unless the connection is closed; the database then rolls back by itself."""
    if connection.is_in_transaction() and not connection.is_closed():
        try:
            await transaction.rollback()
        except STORE_FAULTS as fault:
            log.warning("the transaction of an erasure could not be rolled back: %s", told(fault))
