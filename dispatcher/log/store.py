"""The log in PostgreSQL: migrations, fenced appends, snapshots, reads."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
from google.protobuf.message import DecodeError

from dispatcher.errors import NotFound, RestoreUnfinished, StaleWriter, UnfoldableLog
from dispatcher.log.sql import migrations, query
from dispatcher.times import SECOND, micros
from gig.v1 import events_pb2 as events_pb
from gig.v1 import snapshot_pb2 as snapshot_pb

# Any constant: all processes that migrate the same database must agree on it.
MIGRATION_LOCK = 7_164_190_001
READ_BATCH = 5_000
# Sorts behind every sequence.
FROM_THE_END = 2**63 - 1
# A few megabytes each for a large market, and tens of thousands of events apart.
SNAPSHOTS_KEPT = 50
# The epoch of a market that is being restored: so low that no try to serve it brings it above zero.
RESTORING = -(2**40)


# A statement that has no answer by then has a dead connection.
COMMAND_LIMIT_S = 15.0


async def open_pool(dsn: str, size: int = 5) -> asyncpg.Pool:
    """Connections to the database, which is brought to the present schema first."""
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=size, command_timeout=COMMAND_LIMIT_S)
    async with pool.acquire() as connection:
        await migrate(connection)
    return pool


async def migrate(connection: asyncpg.Connection) -> None:
    """Apply the migrations that are missing, each in its transaction, under an advisory lock."""
    await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS migration (number int PRIMARY KEY)")
        done = {row["number"] for row in await connection.fetch("SELECT number FROM migration")}
        for number, text in migrations():
            if number not in done:
                async with connection.transaction():
                    await connection.execute(text)
                    await connection.execute("INSERT INTO migration (number) VALUES ($1)", number)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)


def moment(time_us: int) -> datetime:
    return datetime.fromtimestamp(time_us / SECOND, UTC)


class LogStore:
    """One market's log. ``acquire`` makes this process its writer; until then it can only be read."""

    def __init__(self, pool: asyncpg.Pool, market_id: str) -> None:
        self.pool = pool
        self.market_id = market_id
        self.epoch = 0
        self.last_sequence = 0
        # While acquire is under way, the epoch in the database may be ahead of ours.
        self.acquiring = False

    async def acquire(self) -> None:
        """Become the one writer: whoever wrote before is refused from now on."""
        self.acquiring = True
        try:
            row = await self.pool.fetchrow(query("acquire"), self.market_id)
            self.epoch, self.last_sequence = row["epoch"], row["last_sequence"]
        finally:
            self.acquiring = False
        if self.epoch <= 0:
            raise RestoreUnfinished(self.market_id)

    async def begin_restore(self) -> None:
        """As acquire does; but until ``end_restore`` nobody else can."""
        await self.acquire()
        self.epoch = await self.pool.fetchval(query("set_epoch"), self.market_id, self.epoch, RESTORING)

    async def end_restore(self) -> None:
        self.epoch = await self.pool.fetchval(query("set_epoch"), self.market_id, self.epoch, 1)

    async def append(
        self, events: Sequence[events_pb.Event], connection: asyncpg.pool.PoolConnectionProxy | None = None
    ) -> None:
        """Durable when it returns; with a ``connection``, when its transaction ends. Raises StaleWriter where another
        process has acquired the market."""
        first, last = events[0].sequence, events[-1].sequence
        status = await (connection or self.pool).execute(
            query("append"),
            self.market_id,
            self.epoch,
            first - 1,
            last,
            [micros(event.time) for event in events],
            [event.SerializeToString() for event in events],
        )
        if status != f"INSERT 0 {len(events)}":
            raise StaleWriter(self.market_id)
        self.last_sequence = last

    async def read(self, after: int = 0) -> AsyncIterator[events_pb.Event]:
        """Events with a sequence above ``after``, in order."""
        while True:
            rows = await self.pool.fetch(query("read"), self.market_id, after, READ_BATCH)
            for row in rows:
                after = row["sequence"]
                yield self._event(after, row["body"])
            if len(rows) < READ_BATCH:
                return

    def _event(self, sequence: int, body: bytes) -> events_pb.Event:
        """Raises UnfoldableLog where the bytes are not the event of this sequence."""
        try:
            event: events_pb.Event = events_pb.Event.FromString(body)
        except DecodeError as fault:
            raise UnfoldableLog(self.market_id, sequence, "unreadable", "its bytes are no event") from fault
        if event.sequence != sequence:
            raise UnfoldableLog(self.market_id, sequence, "unreadable", f"its bytes are of event {event.sequence}")
        return event

    async def read_rows(self, after: int = 0) -> AsyncIterator[tuple[int, bytes | None]]:
        """(sequence, bytes) of each event, unread; None for bytes where a row is missing."""
        while True:
            rows = await self.pool.fetch(query("read"), self.market_id, after, READ_BATCH)
            for row in rows:
                for missing in range(after + 1, row["sequence"]):
                    yield missing, None
                after = row["sequence"]
                yield after, row["body"]
            if len(rows) < READ_BATCH:
                break
        for missing in range(after + 1, await self.length() + 1):
            yield missing, None

    async def event(self, sequence: int) -> events_pb.Event:
        """The event with this sequence. Raises NotFound."""
        body = await self.pool.fetchval(query("event"), self.market_id, sequence)
        if body is None:
            raise NotFound("event", str(sequence))
        found: events_pb.Event = events_pb.Event.FromString(body)
        return found

    async def read_since(self, time_us: int, until: int) -> AsyncIterator[events_pb.Event]:
        """Events at or after a market time, up to the sequence ``until``, in order."""
        after = 0
        while True:
            rows = await self.pool.fetch(query("read_since"), self.market_id, moment(time_us), after, until, READ_BATCH)
            for row in rows:
                after = row["sequence"]
                yield events_pb.Event.FromString(row["body"])
            if len(rows) < READ_BATCH:
                return

    async def length(self) -> int:
        """The last sequence on the log, 0 for an unknown market."""
        return int(await self.pool.fetchval(query("last_sequence"), self.market_id) or 0)

    async def save_snapshot(self, snapshot: bytes, measures: str, sequence: int) -> None:
        """Keep the serialized market and measures of a durable sequence; the oldest ones go."""
        parts = [packed(part) for part in (snapshot, measures.encode())]
        kept = SNAPSHOTS_KEPT - 2  # beside this one, counted from 0
        await self.pool.execute(query("save_snapshot"), self.market_id, self.epoch, sequence, *parts, kept)

    async def latest_snapshot(self, before: int = FROM_THE_END) -> tuple[snapshot_pb.MarketSnapshot, str] | None:
        """The market and the measures of the last snapshot with a sequence below ``before``, or None."""
        row = await self.pool.fetchrow(query("snapshot_before"), self.market_id, before)
        if row is None:
            return None
        market = snapshot_pb.MarketSnapshot.FromString(zlib.decompress(row["body"]))
        return market, zlib.decompress(row["measures"]).decode()


def packed(part: bytes) -> bytes:
    """Compress a part of a snapshot as the database keeps it."""
    return zlib.compress(part, 1)


async def markets(pool: asyncpg.Pool) -> list[str]:
    """Ids of the markets in the database."""
    rows: list[Any] = await pool.fetch(query("markets"))
    return [row["market_id"] for row in rows]
