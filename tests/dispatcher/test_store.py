"""The log in a real PostgreSQL: fenced, gapless, and followed by its projections exactly once."""

from __future__ import annotations

import itertools

import asyncpg
import pytest

from dispatcher import commands
from dispatcher.errors import StaleWriter
from dispatcher.event_subjects import jobs_of
from dispatcher.log import lookups
from dispatcher.log.projections import Projections, Rows
from dispatcher.log.sql import migrations
from dispatcher.log.store import FROM_THE_END, LogStore, migrate
from dispatcher.market import Market
from gig.v1 import job_pb2
from tests.kit import Bench

_numbers = itertools.count()


@pytest.fixture
async def store(pool: asyncpg.Pool) -> LogStore:
    made = LogStore(pool, f"market-{next(_numbers)}")
    await made.acquire()
    return made


def worked() -> Bench:
    bench = Bench()
    bench.assign()
    for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
        bench.progress(step)
    bench.place("second")
    bench.do(commands.CancelJob(job_id="second", client_id="ann"))
    return bench


async def test_what_is_appended_is_read_back_in_order(store: LogStore) -> None:
    log = worked().log
    await store.append(log[:3])
    await store.append(log[3:])
    assert [event async for event in store.read()] == log
    assert [event.sequence async for event in store.read(5)] == [event.sequence for event in log[5:]]
    assert await store.length() == len(log)


async def test_a_writer_whose_market_was_taken_over_writes_nothing(pool, store: LogStore) -> None:
    log = worked().log
    await store.append(log[:3])
    successor = LogStore(pool, store.market_id)
    await successor.acquire()
    with pytest.raises(StaleWriter):
        await store.append(log[3:])
    assert await store.length() == 3
    await successor.append(log[3:])
    assert await store.length() == len(log)


async def test_a_gap_or_a_repetition_is_refused_whole(store: LogStore) -> None:
    log = worked().log
    await store.append(log[:3])
    for wrong in (log[4:6], log[2:4]):
        with pytest.raises(StaleWriter):
            await store.append(wrong)
    assert await store.length() == 3


async def test_the_latest_snapshot_is_found_and_the_one_before_a_moment_of_the_past(store: LogStore) -> None:
    bench = worked()
    await store.append(bench.log)
    for upto in (4, len(bench.log)):
        market = Market.fold(bench.log[:upto])
        await store.save_snapshot(market.snapshot().SerializeToString(deterministic=True), "{}", upto)
    saved, measures = await store.latest_snapshot()
    assert saved == bench.market.snapshot()
    assert measures == "{}"
    past = await store.latest_snapshot(before=len(bench.log))
    assert past is not None
    assert past[0] == Market.fold(bench.log[: past[0].sequence]).snapshot()


async def test_the_latest_snapshots_are_kept_and_the_oldest_go(pool, store: LogStore, monkeypatch) -> None:
    monkeypatch.setattr("dispatcher.log.store.SNAPSHOTS_KEPT", 3)
    await store.append(worked().log)
    for sequence in range(1, 8):
        await store.save_snapshot(b"", "{}", sequence)
    rows = await pool.fetch("SELECT sequence FROM snapshot WHERE market_id = $1 ORDER BY sequence", store.market_id)
    assert [row["sequence"] for row in rows] == [5, 6, 7]


async def test_the_projections_show_jobs_history_and_pay(pool, store: LogStore) -> None:
    bench = worked()
    await store.append(bench.log)
    projections = Projections(pool, store.market_id)
    assert await projections.load() == 0
    half = len(bench.log) // 2
    for part in (bench.log[:half], bench.log[half:]):
        await projections.write(rows_of(part, bench.log))
    jobs = await lookups.list_jobs(pool, store.market_id, "ann", FROM_THE_END, [], 10)
    assert [job.job_id for _, job in jobs] == ["second", "job"]
    done = await lookups.list_jobs(pool, store.market_id, "ann", FROM_THE_END, [job_pb2.JOB_STATE_COMPLETED], 10)
    assert [job for _, job in done] == [bench.job()]
    lines = await lookups.statement(pool, store.market_id, "bo", None, None, "")
    assert [line.minor_units for line in lines] == [line.minor_units for line in bench.job().pay.lines]
    offer_id = next(event.offer_made.offer.offer_id for event in bench.log if event.HasField("offer_made"))
    found = await lookups.decision(pool, store.market_id, offer_id)
    assert found is not None
    assert (found.person_id, found.event.offer_made.offer.courier_id) == ("bo", "bo")
    assert await lookups.decision(pool, store.market_id, offer_id, "somebody else") is None
    assert await lookups.decision(pool, store.market_id, "job.2") is None


async def test_rows_that_come_again_in_whole_or_in_part_change_nothing(pool, store: LogStore) -> None:
    bench = worked()
    await store.append(bench.log)
    first, second = (Projections(pool, store.market_id) for _ in range(2))
    await first.load()
    await second.load()
    await first.write(rows_of(bench.log, bench.log))
    shown = await all_rows(pool, store.market_id)
    await second.write(rows_of(bench.log, bench.log))
    await second.write(rows_of(bench.log[: len(bench.log) // 2], bench.log))
    assert await all_rows(pool, store.market_id) == shown
    assert await second.load() == len(bench.log)


async def all_rows(pool, market_id: str) -> list:
    tables = {"job": "job_id", "job_history": "job_id, sequence", "pay_line": "sequence, leg"}
    return [
        await pool.fetch(f"SELECT * FROM {table} WHERE market_id = $1 ORDER BY {order}", market_id)
        for table, order in tables.items()
    ]


def rows_of(part, log) -> Rows:
    """Rows of some events, each with its job's record right after it."""
    rows = Rows()
    for event in part:
        market = Market.fold(log[: event.sequence])
        jobs = [market.state.jobs[job_id] for job_id in jobs_of(event) if job_id in market.state.jobs]
        rows.add(event, event.WhichOneof("body"), jobs)
    return rows


async def test_migrations_are_numbered_and_applied_once_also_on_a_filled_log(pool, store: LogStore) -> None:
    await store.append(worked().log)
    async with pool.acquire() as connection:
        await migrate(connection)
        done = [row["number"] for row in await connection.fetch("SELECT number FROM migration ORDER BY number")]
    assert done == [number for number, _ in migrations()] == list(range(1, len(done) + 1))
    assert await store.length() > 0
