"""`gig log repair` on a real database: the market is served again, and nobody but the quarantined is touched."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner, Result

from dispatcher import policy
from dispatcher.errors import UnfoldableLog
from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.files import read_log
from dispatcher.log.ownership import held
from dispatcher.log.projections import Projections
from dispatcher.log.store import LogStore, open_pool
from dispatcher.market import Market
from dispatcher.market.lifecycle import TERMINAL
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2
from load_tests.bench.running import data_directory
from load_tests.live.suite_process import SuiteFailed, SuiteProcess
from services.cli.main import app
from services.clock import MarketClock
from services.host.market_host import MarketHost, Opening
from services.host.restoring import restore
from services.signals import Signals
from tests.poison import BODIES, OWN, broken, sound_day, with_poison

DAY = sound_day()
TABLES = ("job", "job_history", "pay_line", "courier_phase", "rating", "decision", "review")
# An empty body of these can be applied, and changes what others do.
APPLICABLE = {
    *("policy_set", "market_resumed", "market_opened", "zones_set", "courier_online"),
    *(
        "job_quoted",
        "review_opened",
        "policy_announced",
        "pair_blocked",
        "data_accessed",
        "progress_flagged",
        "person_erased",
        "tip_added",
        "job_rated",
        "rating_revised",
    ),
}
LIVE = {job.job_id: job.state for job in DAY.market.state.jobs.values() if job.state not in TERMINAL}
_numbers = itertools.count()


@pytest.fixture
async def pool(postgres: EmbeddedPostgres) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(postgres.dsn, size=8)
    yield opened
    opened.terminate()


@pytest.fixture
def market() -> str:
    return f"repaired-{next(_numbers)}"


async def write(pool: asyncpg.Pool, market: str, log: list[events_pb.Event]) -> None:
    store = LogStore(pool, market)
    await store.acquire()
    await store.append(log)


def poisoned() -> list[events_pb.Event]:
    """The day, with one event of each kind that cannot be folded, among the others."""
    log = list(DAY.log)
    for number, body in enumerate(body for body in BODIES if body not in OWN):
        poison = next(iter(broken(body, DAY.log)))
        if body in APPLICABLE:
            continue
        log = with_poison(log, poison, 4 + number)
    return log


async def gig(postgres: EmbeddedPostgres, market: str, *command: str) -> Result:
    where = ("--database-url", postgres.dsn, "--market", market)
    return await asyncio.to_thread(CliRunner().invoke, app(), [*command, *where])


async def answer(postgres: EmbeddedPostgres, market: str, *command: str) -> dict[str, Any]:
    outcome = await gig(postgres, market, *command, "--json")
    assert outcome.exit_code == 0, outcome.output
    found: dict[str, Any] = json.loads(outcome.stdout)
    return found


def host_of(pool: asyncpg.Pool, market: str) -> MarketHost:
    return MarketHost(pool, Opening(market, policy.load("plain")), MarketClock(), Signals(CollectorRegistry()))


async def rows(pool: asyncpg.Pool, market: str) -> dict[str, list[tuple[Any, ...]]]:
    """All tables, without what counts events, and without the bodies, which hold it."""
    found = {}
    for table in TABLES:
        records = await pool.fetch(f"SELECT * FROM {table} WHERE market_id = $1", market)
        counting = ("market_id", "sequence", "entered", "opened", "body")
        found[table] = sorted(
            tuple(repr(value) for name, value in row.items() if name not in counting) for row in records
        )
    return found


async def test_a_poisoned_log_is_refused_repaired_and_served_with_everything_else_whole(
    pool, postgres, market, tmp_path
) -> None:
    log = poisoned()
    await write(pool, market, log)
    with pytest.raises(UnfoldableLog, match="gig log repair"):
        await host_of(pool, market).start()
    planned = await answer(postgres, market, "log", "repair", "--dry-run")
    assert planned["events"] == await LogStore(pool, market).length() == len(log)
    assert not planned["applied"]
    done = await answer(postgres, market, "log", "repair", "--yes")
    assert done == planned | {"applied": True}
    blamed = [one["sequence"] for one in done["unfoldable"]]
    assert len(blamed) > 15
    assert sorted(sequence for one in done["quarantined"] for sequence in one["skipped_sequences"]) == blamed
    # Nothing is left to repair.
    again = await answer(postgres, market, "log", "repair", "--yes")
    assert (again["unfoldable"], again["applied"]) == ([], False)
    assert (await answer(postgres, market, "log", "check"))["faults"] == 0
    assert (await gig(postgres, market, "ledger", "check")).exit_code == 0
    assert (await gig(postgres, market, "measures")).exit_code == 0
    assert "quarantined" in (await gig(postgres, market, "log", "audit", "--json")).stdout
    # The exported log is the same market.
    out = tmp_path / "day.log.gz"
    await answer(postgres, market, "log", "export", str(out))
    host = host_of(pool, market)
    await host.start()
    exported = Market.fold(read_log(out)).snapshot()
    # Those that have ended have left the market's memory: the repair comes years later.
    assert {job.job_id: job.state for job in exported.jobs} == LIVE
    assert list(exported.quarantined) == list(host.market.snapshot().quarantined)
    assert len(exported.quarantined) == len(done["quarantined"])
    await host.projector.reached(host.market.sequence)
    await host.stop()
    sound = f"{market}-sound"
    await restore(pool, sound, DAY.log, {})
    assert await rows(pool, market) == await rows(pool, sound)


async def test_tables_and_snapshots_that_show_a_skipped_event_are_made_again(pool, postgres, market) -> None:
    await restore(pool, market, DAY.log, {})
    # As another version of the software might find it: this event cannot be read any more.
    place = next(e.sequence for e in DAY.log if e.HasField("job_placed") and e.job_placed.job.job_id == "done-1")
    await pool.execute("UPDATE event SET body = '\\xff' WHERE market_id = $1 AND sequence = $2", market, place)
    done = await answer(postgres, market, "log", "repair", "--yes")
    assert done["unfoldable"][0]["sequence"] == place
    assert done["unfoldable"][0]["kind"] == "unreadable"
    host = host_of(pool, market)
    await host.start()
    try:
        assert "done-1" not in host.market.state.jobs
        projected = await host.projected()
        found = {row["job_id"] for row in await projected.fetch("SELECT job_id FROM job WHERE market_id = $1", market)}
        assert found == set(DAY.market.state.jobs) - {"done-1"}
        paid = await projected.fetch("SELECT DISTINCT job_id FROM pay_line WHERE market_id = $1", market)
        assert "done-1" not in {row["job_id"] for row in paid}
    finally:
        await host.stop()
    assert (await answer(postgres, market, "log", "check"))["faults"] == 0


async def test_earlier_snapshots_and_tables_stay_where_the_poison_is_behind_them(pool, postgres, market) -> None:
    await restore(pool, market, DAY.log, {})
    store = LogStore(pool, market)
    await store.acquire()
    kept = await store.latest_snapshot()
    poison = with_poison(DAY.log, events_pb.Event(job_queued=events_pb.JobQueued(job_id="waits-not")), len(DAY.log))
    await store.append(poison[-1:])
    await store.save_snapshot(b"no snapshot", "{}", len(poison))
    done = await answer(postgres, market, "log", "repair", "--yes", "--reason", "a test", "--by", "olu")
    assert [one["sequence"] for one in done["unfoldable"]] == [len(poison)]
    assert await store.latest_snapshot() == kept
    assert await Projections(pool, market).load() == len(DAY.log)
    host = host_of(pool, market)
    await host.start()
    (quarantine,) = host.market.state.quarantined.values()
    assert (quarantine.quarantine.reason, quarantine.quarantine.operator_id) == ("a test", "olu")
    job = host.market.state.jobs["waits"]
    assert job.state == job_pb2.JOB_STATE_QUEUED
    await host.stop()


async def test_a_broken_snapshot_is_dropped(pool, postgres, market) -> None:
    await write(pool, market, DAY.log)
    store = LogStore(pool, market)
    await store.acquire()
    await store.save_snapshot(b"\xff\xff", "{}", 5)
    done = await answer(postgres, market, "log", "repair", "--yes")
    assert (done["dropped_snapshots"], done["unfoldable"], done["applied"]) == ([5], [], True)
    host = host_of(pool, market)
    await host.start()
    assert set(host.market.state.jobs) == LIVE.keys()
    await host.stop()


async def test_a_repair_asks_first_and_does_not_touch_a_market_that_is_served(pool, postgres, market) -> None:
    await write(pool, market, DAY.log)
    outcome = await gig(postgres, market, "log", "repair")
    assert outcome.exit_code == 2
    assert "--yes" in outcome.stderr
    async with held(pool, market, "serve"):
        refused = await gig(postgres, market, "log", "repair", "--yes")
        assert refused.exit_code == 1
        assert "is held by gig serve" in refused.stderr
        assert not (await answer(postgres, market, "log", "repair", "--dry-run"))["unfoldable"]
    assert (await LogStore(pool, market).length()) == len(DAY.log)


async def test_a_server_that_finds_such_a_log_ends_with_one_clear_line(pool, postgres, market, tmp_path: Path) -> None:
    await write(pool, market, with_poison(DAY.log, events_pb.Event(job_queued=events_pb.JobQueued(job_id="no")), 9))
    where = ("--database-url", postgres.dsn, "--market", market)
    server = SuiteProcess(*where, data_dir=tmp_path, output=tmp_path / "server.log")
    with pytest.raises(SuiteFailed) as ended:
        await server.start()
    assert await server.wait() == 1
    said = str(ended.value)
    assert "event 10 (job_queued) on the log of market" in said
    assert "gig log repair" in said
    assert "Traceback" not in said
    assert "File " not in said


async def test_a_server_with_a_database_of_its_own_ends_without_a_traceback() -> None:
    folder = data_directory()
    database = EmbeddedPostgres(folder)
    await asyncio.to_thread(database.start)
    own = await open_pool(database.dsn)
    await write(own, "main", with_poison(DAY.log, events_pb.Event(job_queued=events_pb.JobQueued(job_id="no")), 9))
    await own.close()
    await asyncio.to_thread(database.stop)
    output = folder / "server.log"
    with pytest.raises(SuiteFailed, match="gig log repair"):
        await SuiteProcess(data_dir=folder, output=output).start()
    said = output.read_text("utf-8")
    assert "Traceback" not in said
    assert "ERROR" not in said
    shutil.rmtree(folder)
