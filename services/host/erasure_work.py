"""What an erasure computes beside the market, in a process of its own: each function connects, works and returns."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import asyncpg

from dispatcher.errors import PolicyError
from dispatcher.log.erasure import Found, search
from dispatcher.log.sql import query
from dispatcher.log.store import COMMAND_LIMIT_S, FROM_THE_END, packed
from dispatcher.market import Market
from dispatcher.market.market import Networks
from dispatcher.market.renaming import Touched, rename_person
from dispatcher.measures import Measures
from dispatcher.redaction import Erased
from gig.v1 import snapshot_pb2 as snapshot_pb

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Renamed:
    """A snapshot without the person's name, compressed as the database keeps it."""

    sequence: int
    market: bytes
    measures: bytes


def search_log(dsn: str, market_id: str, erased: Erased, after: int, until: int) -> Found:
    """Find and redact the events of a stretch of the log."""
    return _connected(dsn, lambda connection: search(connection, market_id, erased, after, until))


def rename_latest_snapshot(
    dsn: str, market_id: str, erased: Erased, touched: Touched, networks: Networks
) -> Renamed | None:
    """Rename the person in the latest snapshot. Return None where there is none, or it cannot be restored."""

    async def work(connection: asyncpg.Connection) -> Renamed | None:
        row = await connection.fetchrow(query("snapshot_before"), market_id, FROM_THE_END)
        return None if row is None else _renamed(row, erased, touched, networks)

    return _connected(dsn, work)


def _renamed(row: asyncpg.Record, erased: Erased, touched: Touched, networks: Networks) -> Renamed | None:
    """Of market and measures, which may be large, one is in memory at a time."""
    try:
        sequence, market = _renamed_market(row["body"], erased, touched, networks)
        measures = _renamed_measures(row["measures"], erased)
    except (ValueError, PolicyError):
        return None
    return Renamed(sequence, market, measures)


def _renamed_market(body: bytes, erased: Erased, touched: Touched, networks: Networks) -> tuple[int, bytes]:
    market = Market.restore(snapshot_pb.MarketSnapshot.FromString(zlib.decompress(body)), networks)
    rename_person(market.state, erased, touched)
    return market.sequence, packed(market.snapshot().SerializeToString(deterministic=True))


def _renamed_measures(kept: bytes, erased: Erased) -> bytes:
    measures = Measures.from_json(zlib.decompress(kept).decode())
    measures.rename(erased.person_id, erased.pseudonym)
    return packed(measures.to_json().encode())


def _connected(dsn: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        connection = await asyncpg.connect(dsn, command_timeout=COMMAND_LIMIT_S)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())
