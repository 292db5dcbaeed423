"""Questions that the SQL projections answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from dispatcher.log.sql import query
from dispatcher.log.store import moment
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import offer_pb2 as offer_pb


@dataclass(frozen=True, slots=True)
class PayLine:
    sequence: int
    time: datetime
    job_id: str
    kind: int
    minor_units: int
    currency_code: str


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
    pool: asyncpg.Pool, market_id: str, courier_id: str, start_us: int | None, end_us: int | None, job_id: str
) -> list[PayLine]:
    """A courier's pay lines from ``start_us`` on, before ``end_us``, of one job or (empty) of all."""
    bounds = [None if at is None else moment(at) for at in (start_us, end_us)]
    rows = await pool.fetch(query("statement"), market_id, courier_id, *bounds, job_id)
    return [PayLine(*row) for row in rows]


async def get_offer(pool: asyncpg.Pool, market_id: str, offer_id: str) -> tuple[events_pb.Event, offer_pb.Offer] | None:
    """The event that made an offer, and the offer; None where there was none."""
    job_id, _, nth = offer_id.rpartition(".")
    if not nth.isdecimal() or not 1 <= int(nth) <= 10**9:
        return None
    body = await pool.fetchval(query("offer_event"), market_id, job_id, int(nth) - 1)
    if body is None:
        return None
    event = events_pb.Event.FromString(body)
    return event, event.offer_made.offer
