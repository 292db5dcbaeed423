"""Jobs, their history and pay lines as SQL tables: followed from the log, a little behind it, exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from dispatcher.log.sql import query
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
    }
)


def jobs_of(event: events_pb.Event) -> list[str]:
    """The ids of the jobs that an event is about."""
    body = event.WhichOneof("body")
    if body in ("job_quoted", "job_placed"):
        return [getattr(event, body).job.job_id]
    if body == "offer_made":
        return [offered.job_id for offered in event.offer_made.offer.jobs]
    if body == "offer_answered":
        return list(event.offer_answered.job_ids)
    if body == "job_rated":
        return [event.job_rated.rating.job_id]
    return [getattr(event, body).job_id] if body in _ABOUT_A_JOB else []


# Bodies whose events book pay.
_BOOKING = frozenset({"job_completed", "job_cancelled", "job_failed", "courier_offline"})


@dataclass(slots=True)
class Rows:
    """Rows to be written for events up to ``sequence``. Times are microseconds since the Unix epoch."""

    sequence: int = 0
    jobs: dict[str, job_pb.Job] = field(default_factory=dict)
    # Sequence of each job's first event among these: counts where the job is new.
    entered: dict[str, int] = field(default_factory=dict)
    # job_id, sequence, time, kind
    history: list[tuple[str, int, int, str]] = field(default_factory=list)
    # sequence, leg, time, courier_id, job_id, kind of line, amount, currency
    pay: list[tuple[int, int, int, str, str, int, int, str]] = field(default_factory=list)

    def add(self, event: events_pb.Event, kind: str, jobs: Sequence[job_pb.Job]) -> None:
        """``jobs`` are the records of the event's jobs right after it."""
        self.sequence = event.sequence
        for job_id in jobs_of(event):
            self.history.append((job_id, event.sequence, micros(event.time), kind))
        for job in jobs:
            self.jobs[job.job_id] = job
            self.entered.setdefault(job.job_id, event.sequence)
        if kind in _BOOKING:
            body = getattr(event, kind)
            self._book(event, "" if kind == "courier_offline" else body.job_id, body.postings)

    def _book(self, event: events_pb.Event, job_id: str, postings: types_pb.Postings) -> None:
        legs = [leg for leg in postings.legs if leg.account == types_pb.ACCOUNT_COURIER]
        for number, leg in enumerate(legs):
            self.pay.append(
                (
                    event.sequence,
                    number,
                    micros(event.time),
                    leg.holder_id,
                    job_id,
                    leg.line,
                    leg.minor_units,
                    postings.currency_code,
                )
            )


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
        """Once is as good as twice: a write whose connection was cut may have been committed all the same."""
        async with self._pool.acquire() as connection, connection.transaction():
            # No wait for the disk: what a crash takes is followed from the log again, together with its sequence.
            await connection.execute("SET LOCAL synchronous_commit = off")
            await connection.execute(query("advance_projection"), self._market_id, rows.sequence)
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
