"""Messages that come twice, late, or in another order."""

from __future__ import annotations

import asyncio

import grpc

from gig.v1 import courier_service_pb2 as pb
from gig.v1 import courier_service_pb2_grpc as courier_rpc
from gig.v1 import job_pb2
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import job_service_pb2_grpc as job_rpc
from load_tests.bench.running import running_suite
from services.cli.stored_log import prove_stored
from services.settings import resolve
from tests.service.stream import CourierClient, go_online, place_request
from tests.signing import signed_channel

HERE = (1.0, 1.0)


async def test_messages_twice_late_and_out_of_order_are_each_carried_out_once() -> None:
    async with running_suite("--clock-speed", "1") as suite, signed_channel(suite.target, suite.wallet) as channel:
        jobs, couriers = job_rpc.JobServiceStub(channel), courier_rpc.CourierServiceStub(channel)
        bo = CourierClient(couriers, "bo", suite.wallet)
        await bo.hello()
        online = pb.ConnectRequest(number=1, go_online=go_online(HERE))
        for _ in range(3):
            await bo.call.write(online)
        await bo.until(lambda response: response.ack.number >= 1)
        answers = await asyncio.gather(*(jobs.PlaceJob(place_request("ann", HERE)) for _ in range(20)))
        (job_id,) = {answer.job.job_id for answer in answers}
        offer = await bo.offer()
        accept = pb.ConnectRequest(number=2, answer=pb.OfferAnswer(offer_id=offer.offer_id, answer=pb.ANSWER_ACCEPT))
        decline = pb.ConnectRequest(number=2, answer=pb.OfferAnswer(offer_id=offer.offer_id, answer=pb.ANSWER_DECLINE))
        # Twice, and then with another content under the same number: the first one counts.
        for message in (accept, accept, decline):
            await bo.call.write(message)
        await bo.until(lambda response: response.ack.number >= 2)
        steps = [
            pb.ConnectRequest(number=number, progress=pb.Progress(job_id=job_id, step=f"PROGRESS_STEP_{step}"))
            for number, step in ((3, "ARRIVED"), (4, "PICKED_UP"), (5, "COMPLETED"))
        ]
        # The drop-off overtakes all: what follows with a lower number is late, and is not carried out.
        await bo.call.write(steps[2])
        refused = await bo.until(lambda response: response.refusal.number == 5)
        assert refused[-1].refusal.status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
        await bo.call.write(steps[0])
        await bo.until(lambda response: response.ack.number >= 5)
        assert (await jobs.GetJob(job_pb.GetJobRequest(job_id=job_id))).job.state == job_pb2.JOB_STATE_ASSIGNED
        # Sent anew with numbers in order, they are; by a new stream as well.
        bo.cut()
        await bo.hello()
        bo.number = 5
        for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
            await bo.report(job_id, step)
        # Positions in another order than they were taken: each batch is whole, and older ones move nobody.
        for start_s in (100, 50, 100):
            batch = pb.LocationBatch(latitudes=[1.0, 1.001], longitudes=[1.0, 1.0], offsets_ms=[0, 1000])
            batch.start_time.FromSeconds(offer.make_time.seconds - 200 + start_s)
            await bo.done(locations=batch)
        # A cancellation that comes after the end is told so, and the same again.
        cancel = job_pb.CancelJobRequest(request_id="late", client_id="ann", job_id=job_id)
        for _ in range(2):
            late = jobs.CancelJob(cancel)
            assert await late.code() is grpc.StatusCode.FAILED_PRECONDITION
        bo.cut()
        await suite.stop()
        assert suite.data_dir is not None
        promised = [
            {"kind": "placed", "client_id": "ann", "request_id": "place-1", "job_id": job_id},
            {"kind": "answered", "courier_id": "bo", "offer_id": offer.offer_id, "accepted": True},
            {"kind": "progress", "courier_id": "bo", "job_id": job_id, "step": "PROGRESS_STEP_COMPLETED"},
        ]
        assert (await prove_stored(resolve({"data_dir": suite.data_dir}).values, promised)).told == []
