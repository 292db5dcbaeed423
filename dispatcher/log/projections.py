"""Jobs, pay, time, ratings, decisions and reviews as SQL tables: followed from the log, a little behind it, exactly
once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from dispatcher.complete import complete
from dispatcher.decisions.index import decisions_of
from dispatcher.errors import TablesBehind
from dispatcher.event_kinds import Use, bodies_for, bodies_with
from dispatcher.event_subjects import jobs_of
from dispatcher.log.sql import query
from dispatcher.occurred import event_occurred_us
from dispatcher.pay.ledger import WORKERS
from dispatcher.times import span
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import transparency_service_pb2 as pb

# Bodies whose events may book pay.
_BOOKING = bodies_with("postings")


@dataclass(slots=True)
class Rows:
    """Rows to be written for events up to ``sequence``.

    Times are microseconds since the Unix epoch, and of a step that was reported late when it happened.
    """

    sequence: int = 0
    jobs: dict[str, job_pb.Job] = field(default_factory=dict)
    # Sequence of each job's first event among these: counts where the job is new.
    entered: dict[str, int] = field(default_factory=dict)
    # job_id, sequence, time, kind
    history: list[tuple[str, int, int, str]] = field(default_factory=list)
    # sequence, leg, time, worker_id, job_id, review_id, kind of line, amount, currency, rule
    pay: list[tuple[int, int, int, str, str, str, int, int, str, str]] = field(default_factory=list)
    # courier_id, sequence, time, phase
    phases: list[tuple[str, int, int, int]] = field(default_factory=list)
    # (job_id, rater) -> rater_id, rated_id, sequence, body
    ratings: dict[tuple[str, int], tuple[str, str, int, bytes]] = field(default_factory=dict)
    # sequence, person_id, decision_id, kind, job_id
    decisions: list[tuple[int, str, str, int, str]] = field(default_factory=list)
    # review_id -> review, and the sequences of its first and last event among these
    reviews: dict[str, tuple[pb.Review, int, int]] = field(default_factory=dict)
    # sequence, time, role, method, subject_id
    accesses: list[tuple[int, int, str, str, str]] = field(default_factory=list)
    # sequence, reviewer_id, review_id, time, microseconds spent, outcome
    opinions: list[tuple[int, str, str, int, int, int]] = field(default_factory=list)

    def add(
        self, event: events_pb.Event, kind: str, jobs: Sequence[job_pb.Job], phases: Sequence[tuple[str, int]] = ()
    ) -> None:
        """``jobs``: records of the event's jobs right after it; ``phases``: (courier, what their time goes into)."""
        self.sequence = event.sequence
        at_us = event_occurred_us(event, kind)
        for job_id in jobs_of(event):
            self.history.append((job_id, event.sequence, at_us, kind))
        for job in jobs:
            self.jobs[job.job_id] = job
            self.entered.setdefault(job.job_id, event.sequence)
        self.phases += [(courier_id, event.sequence, at_us, phase) for courier_id, phase in phases]
        if kind in _BOOKING:
            self._book(event, getattr(event, kind), at_us)
        add = _ROWS.get(kind)
        if add is not None:
            add(self, event.sequence, getattr(event, kind), at_us)
        for key in decisions_of(event):
            self.decisions.append((event.sequence, key.person_id, key.decision_id, key.kind, key.job_id))

    def _add_rating(self, sequence: int, body: Any, _at_us: int) -> None:
        rating = body.rating
        row = rating.rater_id, rating.rated_id, sequence, rating.SerializeToString()
        self.ratings[rating.job_id, rating.rater] = row

    def _add_review(self, sequence: int, body: Any, _at_us: int) -> None:
        self.reviews[body.review.review_id] = body.review, sequence, sequence

    def _add_opinion(self, sequence: int, body: events_pb.ReviewOpinionGiven, at_us: int) -> None:
        opinion = body.opinion
        spent = span(opinion.time_spent)
        self.opinions.append((sequence, opinion.reviewer_id, body.review_id, at_us, spent, opinion.outcome))

    def _add_access(self, sequence: int, body: events_pb.DataAccessed, at_us: int) -> None:
        self.accesses.append((sequence, at_us, body.role, body.method, body.subject_id))

    def _book(self, event: events_pb.Event, body: Any, at_us: int) -> None:
        """The lines of those who work."""
        job_id = body.job.job_id if isinstance(body, events_pb.TipAdded) else getattr(body, "job_id", "")
        review_id = getattr(body, "review_id", "")
        if isinstance(body, events_pb.ReviewDecided):
            job_id, review_id = body.review.job_id, body.review.review_id
        legs = [leg for leg in body.postings.legs if leg.account in WORKERS]
        for number, leg in enumerate(legs):
            self.pay.append(
                (
                    event.sequence,
                    number,
                    at_us,
                    leg.holder_id,
                    job_id,
                    review_id,
                    leg.line,
                    leg.minor_units,
                    body.postings.currency_code,
                    leg.rule,
                )
            )


# Bodies whose events add rows beside those for their jobs, couriers, pay and decisions.
_ROWS: dict[str, Callable[[Rows, int, Any, int], None]] = complete(
    {
        "job_rated": Rows._add_rating,
        "rating_revised": Rows._add_rating,
        "review_opened": Rows._add_review,
        "review_decided": Rows._add_review,
        "review_opinion_given": Rows._add_opinion,
        "data_accessed": Rows._add_access,
    },
    bodies_for(Use.TABLES),
    "rows that events add to the tables",
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
        """Write rows and their sequence. A second write of the same rows changes nothing: a write whose connection was
        cut may have been committed.

        Raises TablesBehind where a crash of the database has taken rows that were written before.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            # No wait for the disk: what a crash takes is followed from the log again, together with its sequence.
            await connection.execute("SET LOCAL synchronous_commit = off")
            advanced = await connection.execute(
                query("advance_projection"), self._market_id, rows.sequence, self.sequence
            )
            if advanced != "UPDATE 1":
                raise TablesBehind(self._market_id, self.sequence)
            await self._insert(connection, "project_jobs", _job_rows(rows))
            await self._insert(connection, "project_history", rows.history)
            await self._insert(connection, "project_pay", rows.pay)
            await self._insert(connection, "project_phases", rows.phases)
            await self._insert(connection, "project_ratings", [(*key, *row) for key, row in rows.ratings.items()])
            await self._insert(connection, "project_decisions", rows.decisions)
            await self._insert(connection, "project_reviews", _review_rows(rows))
            await self._insert(connection, "project_opinions", rows.opinions)
            await self._insert(connection, "project_accesses", rows.accesses)
        self.sequence = rows.sequence

    async def _insert(self, connection: asyncpg.Connection, name: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            await connection.execute(query(name), self._market_id, *map(list, zip(*rows, strict=True)))


def _job_rows(rows: Rows) -> list[tuple[Any, ...]]:
    return [
        (
            job_id,
            job.client_id,
            job.courier_id,
            job.state,
            rows.entered[job_id],
            job.sequence,
            job.SerializeToString(),
        )
        for job_id, job in rows.jobs.items()
    ]


def _review_rows(rows: Rows) -> list[tuple[Any, ...]]:
    return [
        (
            review_id,
            review.subject_id,
            review.decision_id,
            opened,
            sequence,
            review.HasField("decide_time"),
            review.SerializeToString(),
        )
        for review_id, (review, opened, sequence) in rows.reviews.items()
    ]
