"""Everything held about a person, as a ZIP of JSON Lines with its schema, sent in chunks."""

from __future__ import annotations

import asyncio
import json
import tempfile
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime
from typing import IO, Any

import asyncpg
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from dispatcher.decisions.explain import explain
from dispatcher.decisions.privacy import for_person, job_for_courier
from dispatcher.log.erasure import check_known
from dispatcher.log.sql import query
from dispatcher.market import Market
from dispatcher.market.accounts import level_of
from dispatcher.times import SECOND
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2 as job_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import types_pb2 as types_pb
from services.host.courier_trail import CourierTrail
from services.host.export_schema import SCHEMA_FILE, schema
from services.host.market_host import MarketHost

CHUNK = 64 * 1024
READ = 20_000
# How the body of an event that settles a round begins.
ROUND_TAG = events_pb.Event(round_settled=events_pb.RoundSettled()).SerializeToString()[:-1]
PHASES = ("offline", "waiting", "to_pickup", "at_pickup", "with_job")

Row = dict[str, Any]


# Archives that are being put together at a time: each takes a connection to the database.
_building = asyncio.Semaphore(2)


async def export(host: MarketHost, person_id: str) -> AsyncIterator[bytes]:
    """Chunks of the archive. Raises NotFound where nothing is held.

    It is put together first, so that a slow reader keeps nobody else from the database.
    """
    with tempfile.TemporaryFile() as file:
        async with _building:
            await _build(host, person_id, file)
        file.seek(0)
        while chunk := file.read(CHUNK):
            yield chunk


async def _build(host: MarketHost, person_id: str, file: IO[bytes]) -> None:
    pool, market_id = await host.projected(), host.market_id
    await check_known(pool, market_id, person_id)
    with tempfile.TemporaryFile("w+") as locations, tempfile.TemporaryFile("w+") as offers:
        if person_id in host.market.state.numbers:
            await scan(pool, market_id, CourierTrail(person_id, locations, offers), host.durable_sequence)
        files = {
            "profile.jsonl": _once(_profile(host.market, person_id, host.clock.now())),
            "locations.jsonl": _lines(locations),
            "offers.jsonl": _lines(offers),
            "jobs.jsonl": _jobs(pool, market_id, person_id),
            "shifts.jsonl": _shifts(pool, market_id, person_id),
            "pay.jsonl": _pay(pool, market_id, person_id),
            "ratings_received.jsonl": _ratings(pool, market_id, person_id, received=True),
            "ratings_given.jsonl": _ratings(pool, market_id, person_id, received=False),
            "decisions.jsonl": _decisions(pool, market_id, person_id, host.market.state.policy.standing),
            "reviews.jsonl": _reviews(pool, market_id, person_id),
            "accesses.jsonl": _accesses(pool, market_id, person_id),
            "reviews_decided.jsonl": _opinions(pool, market_id, person_id),
        }
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(SCHEMA_FILE, json.dumps(schema(), indent=1))
            for name, rows in files.items():
                with archive.open(name, "w") as entry:
                    async for row in rows:
                        entry.write((json.dumps(row, ensure_ascii=False) + "\n").encode())


def _plain(message: Message) -> Row:
    plain: Row = MessageToDict(message, preserving_proto_field_name=True)
    return plain


async def _once(row: Row) -> AsyncIterator[Row]:
    yield row


async def _lines(file: IO[str]) -> AsyncIterator[Row]:
    file.seek(0)
    for line in file:
        yield json.loads(line)


async def _rows(pool: asyncpg.Pool, name: str, *arguments: Any) -> AsyncIterator[asyncpg.Record]:
    async with pool.acquire() as connection, connection.transaction():
        async for row in connection.cursor(query(name), *arguments, prefetch=500):
            yield row


