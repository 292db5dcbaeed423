"""Expensive calls of one caller leave the calls of everybody, their own others too, as they are."""

from __future__ import annotations

import asyncio

import grpc

from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from gig.v1 import transparency_service_pb2_grpc as transparency_rpc
from tests.service.stream import go_online, place_request
from tests.service.test_limits import retry_s
from tests.signing import caller, signed_channel


async def test_one_who_asks_for_expensive_answers_again_and_again_blocks_nobody(suite, jobs, couriers, name) -> None:
    on = courier_pb.GoOnlineRequest(request_id="on", courier_id=name, online=go_online((-60.0, 60.0)))
    await couriers.GoOnline(on)
    job_id = (await jobs.PlaceJob(place_request(name, (-62.0, 60.0)))).job.job_id
    request = transparency_pb.ExplainNoOfferRequest(courier_id=name, job_id=job_id)
    metadata = caller("courier", name)
    async with signed_channel(suite.target) as channel:
        explain = transparency_rpc.TransparencyServiceStub(channel).ExplainNoOffer
        asked = [explain(request, metadata=metadata) for _ in range(40)]
        # Two of them hold the caller's places (calls of one moment may arrive in any order); all others are refused.
        waiting = {asyncio.ensure_future(call.code()) for call in asked}
        while len(waiting) > 2:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        refused = [call for call in asked if call.done() and await call.code() is not grpc.StatusCode.OK]
        assert {await call.code() for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert len(refused) == 38
        assert retry_s(await refused[-1].trailing_metadata()) > 0
        # While the first one runs and the second one waits:
        await jobs.PlaceJob(place_request(name, (-62.0, 60.0), 2))
        await couriers.GoOffline(courier_pb.GoOfflineRequest(request_id="off", courier_id=name))
        for call in asked:
            call.cancel()
        # What was cancelled has given its place back.
        again = explain(request, metadata=metadata)
        assert await again.code() is grpc.StatusCode.OK
