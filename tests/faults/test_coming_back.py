"""A phone whose connection died without a word comes back on another one, and nothing is lost."""

from __future__ import annotations

import grpc

from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_pb2
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from tests.faults.conftest import Vanished
from tests.faults.wire import wire_to
from tests.service.stream import CourierClient, place_request
from tests.signing import signed_channel

HERE = (1.0, 1.0)


async def test_an_offer_that_was_lost_with_a_connection_comes_again_on_the_next_one(vanished: Vanished) -> None:
    suite = vanished.suite
    async with (
        wire_to(suite.grpc_port) as wire,
        grpc.aio.insecure_channel(wire.target) as phone,
        signed_channel(suite.target, suite.wallet) as channel,
    ):
        jobs = job_rpc.JobServiceStub(channel)
        bo = CourierClient(courier_rpc.CourierServiceStub(phone), "bo", suite.wallet)
        await bo.online(HERE)
        wire.cut = True
        # The offer goes into the tunnel.
        placed = (await jobs.PlaceJob(place_request("ann", HERE))).job
        watch = jobs.WatchJob(job_pb.WatchJobRequest(job_id=placed.job_id), timeout=60)
        while (await watch.read()).job.state != job_pb2.JOB_STATE_OFFERED:
            pass
        # Back in coverage, on another connection: the offer is there, and is taken.
        again = CourierClient(courier_rpc.CourierServiceStub(channel), "bo", suite.wallet)
        again.token, again.number, again.received = bo.token, bo.number, bo.received
        await again.hello()
        await again.accept((await again.offer()).offer_id)
        assert (await watch.read()).job.state == job_pb2.JOB_STATE_ASSIGNED
        again.cut()
    vanished.promised.append({"kind": "placed", "client_id": "ann", "request_id": "place-1", "job_id": placed.job_id})
