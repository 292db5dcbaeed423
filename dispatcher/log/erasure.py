"""Severing a person from the log: their id becomes a pseudonym in every record, and their words are removed.

Amounts, times, positions and sequences stay, so that the ledger balances and every decision can still be recomputed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
from google.protobuf.message import Message

from dispatcher.errors import NotFound, StaleWriter
from dispatcher.log.rewriting import begin_rewriting, write_changed
from dispatcher.log.sql import query
from dispatcher.messages import parts
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb

# Fields of the contract that name people; no other is touched, whatever it happens to hold.
NAMES_PEOPLE = frozenset(
    {
        "client_id",
        "courier_id",
        "rater_id",
        "rated_id",
        "person_id",
        "reader_id",
        "reviewer_id",
        "operator_id",
        "holder_id",
        "subject_id",
        "decided_by",
        "decided_by_ids",
        "claimed_by",
        # Of a request: actor:request_id.
        "key",
    }
)

# Columns of tables that hold the id itself.
RENAMED = (
    *("job_client", "job_courier", "rater", "rated", "decision"),
    *("pay", "phase", "subject", "reviewer", "access"),
)

Record = TypeVar("Record", bound=Message)


@dataclass(frozen=True, slots=True)
class Erased:
    """Who, by what they are called from now on, and the jobs that they asked for."""

    person_id: str
    pseudonym: str
    job_ids: frozenset[str]


def severed(record: Record, erased: Erased) -> Record:
    """The record itself, changed in place: no field of it names the person."""
    _forget_words(record, erased)
    for part in parts(record):
        severed(part, erased)
    for field, value in record.ListFields():
        if field.name in NAMES_PEOPLE and field.is_repeated:
            value[:] = [erased.pseudonym if name == erased.person_id else name for name in value]
        elif field.name in NAMES_PEOPLE:
            setattr(record, field.name, _renamed(value, erased))
    return record


def _renamed(text: str, erased: Erased) -> str:
    """An id alone, in a list of names, or in front of a request's own id."""
    if text == erased.person_id:
        return erased.pseudonym
    if text.startswith(f"{erased.person_id}:"):
        return erased.pseudonym + text[len(erased.person_id) :]
    if ", " in text and erased.person_id in text.split(", "):
        return ", ".join(erased.pseudonym if name == erased.person_id else name for name in text.split(", "))
    return text


def _forget_words(record: Message, erased: Erased) -> None:
    """What the person wrote: names of places, comments, reasons, statements."""
    who = erased.person_id
    match record:
        case job_pb.Job() if record.client_id == who:
            _clear(record.spec.pickup, "label")
            _clear(record.spec.dropoff, "label")
            _clear(record, "end_reason")
        case offer_pb.OfferedJob() if record.job_id in erased.job_ids:
            _clear(record.pickup, "label")
        case events_pb.JobCancelled() if record.job_id in erased.job_ids or record.courier_id == who:
            _clear(record, "reason")
        case rating_pb.Rating() if record.rater_id == who:
            _clear(record, "comment")
        case events_pb.ReviewStatementAdded() if record.person_id == who:
            _clear(record, "statement")
        case transparency_pb.Review() if record.subject_id == who:
            _clear(record, "statement")
        case (
            events_pb.OfferAnswered()
            | events_pb.JobReleased()
            | events_pb.JobFailed()
            | events_pb.CourierOffline()
            | events_pb.CourierClosing()
        ) if record.courier_id == who:
            _clear(record, "reason")


def _clear(record: Any, field: str) -> None:
    if getattr(record, field):
        record.ClearField(field)


async def rewrite(pool: asyncpg.Pool, market_id: str, epoch: int, person_id: str, pseudonym: str) -> int:
    """Rewrite log and tables in one transaction, and drop the snapshots; returns how many events named the person.

    Raises StaleWriter where another process has taken the market over.
    """
    async with pool.acquire() as connection, connection.transaction():
        await begin_rewriting(connection, market_id)
        if await connection.fetchval(query("lock_market"), market_id) != epoch:
            raise StaleWriter(market_id)
        jobs = await connection.fetch(query("erase_jobs"), market_id, person_id)
        own = frozenset(row["job_id"] for row in jobs if row["client_id"] == person_id)
        erased = Erased(person_id, pseudonym, own)
        events = await connection.fetch(query("erase_events"), market_id, person_id.encode(), list(own))
        changed = await _update(connection, "event", "sequence", events, events_pb.Event, erased, market_id)
        await _update(connection, "job", "job_id", jobs, job_pb.Job, erased, market_id)
        ratings = await connection.fetch(query("erase_ratings"), market_id, person_id)
        await _update(connection, "rating", "sequence", ratings, rating_pb.Rating, erased, market_id)
        reviews = await connection.fetch(query("erase_reviews"), market_id, person_id.encode())
        await _update(connection, "review", "review_id", reviews, transparency_pb.Review, erased, market_id)
        for name in RENAMED:
            await connection.execute(query(f"rename_{name}"), market_id, person_id, pseudonym)
        await connection.execute(query("drop_snapshots"), market_id)
        return changed


async def _update(
    connection: asyncpg.Connection,
    table: str,
    key: str,
    rows: Iterable[asyncpg.Record],
    kind: type[Message],
    erased: Erased,
    market_id: str,
) -> int:
    """How many rows named the person; others, that hold the id's bytes by chance, are left as they are."""
    rewritten = ((row[key], row["body"], severed(kind.FromString(row["body"]), erased)) for row in rows)
    return await write_changed(connection, table, market_id, rewritten)


async def check_known(pool: asyncpg.Pool, market_id: str, person_id: str) -> None:
    """Raises NotFound where nothing is held about somebody."""
    if not await pool.fetchval(query("is_known"), market_id, person_id):
        raise NotFound("person", person_id)
