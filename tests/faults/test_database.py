"""The database goes away under a running market: calls are told to come back, and nothing is lost."""

from __future__ import annotations

import asyncio
import shutil

import asyncpg
import grpc

from dispatcher.log.embedded_postgres import EmbeddedPostgres
from dispatcher.log.store import LogStore
from gig.v1 import job_pb2
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import transparency_service_pb2_grpc as transparency_rpc
from load_tests.bench.running import UNLIMITED, data_directory, scratch_directory
from load_tests.live.clients import is_cut
from load_tests.live.suite_process import SuiteProcess
from tests.service.stream import place_request
from tests.signing import caller, plant, signed_channel


async def placed(stub: job_rpc.JobServiceStub, number: int) -> str:
    """Placed, however often it takes."""
    while True:
        try:
            answer = await stub.PlaceJob(place_request("ann", (1.0, 1.0), number), timeout=10)
        except grpc.aio.AioRpcError as fault:
            if is_cut(fault):
                continue
            raise
        return str(answer.job.job_id)


async def test_cut_connections_cost_a_retry_and_no_job() -> None:
    folder = data_directory()
    plant(folder)
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    suite = SuiteProcess(*UNLIMITED, "--database-url", postgres.dsn, data_dir=folder, output=folder / "suite.log")
    try:
        await suite.start()
        operator = await asyncpg.connect(postgres.dsn)
        async with signed_channel(suite.target) as channel:
            stub = job_rpc.JobServiceStub(channel)
            ids: list[str] = []
            for cut in range(4):
                calls = asyncio.gather(*(placed(stub, 100 * cut + number) for number in range(100)))
                await operator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND backend_type = 'client backend'"
                )
                ids += await calls
            assert len(set(ids)) == 400
            listed: set[str] = set()
            token = ""
            while True:
                page = await stub.ListJobs(
                    job_pb.ListJobsRequest(client_id="ann", page_size=500, page_token=token), timeout=30
                )
                listed |= {job.job_id for job in page.jobs}
                token = page.next_page_token
                if not token:
                    break
            assert listed == set(ids)
        await operator.close()
        await suite.stop()
    finally:
        postgres.stop()
        shutil.rmtree(folder)


async def erased(stub: transparency_rpc.TransparencyServiceStub, person: str) -> None:
    """Repeat the request until it is answered."""
    request = transparency_pb.EraseMyDataRequest(request_id="erase", person_id=person)
    while True:
        try:
            await stub.EraseMyData(request, metadata=caller("client", person), timeout=20)
            return
        except grpc.aio.AioRpcError as fault:
            if not is_cut(fault):
                raise


async def test_an_erasure_whose_connections_are_cut_is_done_or_not_and_memory_agrees_with_the_log() -> None:
    folder = data_directory()
    plant(folder)
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    suite = SuiteProcess(*UNLIMITED, "--database-url", postgres.dsn, data_dir=folder, output=folder / "suite.log")
    try:
        await suite.start()
        operator, blocker = await asyncpg.connect(postgres.dsn), await asyncpg.connect(postgres.dsn)
        async with signed_channel(suite.target) as channel:
            jobs, rights = job_rpc.JobServiceStub(channel), transparency_rpc.TransparencyServiceStub(channel)
            for number, person in enumerate(("ann-the-first", "ben-the-second", "cleo-the-third"), start=1):
                answer = await jobs.PlaceJob(place_request(person, (1.0, 1.0), number), timeout=10)
                job_id = answer.job.job_id
                cancel = job_pb.CancelJobRequest(request_id="c", client_id=person, job_id=job_id)
                await jobs.CancelJob(cancel, timeout=10)
                async with blocker.transaction():
                    # When the log is rewritten, the erasure waits for this table; there its connection is cut.
                    await blocker.execute("LOCK TABLE rating IN ACCESS EXCLUSIVE MODE")
                    done = asyncio.create_task(erased(rights, person))
                    while not await operator.fetchval(
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                        " WHERE wait_event_type = 'Lock' AND backend_type = 'client backend'"
                    ):
                        await asyncio.wait({done}, timeout=0.05)
                await done
                left = "SELECT count(*) FROM event WHERE position($1::bytea IN body) > 0"
                assert await operator.fetchval(left, person.encode()) == 0
                kept = await placed_job(jobs, job_id)
                assert kept.client_id.startswith("erased-")
            await placed(jobs, 99)
        assert "an erasure waits for the database" in (folder / "suite.log").read_text("utf-8")
        await blocker.close()
        await operator.close()
        await suite.stop()
    finally:
        postgres.stop()
        shutil.rmtree(folder)


async def placed_job(stub: job_rpc.JobServiceStub, job_id: str) -> job_pb2.Job:
    """As the market knows it, however often it takes to ask."""
    while True:
        try:
            return (await stub.GetJob(job_pb.GetJobRequest(job_id=job_id), timeout=10)).job
        except grpc.aio.AioRpcError as fault:
            if not is_cut(fault):
                raise


async def test_a_suite_whose_market_was_taken_over_stops_and_says_so(postgres, pool) -> None:
    folder = scratch_directory()
    plant(folder)
    where = ("--database-url", postgres.dsn, "--market", "fenced")
    suite = SuiteProcess(*UNLIMITED, *where, data_dir=folder, output=folder / "suite.log")
    try:
        await suite.start()
        await LogStore(pool, "fenced").acquire()
        async with signed_channel(suite.target) as channel:
            try:
                await job_rpc.JobServiceStub(channel).PlaceJob(place_request("ann", (1.0, 1.0)), timeout=10)
                code = grpc.StatusCode.OK
            except grpc.aio.AioRpcError as fault:
                code = fault.code()
        assert code is grpc.StatusCode.UNAVAILABLE
        assert await suite.wait() == 1
        assert "another process writes market 'fenced' now" in (folder / "suite.log").read_text("utf-8")
    finally:
        if suite.running:
            suite.kill()
            await suite.wait()
        shutil.rmtree(folder)
