"""Work finished without a connection counts from when it happened: on the log, the job, pay and the statement."""

from __future__ import annotations

import grpc
import pytest

from dispatcher import policy
from dispatcher.log.invariants import violations
from dispatcher.times import SECOND, micros, timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import pay_service_pb2 as pay_pb
from services.host.position_trail import EVERY_MS
from tests.service.hand_market import HandMarket, hand_market
from tests.service.stream import CourierClient, place_request

HERE = (40.75, -73.98)
THERE = (HERE[0] + 0.01, HERE[1] + 0.01)
FAR = (41.05, -73.98)
OFFLINE_S, RIDE_S = 1_500.0, 600.0


@pytest.fixture
async def market(pool, postgres, tmp_path):
    async with hand_market(pool, postgres, tmp_path, policy.load("nyc-tlc")) as served:
        yield served


async def ride_without_connection(market: HandMarket, courier_id: str, path: list[tuple[float, tuple[float, float]]]):
    """Pick up, lose the connection for 25 min, then send the buffered positions and the end, 10 min after the pickup.

    Return the courier, the job's id, and the times of pickup and end.
    """
    bo = CourierClient(market.couriers, courier_id)
    await bo.online(HERE)
    job_id = (await market.jobs.PlaceJob(place_request(f"client-of-{courier_id}", HERE))).job.job_id
    await market.round()
    await bo.accept((await bo.offer()).offer_id)
    await bo.report(job_id, "PICKED_UP")
    picked_up_us = market.clock.now()
    await bo.call.done_writing()
    while await bo.call.read() is not grpc.aio.EOF:
        pass
    await market.pass_(OFFLINE_S)

    await bo.hello()
    batch = courier_pb.LocationBatch(
        latitudes=[place[0] for _, place in path],
        longitudes=[place[1] for _, place in path],
        start_time=timestamp(picked_up_us),
        offsets_ms=[round(seconds * 1000) for seconds, _ in path],
        client_time=timestamp(market.clock.now()),
    )
    await bo.send(locations=batch)
    ended_us = picked_up_us + round(RIDE_S * SECOND)
    step = courier_pb.Progress(
        job_id=job_id, step=courier_pb.PROGRESS_STEP_COMPLETED, occurred_time=timestamp(ended_us)
    )
    await bo.done(progress=step)
    return bo, job_id, picked_up_us, ended_us


async def completion(market: HandMarket, job_id: str) -> events_pb.Event:
    log = await market.log()
    assert violations(log) == []
    return next(event for event in log if event.job_completed.job_id == job_id)


async def test_a_ride_that_ended_offline_counts_from_its_end(market) -> None:
    way = [(0.0, HERE), (300.0, ((HERE[0] + THERE[0]) / 2, (HERE[1] + THERE[1]) / 2)), (580.0, THERE), (1_400.0, THERE)]
    bo, job_id, picked_up_us, ended_us = await ride_without_connection(market, "bo", way)
    reported_us = market.clock.now()
    event = await completion(market, job_id)
    occurred = event.job_completed.occurred
    assert micros(event.time) == reported_us
    assert micros(occurred.time) == micros(occurred.reported_time) == ended_us
    assert occurred.bound == events_pb.OCCURRED_BOUND_UNSPECIFIED

    job = (await market.jobs.GetJob(job_pb.GetJobRequest(job_id=job_id))).job
    assert (micros(job.end_time), micros(job.end_report_time)) == (ended_us, reported_us)
    (top_up,) = (line for line in job.pay.lines if "trip floor" in line.rule)
    assert f"{RIDE_S:.0f} s" in top_up.rule, "the floor by the minute counts the ride, not the silence"
    shift = (await market.couriers.GetCourier(courier_pb.GetCourierRequest(courier_id="bo"))).courier.shift
    assert shift.with_job.ToMicroseconds() == ended_us - picked_up_us
    assert not shift.waiting.ToMicroseconds(), "the silent courier's shift ended with the ride"
    statement = await market.pay.GetStatement(pay_pb.GetStatementRequest(worker_id="bo"))
    assert statement.with_job.ToMicroseconds() == ended_us - picked_up_us
    assert {micros(line.time) for line in statement.lines if line.job_id == job_id} == {ended_us}
    (task,) = statement.tasks
    assert micros(task.end_time) == ended_us
    bo.cut()


async def test_positions_move_an_end_that_they_rule_out(market) -> None:
    """The device says 10 min after the pickup; its own positions show it 30 km away then, and back 20 min later."""
    # More than two minutes apart, so that the trail keeps both positions far away: a single one counts as a stray.
    way = [(120.0, HERE), (600.0, FAR), (600.0 + EVERY_MS / 1000 + 1.0, FAR), (1_480.0, THERE)]
    cy, job_id, picked_up_us, ended_us = await ride_without_connection(market, "cy", way)
    occurred = (await completion(market, job_id)).job_completed.occurred
    assert occurred.bound == events_pb.OCCURRED_BOUND_POSITIONS
    assert micros(occurred.reported_time) == ended_us
    assert picked_up_us + 1_300 * SECOND < micros(occurred.time) <= picked_up_us + 1_500 * SECOND
    cy.cut()


async def test_a_single_call_reports_late_too_and_an_impossible_time_is_refused_by_name(market) -> None:
    dee = CourierClient(market.couriers, "dee")
    await dee.online(HERE)
    job_id = (await market.jobs.PlaceJob(place_request("ann", HERE))).job.job_id
    await market.round()
    await dee.accept((await dee.offer()).offer_id)
    await market.pass_(100)
    at_us = market.clock.now() - 40 * SECOND
    progress = courier_pb.Progress(job_id=job_id, step=courier_pb.PROGRESS_STEP_ARRIVED, occurred_time=timestamp(at_us))
    call = courier_pb.ReportProgressRequest(request_id="arrive", courier_id="dee", progress=progress)
    job = (await market.couriers.ReportProgress(call)).job
    assert micros(job.arrive_time) == at_us
    assert (await market.couriers.ReportProgress(call)).job == job, "a repetition changes nothing"
    call.request_id = "bad"
    call.progress.occurred_time.seconds = 2**40
    with pytest.raises(grpc.aio.AioRpcError, match=r"progress\.occurred_time"):
        await market.couriers.ReportProgress(call)
    dee.cut()