def _profile(market: Market, person_id: str, now_us: int) -> Row:
    state = market.state
    account, book = state.account(person_id), state.book_of(person_id)
    row: Row = {
        "person_id": person_id,
        "standing": policy_pb.StandingLevel.Name(level_of(account.level)),
        "score": book.score(person_id, now_us / SECOND, state.score_rules),
        "ratings": book.rated[person_id].ratings if person_id in book.rated else 0,
        "blocked_with": sorted(state.blocked.get(person_id, ()))
        + sorted(client for client, couriers in state.blocked.items() if person_id in couriers),
    }
    if person_id in state.couriers:
        row["courier"] = _plain(market.courier_view(person_id))
    return row


async def _jobs(pool: asyncpg.Pool, market_id: str, person_id: str) -> AsyncIterator[Row]:
    async for row in _rows(pool, "jobs_of_person", market_id, person_id):
        job = job_pb.Job.FromString(row["body"])
        yield _plain(job if job.client_id == person_id else job_for_courier(job))


async def _shifts(pool: asyncpg.Pool, market_id: str, person_id: str) -> AsyncIterator[Row]:
    async for row in _rows(pool, "phases_of_person", market_id, person_id):
        yield {"time": _moment(row["time"]), "phase": PHASES[row["phase"]]}


async def _pay(pool: asyncpg.Pool, market_id: str, person_id: str) -> AsyncIterator[Row]:
    async for row in _rows(pool, "statement", market_id, person_id, None, None, ""):
        yield {
            "sequence": row["sequence"],
            "time": _moment(row["time"]),
            "job_id": row["job_id"],
            "review_id": row["review_id"],
            "kind": types_pb.PriceLineKind.Name(row["kind"]),
            "minor_units": row["minor_units"],
            "currency_code": row["currency_code"],
            "rule": row["rule"],
        }


async def _ratings(pool: asyncpg.Pool, market_id: str, person_id: str, *, received: bool) -> AsyncIterator[Row]:
    async for row in _rows(pool, "ratings_of_person", market_id, person_id):
        if (row["rated_id"] == person_id) == received:
            rating = rating_pb.Rating.FromString(row["body"])
            rating.ClearField("rater_id" if received else "rated_id")
            yield _plain(rating)


async def _decisions(
    pool: asyncpg.Pool, market_id: str, person_id: str, policy: policy_pb.StandingPolicy
) -> AsyncIterator[Row]:
    async for row in _rows(pool, "decisions_of_person", market_id, person_id):
        event = events_pb.Event.FromString(row["body"])
        decision = explain(event, row["decision_id"], person_id, policy)
        yield _plain(for_person(decision))


async def _reviews(pool: asyncpg.Pool, market_id: str, person_id: str) -> AsyncIterator[Row]:
    async for row in _rows(pool, "reviews_of_person", market_id, person_id):
        review = transparency_pb.Review.FromString(row["body"])
        review.ClearField("rating")
        if not review.HasField("decide_time"):
            del review.opinions[:]
        yield _plain(review)


async def _opinions(pool: asyncpg.Pool, market_id: str, person_id: str) -> AsyncIterator[Row]:
    async for row in _rows(pool, "opinions_of_person", market_id, person_id):
        yield {
            "review_id": row["review_id"],
            "time": _moment(row["time"]),
            "time_spent_s": row["spent"].total_seconds(),
            "outcome": transparency_pb.ReviewOutcome.Name(row["outcome"]),
        }


async def _accesses(pool: asyncpg.Pool, market_id: str, person_id: str) -> AsyncIterator[Row]:
    """Who read the person's data by privileged access: in which role and when, not by which name."""
    async for row in _rows(pool, "accesses_of_person", market_id, person_id):
        yield {"time": _moment(row["time"]), "role": row["role"], "method": row["method"]}


def _moment(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


async def scan(pool: asyncpg.Pool, market_id: str, trail: CourierTrail, last: int) -> None:
    """Read the rounds, and what names the courier, of the log up to the event ``last``.

    PostgreSQL selects them in portions, and they are decoded in a thread: other calls go on meanwhile.
    """
    for after in range(0, last, READ):
        upto = min(after + READ, last)
        rows = await pool.fetch(
            query("read_of_courier"), market_id, after, upto, ROUND_TAG, trail.person_id.encode("utf-8")
        )
        await asyncio.to_thread(trail.pick, [row["body"] for row in rows])
    trail.finish()
