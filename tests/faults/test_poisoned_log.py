"""A server serves beside values of an older log that today's boundary refuses, before and after a restart."""

from __future__ import annotations

import asyncio
import math
import re
import shutil
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import grpc

from dispatcher import commands
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_pb2
from gig.v1 import job_service_pb2 as job_service_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import oversight_service_pb2_grpc as oversight_rpc
from load_tests.bench.running import UNLIMITED, scratch_directory
from load_tests.live.suite_process import SuiteProcess
from tests.faults.broken import broken_market, broken_policy
from tests.kit import spec
from tests.service.stream import go_online, place_request
from tests.signing import plant, signed_channel

OFFERED = job_pb2.JOB_STATE_OFFERED


def poison(job: job_pb2.Job) -> None:
    """Values as an older log may hold them: today the boundary refuses each."""
    if job.job_id == "saturated":
        job.spec.dropoff_before.seconds = 9_300_000_000_000
    elif job.job_id == "no-offer":
        job.spec.dropoff.position.latitude = math.nan
    elif job.job_id == "not-applied":
        job.offers_made = 2**32 - 1


async def poisoned_log(pool: asyncpg.Pool, market_id: str) -> None:
    """A market in whose queue poison waits."""
    chosen = broken_policy()
    chosen.matching.batch_window.FromMilliseconds(300)
    chosen.offers.time_to_answer.seconds = 86_400
    chosen.jobs.max_wait.seconds = 86_400
    chosen.couriers.ClearField("silence_limit")
    async with broken_market(pool, market_id, chosen=chosen) as market:
        for job_id in ("saturated", "no-offer", "not-applied"):
            command = commands.PlaceJob(job_id=job_id, client_id="eve", spec=spec())
            events = market.host.market.decide(command, market.clock.now())
            poison(events[0].job_placed.job)
            market.host.take(events)
        await market.is_back()


async def patiently(method: Callable[[Any], Awaitable[Any]], request: Any) -> Any:
    """However often it takes: the market may be loading from its log."""
    while True:
        try:
            return await method(request)
        except grpc.aio.AioRpcError as fault:
            if fault.code() is not grpc.StatusCode.UNAVAILABLE:
                raise


async def serves(channel: grpc.aio.Channel, life: int) -> None:
    """Couriers come online; jobs are placed, and each is offered to somebody."""
    couriers, jobs = courier_rpc.CourierServiceStub(channel), job_rpc.JobServiceStub(channel)
    at = (40.75, -73.98)
    for number in range(8 * life, 8 * life + 8):
        request = courier_pb.GoOnlineRequest(request_id="on", courier_id=f"c{number}", online=go_online(at))
        await patiently(couriers.GoOnline, request)

    async def offered(number: int) -> None:
        job_id = (await patiently(jobs.PlaceJob, place_request("ann", at, number))).job.job_id
        async for answer in jobs.WatchJob(job_service_pb.WatchJobRequest(job_id=job_id), timeout=60):
            if answer.job.state == OFFERED:
                break

    await asyncio.gather(*(offered(10 * life + number) for number in range(3)))


async def listed(channel: grpc.aio.Channel) -> list[oversight_pb.AttentionItem]:
    """The operator's inbox, by pages and by kind."""
    oversight, found, token = oversight_rpc.OversightServiceStub(channel), [], ""
    while True:
        request = oversight_pb.ListAttentionRequest(page_size=1, page_token=token)
        page = await patiently(oversight.ListAttention, request)
        found += page.items
        token = page.next_page_token
        if not token:
            break
    stuck = oversight_pb.ListAttentionRequest(kind=oversight_pb.ATTENTION_KIND_STUCK_JOB)
    assert not (await patiently(oversight.ListAttention, stuck)).items
    return found


async def test_a_server_serves_beside_the_poison_of_an_older_log_and_after_a_restart(postgres, pool) -> None:
    await poisoned_log(pool, "poisoned")
    folder = scratch_directory()
    plant(folder)
    where = "--database-url", postgres.dsn, "--market", "poisoned"
    server = SuiteProcess(*UNLIMITED, *where, data_dir=folder, output=folder / "server.log")
    for life in range(2):
        await server.start()
        async with signed_channel(server.target) as channel:
            await serves(channel, life)
            items = await listed(channel)
            assert {"no-offer", "not-applied"} <= {item.subject for item in items}
            assert all(item.kind == oversight_pb.ATTENTION_KIND_QUARANTINED for item in items)
        assert re.search(r'gig_attention_items\{kind="quarantined",market="poisoned"\} [1-9]', await server.exported())
        await server.stop()
    text = (folder / "server.log").read_text("utf-8")
    for item in items:
        assert text.count(f"incident {item.id}: ") == 1, "each incident is in the log once"
    shutil.rmtree(folder)
