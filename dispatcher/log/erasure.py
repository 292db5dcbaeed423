"""Erase a person from the log and its tables.

The log changes in one transaction: it names the person everywhere or nowhere. ``search`` finds the events to change
while the market serves; ``write_found`` writes them, stretch by stretch, within the transaction. The tables follow in
short transactions of their own. The row of table ``erasure`` exists from the first step to the last, so that a restart
resumes an erasure that a crash interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from google.protobuf.message import Message

from dispatcher.errors import NotFound, StaleWriter
from dispatcher.log.rewriting import write_changed
from dispatcher.log.sql import query
from dispatcher.market.renaming import Touched
from dispatcher.messages import copied
from dispatcher.redaction import SEPARATOR, Erased, redacted
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb

# Rows of a table that are rewritten in one transaction.
BATCH = 200
# Records that are parsed and redacted between two statements: the event loop waits for them.
RECORDS = 40


@dataclass(slots=True)
class Found:
    """Rewritten events (``sequences``, ``bodies``), and the records in the market's memory that they concern."""

    sequences: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    touched: Touched = field(default_factory=Touched)


async def erased_person(connection: asyncpg.Connection, market_id: str, person_id: str, pseudonym: str) -> Erased:
    """Look up what redacting the person's records needs to know; the tables must show all of the person's jobs."""
    jobs = await connection.fetch(query("jobs_as_client"), market_id, person_id)
    others = await connection.fetch(query("ids_beginning_with"), market_id, f"{person_id}:")
    own = frozenset(row["job_id"] for row in jobs)
    return Erased(person_id, pseudonym, own, frozenset(row["id"] for row in others))


async def search(connection: asyncpg.Connection, market_id: str, erased: Erased, after: int, until: int) -> Found:
    """Find the events of a stretch, ``after`` < sequence <= ``until``, that name the person or hold their words."""
    rows = await connection.fetch(
        query("erase_events"), market_id, after, until, *_patterns(erased.person_id), list(erased.job_ids)
    )
    return redact(((row["sequence"], row["body"]) for row in rows), erased)


def _patterns(person_id: str) -> tuple[bytes, ...]:
    """Return byte strings of which each message that names the person holds at least one: the id behind its length (a
    field of the id alone), in an old request key, and in a list of names. Other messages may hold them by chance."""
    name = person_id.encode()
    length = bytes([len(name)]) if len(name) < 128 else bytes([len(name) & 127 | 128, len(name) >> 7])
    return length + name, name + b":", name + SEPARATOR.encode(), SEPARATOR.encode() + name


def redact(rows: Iterable[tuple[int, bytes]], erased: Erased) -> Found:
    """Redact events given as (sequence, body); those that do not change are left out."""
    found = Found()
    for sequence, body in rows:
        event = events_pb.Event.FromString(body)
        request = copied(event.request)
        new = redacted(event, erased).SerializeToString()
        if new != body:
            found.sequences.append(sequence)
            found.bodies.append(new)
            found.touched.note(request, event)
    return found


async def write_found(connection: asyncpg.Connection, market_id: str, found: Found) -> None:
    """Write the rewritten events."""
    if found.sequences:
        await connection.execute(query("rewrite_event"), market_id, found.sequences, found.bodies)


async def end_rewriting(
    connection: asyncpg.Connection, market_id: str, epoch: int, person_id: str, events: int
) -> None:
    """Do the last step before the commit. Raises StaleWriter where another process has taken the market over."""
    if await connection.fetchval(query("lock_market"), market_id) != epoch:
        raise StaleWriter(market_id)
    await connection.execute(query("note_erased_events"), market_id, person_id, events)


# --- tables


@dataclass(frozen=True, slots=True)
class Table:
    """A table of records: ``select`` locks a batch of rows that name the person, ``rewrite`` writes them."""

    kind: type[Message]
    select: str
    rewrite: str
    key: str
    # The columns that hold ids beside the record.
    columns: tuple[str, ...]


TABLES = (
    Table(job_pb.Job, "erase_jobs", "erase_job_rows", "job_id", ("client_id", "courier_id")),
    Table(rating_pb.Rating, "erase_ratings", "erase_rating_rows", "sequence", ("rater_id", "rated_id")),
)
# Columns of other tables that hold the id itself.
RENAMED = ("decision", "pay", "phase", "reviewer", "access")


async def erase_from_tables(pool: asyncpg.Pool, market_id: str, erased: Erased) -> None:
    """Rename the person in the tables, batch by batch. Can be repeated after a failure in the middle."""
    for table in TABLES:
        while await _erase_batch(pool, market_id, table, erased):
            pass
    await _erase_reviews(pool, market_id, erased)
    for name in RENAMED:
        while _count(await pool.execute(query(f"rename_{name}"), market_id, erased.person_id, erased.pseudonym, BATCH)):
            pass


async def _erase_batch(pool: asyncpg.Pool, market_id: str, table: Table, erased: Erased) -> int:
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(query(table.select), market_id, erased.person_id, RECORDS)
        if rows:
            columns: list[list[Any]] = [[row[table.key] for row in rows]]
            columns += [[erased.renamed(row[name]) for row in rows] for name in table.columns]
            columns.append([_redacted_body(table.kind, row["body"], erased) for row in rows])
            await connection.execute(query(table.rewrite), market_id, *columns)
        return len(rows)


def _redacted_body(kind: type[Message], body: bytes, erased: Erased) -> bytes:
    return bytes(redacted(kind.FromString(body), erased).SerializeToString())


async def _erase_reviews(pool: asyncpg.Pool, market_id: str, erased: Erased) -> None:
    """Reviews name their reviewers inside the record alone."""
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(query("erase_reviews"), market_id, erased.person_id.encode())
        changed = (
            (row["review_id"], row["body"], redacted(transparency_pb.Review.FromString(row["body"]), erased))
            for row in rows
        )
        await write_changed(connection, "review", market_id, changed)
        await connection.execute(query("rename_subject"), market_id, erased.person_id, erased.pseudonym)


def _count(status: str) -> int:
    """Return the number of rows in the status of an UPDATE."""
    return int(status.rpartition(" ")[2])


async def check_known(pool: asyncpg.Pool, market_id: str, person_id: str) -> None:
    """Raises NotFound where nothing is held about somebody."""
    if not await pool.fetchval(query("is_known"), market_id, person_id):
        raise NotFound("person", person_id)
