"""Questions that the SQL projections answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from dispatcher.log.sql import query
from dispatcher.log.store import FROM_THE_END, moment
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb


@dataclass(frozen=True, slots=True)
class PayLine:
    sequence: int
    time: datetime
    job_id: str
    review_id: str
    kind: int
    minor_units: int
    currency_code: str
    rule: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """A reviewer's answer: of which review, when, after how long, with what outcome."""

    review_id: str
    time: datetime
    spent: timedelta
    outcome: int


@dataclass(frozen=True, slots=True)
class DecisionPlace:
    """The place of a decision in lists, which go by sequence, then by kind: ids say nothing of an order."""

    sequence: int
    kind: int
    decision_id: str


# Before every decision of a list that begins with the newest.
NEWEST = DecisionPlace(FROM_THE_END, 0, "")


@dataclass(frozen=True, slots=True)
class FoundDecision:
    """A decision about a person, by its key, and the event that made it."""

    decision_id: str
    person_id: str
    kind: int
    event: events_pb.Event

    @property
    def place(self) -> DecisionPlace:
        return DecisionPlace(self.event.sequence, self.kind, self.decision_id)


async def get_job(pool: asyncpg.Pool, market_id: str, job_id: str) -> job_pb.Job | None:
    body = await pool.fetchval(query("get_job"), market_id, job_id)
    return None if body is None else job_pb.Job.FromString(body)


async def list_jobs(
    pool: asyncpg.Pool, market_id: str, client_id: str, before: int, states: Sequence[int], limit: int
) -> list[tuple[int, job_pb.Job]]:
    """(entry, job) of a client's jobs that entered before ``before``, newest first."""
    rows = await pool.fetch(query("list_jobs"), market_id, client_id, before, list(states), limit)
    return [(row["entered"], job_pb.Job.FromString(row["body"])) for row in rows]


async def statement(
    pool: asyncpg.Pool, market_id: str, worker_id: str, start_us: int | None, end_us: int | None, job_id: str
) -> list[PayLine]:
    """A worker's pay lines from ``start_us`` on, before ``end_us``, of one job or (empty) of all."""
    bounds = [None if at is None else moment(at) for at in (start_us, end_us)]
    rows = await pool.fetch(query("statement"), market_id, worker_id, *bounds, job_id)
    return [PayLine(*row) for row in rows]


async def jobs_of_courier(
    pool: asyncpg.Pool, market_id: str, courier_id: str, start_us: int, end_us: int, job_ids: Sequence[str]
) -> list[job_pb.Job]:
    """Jobs that a courier held between two moments, and those named, in the order of their entry."""
    bounds = moment(start_us), moment(end_us)
    rows = await pool.fetch(query("tasks"), market_id, courier_id, list(job_ids), *bounds)
    return [job_pb.Job.FromString(row["body"]) for row in rows]


async def phases(
    pool: asyncpg.Pool, market_id: str, courier_id: str, start_us: int, end_us: int
) -> dict[int, timedelta]:
    """Time between two moments by phase: 1 waiting, 2 to the pickup, 3 waiting there, 4 with a job."""
    rows = await pool.fetch(query("phases"), market_id, courier_id, moment(start_us), moment(end_us))
    return {row["phase"]: row["spent"] for row in rows}


async def opinions(pool: asyncpg.Pool, market_id: str, reviewer_id: str, start_us: int, end_us: int) -> list[Opinion]:
    """A reviewer's answers between two moments."""
    rows = await pool.fetch(query("opinions"), market_id, reviewer_id, moment(start_us), moment(end_us))
    return [Opinion(*row) for row in rows]


async def ratings_of_job(pool: asyncpg.Pool, market_id: str, job_id: str) -> dict[int, rating_pb.Rating]:
    """By the side that gave it."""
    rows = await pool.fetch(query("ratings_of_job"), market_id, job_id)
    return {row["rater"]: rating_pb.Rating.FromString(row["body"]) for row in rows}


async def ratings_received(
    pool: asyncpg.Pool, market_id: str, person_id: str, before: int, limit: int
) -> list[tuple[int, rating_pb.Rating]]:
    """(sequence, rating), newest first."""
    rows = await pool.fetch(query("ratings_received"), market_id, person_id, before, limit)
    return [(row["sequence"], rating_pb.Rating.FromString(row["body"])) for row in rows]


async def decisions(
    pool: asyncpg.Pool, market_id: str, person_id: str, before: DecisionPlace, limit: int
) -> list[FoundDecision]:
    """Return those about a person that come before a place, newest first."""
    place = before.sequence, before.kind, before.decision_id
    rows = await pool.fetch(query("decisions"), market_id, person_id, *place, limit)
    return [
        FoundDecision(row["decision_id"], person_id, row["kind"], events_pb.Event.FromString(row["body"]))
        for row in rows
    ]


async def decision(pool: asyncpg.Pool, market_id: str, decision_id: str, person_id: str = "") -> FoundDecision | None:
    """The decision of this id, about one person or (empty) anybody; None where there is none."""
    row = await pool.fetchrow(query("decision"), market_id, decision_id, person_id)
    if row is None:
        return None
    return FoundDecision(decision_id, row["person_id"], row["kind"], events_pb.Event.FromString(row["body"]))


async def get_review(pool: asyncpg.Pool, market_id: str, review_id: str) -> transparency_pb.Review | None:
    body = await pool.fetchval(query("get_review"), market_id, review_id)
    return None if body is None else transparency_pb.Review.FromString(body)


async def reviews_of_decision(pool: asyncpg.Pool, market_id: str, decision_id: str) -> list[transparency_pb.Review]:
    rows = await pool.fetch(query("reviews_of_decision"), market_id, decision_id)
    return [transparency_pb.Review.FromString(row["body"]) for row in rows]


async def part_of_reviews(
    pool: asyncpg.Pool, market_id: str, person_id: str, reviews: Sequence[transparency_pb.Review]
) -> frozenset[str]:
    """Return the ids of those reviews whose matter somebody was part of, however long ago.

    That is a job that they asked for, held or were offered, a decision that names them, or an account in question that
    they have rated.
    """
    columns = zip(
        *((one.review_id, one.job_id, one.decision_id, _account_in_question(one)) for one in reviews), strict=True
    )
    names = [list(column) for column in columns] or [[], [], [], []]
    # Prices are decisions about those who asked for a job and those who were offered it.
    rows = await pool.fetch(query("part_of_reviews"), market_id, person_id, *names, transparency_pb.DECISION_KIND_PRICE)
    return frozenset(row["review_id"] for row in rows)


def _account_in_question(review: transparency_pb.Review) -> str:
    standing = transparency_pb.DECISION_KIND_STANDING
    of_account = review.kind == transparency_pb.REVIEW_KIND_STANDING or review.decision_kind == standing
    return str(review.subject_id) if of_account else ""


async def list_reviews(
    pool: asyncpg.Pool, market_id: str, before: int, limit: int
) -> list[tuple[int, transparency_pb.Review]]:
    """(opened, review), newest first, decided or not."""
    rows = await pool.fetch(query("reviews"), market_id, before, limit)
    return [(row["opened"], transparency_pb.Review.FromString(row["body"])) for row in rows]
