"""One server holds a market: a second start is refused, or takes over, and the first then stops at once."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import grpc
import pytest
from prometheus_client import CollectorRegistry

from dispatcher import commands, policy
from dispatcher.errors import MarketUnavailable, StaleWriter
from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.ownership import MarketLock
from dispatcher.log.sql import query
from dispatcher.log.store import LogStore, open_pool
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from load_tests.bench.running import UNLIMITED, scratch_directory
from load_tests.live.suite_process import SuiteFailed, SuiteProcess
from services.clock import MarketClock
from services.host.market_host import MarketHost, Opening
from services.signals import Signals
from tests.faults.test_database import placed
from tests.kit import spec
from tests.signing import plant, signed_channel


@pytest.fixture(scope="module")
def folder() -> AsyncIterator[Path]:
    made = scratch_directory()
    plant(made)
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def operator(postgres: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.dsn)
    yield connection
    await connection.close()


def server(folder: Path, postgres: EmbeddedPostgres, market: str, name: str, *flags: str) -> SuiteProcess:
    where = ("--database-url", postgres.dsn, "--market", market)
    return SuiteProcess(*UNLIMITED, *where, *flags, data_dir=folder, output=folder / f"{market}-{name}.log")


async def test_a_second_start_is_refused_and_names_the_holder_and_the_first_serves_on(folder, postgres) -> None:
    first = server(folder, postgres, "refused", "first")
    await first.start()
    second = server(folder, postgres, "refused", "second")
    with pytest.raises(SuiteFailed) as refused:
        await second.start()
    assert await second.wait() == 1
    text = str(refused.value)
    assert re.search(rf"market 'refused' is held by gig serve refused, process {first.pid} ", text)
    assert "--take-over" in text
    assert "Traceback" not in text
    async with signed_channel(first.target) as channel:
        assert await placed(job_rpc.JobServiceStub(channel), 1)
    await first.stop()


async def test_a_start_with_take_over_ends_the_first_which_answers_neither_calls_nor_reads(folder, postgres) -> None:
    first = server(folder, postgres, "taken", "first")
    await first.start()
    second = server(folder, postgres, "taken", "second", "--take-over")
    async with signed_channel(first.target) as channel:
        stub = job_rpc.JobServiceStub(channel)
        job_id = await placed(stub, 1)
        await second.start()
        # Not one write was tried: the first has noticed by itself.
        assert await first.wait() == 1
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetJob(job_pb.GetJobRequest(job_id=job_id), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    said = (folder / "taken-first.log").read_text("utf-8")
    assert "another process writes market 'taken' now" in said
    assert "Traceback" not in said
    async with signed_channel(second.target) as channel:
        stub = job_rpc.JobServiceStub(channel)
        assert (await stub.GetJob(job_pb.GetJobRequest(job_id=job_id), timeout=10)).job.job_id == job_id
        assert await placed(stub, 2)
    await second.stop()


@pytest.fixture
async def pool(postgres: EmbeddedPostgres) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(postgres.dsn, size=20)
    yield opened
    await opened.close()


@asynccontextmanager
async def hosted(pool: asyncpg.Pool, market: str) -> AsyncIterator[MarketHost]:
    """A market served in this process."""
    host = MarketHost(pool, Opening(market, policy.load("plain")), MarketClock(), Signals(CollectorRegistry()))
    await host.start()
    try:
        yield host
    finally:
        await host.stop()


async def accepted(host: MarketHost, job_id: str) -> None:
    """Placed, however often it takes."""
    request = commands.Request("client", "ann", "PlaceJob", (job_id,), 1)
    command = commands.PlaceJob(request=request, job_id=job_id, client_id="ann", spec=spec())
    while True:
        try:
            return await host.submit(command, lambda _market: None)
        except MarketUnavailable:
            await asyncio.sleep(0)


async def test_a_lock_is_given_back_while_its_connection_ends(pool, operator) -> None:
    for _ in range(20):
        lock = MarketLock(pool, "ending")
        await lock.acquire()
        (holder,) = await operator.fetch(query("lock_holder"), "ending")
        # This process hears of it while it gives the lock back.
        os.kill(holder["pid"], signal.SIGTERM)
        await lock.release()
        assert not lock.held


async def test_a_server_whose_lock_is_cut_takes_it_again_and_serves_on(pool, operator) -> None:
    async with hosted(pool, "cut") as host:
        for number in range(3):
            (holder,) = await operator.fetch(query("lock_holder"), "cut")
            await operator.execute("SELECT pg_terminate_backend($1)", holder["pid"])
            while host.accepting:
                await asyncio.sleep(0)
            await accepted(host, f"job-{number}")
            (again,) = await operator.fetch(query("lock_holder"), "cut")
            assert again["pid"] != holder["pid"]
        assert host.generation == 1
        assert len(host.market.state.jobs) == 3
    while await operator.fetch(query("lock_holder"), "cut"):
        pass  # PostgreSQL releases the lock once it sees the end of the connection.


async def test_a_server_whose_lock_another_process_has_taken_stops(pool, operator, postgres) -> None:
    async with hosted(pool, "lost") as host:
        (holder,) = await operator.fetch(query("lock_holder"), "lost")
        waiting = await asyncpg.connect(postgres.dsn)
        taken = asyncio.create_task(waiting.execute(query("take_lock"), "lost"))
        while not await operator.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            pass
        await operator.execute("SELECT pg_terminate_backend($1)", holder["pid"])
        await taken
        with pytest.raises(StaleWriter):
            await host.lost
        with pytest.raises(StaleWriter):
            await host.read(lambda market: market.sequence)
        assert not host.accepting
    await waiting.close()


async def test_a_server_notices_another_epoch_without_a_write_and_its_own_new_epoch_is_none(pool) -> None:
    async with hosted(pool, "noticed") as host:
        for _ in range(20):
            await host.store.acquire()
            await host._lock.check(host.store)
        assert host.accepting
        await LogStore(pool, "noticed").acquire()
        with pytest.raises(StaleWriter):
            await host.lost


async def test_the_lock_passes_on_when_its_holder_is_killed(folder, postgres) -> None:
    first, second = (server(folder, postgres, "killed", name) for name in ("first", "second"))
    await first.start()
    async with signed_channel(first.target) as channel:
        job_id = await placed(job_rpc.JobServiceStub(channel), 1)
    first.kill()
    await second.start()
    await first.wait()
    async with signed_channel(second.target) as channel:
        found = await job_rpc.JobServiceStub(channel).GetJob(job_pb.GetJobRequest(job_id=job_id), timeout=10)
    assert found.job.job_id == job_id
    await second.stop()
