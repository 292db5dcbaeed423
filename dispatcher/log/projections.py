"""Jobs, their history and pay lines as SQL tables: followed from the log, a little behind it, exactly once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from dispatcher.errors import StaleWriter
from dispatcher.log.sql import query
from dispatcher.log.store import moment
from dispatcher.times import micros
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import types_pb2 as types_pb

# Bodies that are about one job, besides those that hold it whole.
_ABOUT_A_JOB = frozenset(
    {
        "job_queued",
        "job_expired",
        "job_cancelled",
        "job_released",
        "job_failed",
        "courier_arrived",
        "job_picked_up",
        "job_completed",
        "offer_answered",
        "job_rated",
    }
)


def job_of(event: events_pb.Event) -> str:
    """The id of the job that an event is about, or nothing."""
    body = event.WhichOneof("body")
    if body in ("job_quoted", "job_placed"):
        return str(getattr(event, body).job.job_id)
    if body == "offer_made":
        return event.offer_made.offer.job_id
    if body == "job_rated":
        return event.job_rated.rating.job_id
    return str(getattr(event, body).job_id) if body in _ABOUT_A_JOB else ""


def courier_of(event: events_pb.Event) -> str:
    """The id of the courier that an event is about, or nothing."""
    body = event.WhichOneof("body")
    if body == "offer_made":
        return event.offer_made.offer.courier_id
    return str(getattr(getattr(event, body), "courier_id", ""))


@dataclass(slots=True)
class Rows:
    """Rows to be written for events up to ``sequence``."""

    sequence: int = 0
    jobs: dict[str, job_pb.Job] = field(default_factory=dict)
    # Sequence of each job's first event among these: counts where the job is new.
    entered: dict[str, int] = field(default_factory=dict)
    history: list[tuple[Any, ...]] = field(default_factory=list)
    pay: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, event: events_pb.Event, job: job_pb.Job | None) -> None:
        """``job`` is the job's record right after the event."""
        self.sequence = event.sequence
        time, job_id = moment(micros(event.time)), job_of(event)
        if job is not None:
            self.jobs[job_id] = job
            self.entered.setdefault(job_id, event.sequence)
        if job_id:
            self.history.append((job_id, event.sequence, time, event.WhichOneof("body"), courier_of(event)))
        for leg, posting in enumerate(_courier_postings(event)):
            self.pay.append(
                (
                    event.sequence,
                    leg,
                    time,
                    posting.holder_id,
                    job_id,
                    posting.line,
                    posting.minor_units,
                    getattr(event, event.WhichOneof("body")).postings.currency_code,
                )
            )


def _courier_postings(event: events_pb.Event) -> Iterable[types_pb.Posting]:
    postings = getattr(getattr(event, event.WhichOneof("body")), "postings", None)
    return [leg for leg in postings.legs if leg.account == types_pb.ACCOUNT_COURIER] if postings is not None else []


class Projections:
    """Writes rows and remembers, in the same transaction, how far it came."""

    def __init__(self, pool: asyncpg.Pool, market_id: str) -> None:
        self._pool = pool
        self._market_id = market_id
        self.sequence = 0

    async def load(self) -> int:
        """The sequence up to which the tables follow the log."""
        self.sequence = await self._pool.fetchval(query("projected"), self._market_id)
        return self.sequence

    async def write(self, rows: Rows) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            status = await connection.execute(
                query("advance_projection"), self._market_id, self.sequence, rows.sequence
            )
            if status != "UPDATE 1":
                raise StaleWriter(self._market_id)
            await self._insert(connection, "project_jobs", _job_rows(rows))
            await self._insert(connection, "project_history", rows.history)
            await self._insert(connection, "project_pay", rows.pay)
        self.sequence = rows.sequence

    async def _insert(self, connection: asyncpg.Connection, name: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            await connection.execute(query(name), self._market_id, *map(list, zip(*rows, strict=True)))


def _job_rows(rows: Rows) -> list[tuple[Any, ...]]:
    return [
        (job_id, job.client_id, job.state, rows.entered[job_id], job.sequence, job.SerializeToString())
        for job_id, job in rows.jobs.items()
    ]
