"""Beyond each limit: RESOURCE_EXHAUSTED with the time to come back; and whoever stays within it notices nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from load_tests.bench.running import running_suite
from load_tests.live.suite_process import SuiteProcess
from services.rpc.errors import DETAILS_KEY
from tests.service.stream import CourierClient, go_online, place_request
from tests.signing import signed_channel

HERE = (1.0, 1.0)
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
FLAGS = (
    *("--calls-per-second", "4", "--pings-per-second", "20", "--streams-per-caller", "2", "--streams", "5"),
    *("--message-bytes", "65536", "--capacity", "200"),
)


@pytest.fixture(scope="module")
async def small() -> AsyncIterator[SuiteProcess]:
    async with running_suite(*FLAGS) as suite:
        yield suite


@pytest.fixture
async def channel(small: SuiteProcess) -> AsyncIterator[grpc.aio.Channel]:
    async with signed_channel(small.target, small.wallet) as opened:
        yield opened


def retry_s(trailing: Any) -> float:
    """What RetryInfo says."""
    packed = next(value for key, value in trailing if key == DETAILS_KEY)
    for detail in status_pb2.Status.FromString(packed).details:
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            return info.retry_delay.ToNanoseconds() / 1e9
    raise AssertionError("no RetryInfo")


async def exhausted(call: Any) -> float:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, refused.value.details()
    return retry_s(refused.value.trailing_metadata())


async def admitted(courier: CourierClient) -> bool:
    try:
        await courier.hello()
    except grpc.aio.AioRpcError as fault:
        if fault.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return False
    return True


async def counted(suite: SuiteProcess, limit: str) -> float:
    return await suite.metric("gig_refused_total", limit=limit)


async def test_one_who_calls_too_often_is_told_when_to_come_back_and_others_are_not_held_up(small, channel) -> None:
    jobs = job_rpc.JobServiceStub(channel)
    asked = job_pb.ListJobsRequest(client_id="eve")
    results = await asyncio.gather(*(jobs.ListJobs(asked) for _ in range(40)), return_exceptions=True)
    refused = [one for one in results if isinstance(one, grpc.aio.AioRpcError)]
    assert 1 <= len(refused) <= 20  # five seconds' worth came at once
    for fault in refused:
        assert fault.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert 0 < retry_s(fault.trailing_metadata()) <= 1
    assert (await jobs.ListJobs(job_pb.ListJobsRequest(client_id="ann"))).jobs == []
    assert await counted(small, "calls") >= len(refused)


async def test_neither_nobody_nor_one_who_calls_too_often_takes_from_the_others(small) -> None:
    before = await counted(small, "capacity")
    async with grpc.aio.insecure_channel(small.target) as channel:
        asked = job_rpc.JobServiceStub(channel).ListJobs
        request, gus = job_pb.ListJobsRequest(client_id="gus"), small.wallet.client("gus")
        nobody = [asked(request, metadata=(("authorization", "Bearer x"),)) for _ in range(200)]
        greedy = [asked(request, metadata=gus) for _ in range(200)]
        codes = [await call.code() for call in (*nobody, *greedy)]
        assert set(codes[:200]) == {grpc.StatusCode.UNAUTHENTICATED}
        assert codes[200:].count(grpc.StatusCode.RESOURCE_EXHAUSTED) > 150
        hal = asked(job_pb.ListJobsRequest(client_id="hal"), metadata=small.wallet.client("hal"))
        assert await hal.code() is grpc.StatusCode.OK
        assert await counted(small, "capacity") == before


async def test_positions_beyond_the_limit_are_refused_by_the_batch_and_the_shift_goes_on(small, channel) -> None:
    bo = CourierClient(courier_rpc.CourierServiceStub(channel), "bo", small.wallet)
    await bo.online(HERE)
    batch = courier_pb.LocationBatch(latitudes=[1.0] * 500, longitudes=[1.0] * 500)
    for _ in range(2):  # a minute's worth
        await bo.done(locations=batch)
    status = await bo.refused(locations=batch)
    assert status.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    info = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(info) and info.retry_delay.ToNanoseconds() > 0 for detail in status.details)
    await bo.done(go_offline=courier_pb.GoOffline(reason="home"))
    bo.cut()
    # The unary twin has the same bucket.
    couriers = courier_rpc.CourierServiceStub(channel)
    await couriers.GoOnline(courier_pb.GoOnlineRequest(request_id="on", courier_id="bo", online=go_online(HERE)))
    report = courier_pb.ReportLocationsRequest(courier_id="bo", locations=batch)
    assert await exhausted(couriers.ReportLocations(report)) > 0


async def test_repeated_and_broken_messages_of_a_stream_are_charged_as_calls_and_paced(small, channel) -> None:
    cy = CourierClient(courier_rpc.CourierServiceStub(channel), "cy", small.wallet)
    await cy.online(HERE)
    raw = channel.stream_stream("/gig.v1.CourierService/Connect")
    for again in (
        courier_pb.ConnectRequest(number=1, go_offline=courier_pb.GoOffline()),  # handled already
        courier_pb.ConnectRequest(number=0, go_offline=courier_pb.GoOffline()),
        courier_pb.ConnectRequest(hello=courier_pb.Hello(courier_id="cy")),
        courier_pb.ConnectRequest(number=1, locations=courier_pb.LocationBatch()),
    ):
        for _ in range(6):
            await cy.call.write(again)
    answers = [await cy.read() for _ in range(24)]
    assert {one.WhichOneof("message") for one in answers} == {"ack", "refusal"}
    before = await counted(small, "messages")
    assert before > 0  # more than five seconds' worth of calls: the rest is read later
    await cy.done(go_offline=courier_pb.GoOffline(reason="home"))
    cy.cut()
    # Bytes that are no message at all.
    call = raw(metadata=small.wallet.courier("dee"))
    await call.write(courier_pb.ConnectRequest(hello=courier_pb.Hello(courier_id="dee")).SerializeToString())
    for _ in range(22):
        await call.write(b"\xff\xff")
    refusals = [courier_pb.ConnectResponse.FromString(await call.read()) for _ in range(23)]
    assert [one.WhichOneof("message") for one in refusals] == ["welcome", *["refusal"] * 22]
    assert await counted(small, "messages") > before
    call.cancel()


async def test_empty_batches_of_positions_cost_as_much_as_one_position(small, channel) -> None:
    fay = CourierClient(courier_rpc.CourierServiceStub(channel), "fay", small.wallet)
    await fay.online(HERE)
    batch = courier_pb.LocationBatch(latitudes=[1.0] * 600, longitudes=[1.0] * 600)
    for _ in range(2):  # a minute's worth
        await fay.done(locations=batch)
    before = await counted(small, "pings")
    for _ in range(30):
        await fay.send(locations=courier_pb.LocationBatch())
    seen = await fay.until(lambda response: response.refusal.status.code == RESOURCE_EXHAUSTED)
    assert all(response.WhichOneof("message") in ("ack", "refusal") for response in seen)
    assert await counted(small, "pings") > before
    fay.cut()


async def test_streams_are_counted_by_caller_and_in_all_and_free_again_when_they_end(small, channel) -> None:
    jobs = job_rpc.JobServiceStub(channel)
    job_id = (await jobs.PlaceJob(place_request("cleo", HERE))).job.job_id
    watch = job_pb.WatchJobRequest(job_id=job_id)
    cleo = small.wallet.client("cleo")
    held = [jobs.WatchJob(watch, metadata=cleo) for _ in range(2)]
    for stream in held:
        await stream.read()
    assert await exhausted(jobs.WatchJob(watch, metadata=cleo).read()) > 0
    others = []
    for number in range(3):
        others.append(CourierClient(courier_rpc.CourierServiceStub(channel), f"c{number}", small.wallet))
        await others[-1].hello()
    late = CourierClient(courier_rpc.CourierServiceStub(channel), "late", small.wallet)
    assert await exhausted(late.hello()) > 0
    others[0].cut()
    while not await admitted(late):
        pass  # until the suite has noticed
    for one in (*others, late):
        one.cut()
    for stream in held:
        stream.cancel()


async def test_a_message_that_is_too_large_is_refused_before_it_is_read(channel) -> None:
    jobs = job_rpc.JobServiceStub(channel)
    request = place_request("dora", HERE)
    request.spec.pickup.label = "x" * 70_000
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await jobs.PlaceJob(request)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_beyond_its_capacity_the_service_turns_new_work_away_and_lets_what_is_under_way_end() -> None:
    async with (
        running_suite("--capacity", "4") as suite,
        signed_channel(suite.target, suite.wallet) as channel,
    ):
        jobs = job_rpc.JobServiceStub(channel)

        async def placed(number: int) -> str:
            """However often it takes."""
            while True:
                try:
                    return str((await jobs.PlaceJob(place_request(f"c{number}", HERE, number))).job.job_id)
                except grpc.aio.AioRpcError as fault:
                    if fault.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                        raise

        ids = [await placed(number) for number in range(3)]
        results = await asyncio.gather(
            *(jobs.PlaceJob(place_request(f"n{number}", HERE, number)) for number in range(30)), return_exceptions=True
        )
        refused = [one for one in results if isinstance(one, grpc.aio.AioRpcError)]
        assert len(refused) > 20
        assert len({round(retry_s(fault.trailing_metadata()), 1) for fault in refused}) > 3  # not all at once
        cancels = (
            job_pb.CancelJobRequest(request_id="c", client_id=f"c{number}", job_id=job_id)
            for number, job_id in enumerate(ids)
        )
        await asyncio.gather(*(jobs.CancelJob(cancel) for cancel in cancels))
        assert await counted(suite, "capacity") >= len(refused)
