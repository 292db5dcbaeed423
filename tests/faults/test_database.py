"""The database goes away under a running market: calls are told to come back, and nothing is lost."""

from __future__ import annotations

import shutil

import asyncpg
import grpc

from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.store import LogStore
from gig.v1 import job_service_pb2_grpc as job_rpc
from load_tests.bench.running import scratch_directory
from load_tests.live.suite_process import SuiteProcess
from tests.service.stream import place_request


async def test_a_suite_whose_market_was_taken_over_stops_and_says_so() -> None:
    folder = scratch_directory()
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    suite = SuiteProcess("--database-url", postgres.dsn, data_dir=None, output=folder / "suite.log")
    try:
        await suite.start()
        async with asyncpg.create_pool(postgres.dsn, min_size=1, max_size=1) as pool:
            await LogStore(pool, "main").acquire()
        async with grpc.aio.insecure_channel(suite.target) as channel:
            try:
                await job_rpc.JobServiceStub(channel).PlaceJob(place_request("ann", (1.0, 1.0)), timeout=10)
                code = grpc.StatusCode.OK
            except grpc.aio.AioRpcError as fault:
                code = fault.code()
        assert code is grpc.StatusCode.UNAVAILABLE
        assert await suite.wait() == 1
        assert "another process writes market 'main' now" in (folder / "suite.log").read_text("utf-8")
    finally:
        postgres.stop()
        shutil.rmtree(folder)
