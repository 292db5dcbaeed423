"""The log is rewritten by erasure and retention alone, one after the other: rows of serialized records, in place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import asyncpg
from google.protobuf.message import Message

from dispatcher.log.sql import query


async def begin_rewriting(connection: asyncpg.Connection, market_id: str) -> None:
    """Waits for whoever rewrites the same market, until the end of the transaction."""
    await connection.execute(query("lock_rewriting"), market_id)


async def write_changed(
    connection: asyncpg.Connection, table: str, market_id: str, rows: Iterable[tuple[Any, bytes, Message]]
) -> int:
    """Of (key, body as it was, record as it shall be) those that differ are written; returns how many."""
    changed = [(key, new) for key, old, record in rows if (new := record.SerializeToString()) != old]
    if changed:
        keys, bodies = zip(*changed, strict=True)
        await connection.execute(query(f"rewrite_{table}"), market_id, list(keys), list(bodies))
    return len(changed)
