"""A phone that dies with a job aboard: the operator has a task, then the client has an end, also across a restart."""

from __future__ import annotations

import grpc
import pytest

from dispatcher import policy
from dispatcher.log.invariants import violations
from dispatcher.pay.ledger_check import check_ledger
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import job_pb2
from gig.v1 import job_service_pb2 as job_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import pay_service_pb2 as pay_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from tests.service.hand_market import HandMarket, hand_market
from tests.service.stream import CourierClient, place_request
from tests.signing import WALLET

HERE = (40.75, -73.98)
LOST = oversight_pb.ATTENTION_KIND_LOST_CONTACT
HOUR = 3600.0


@pytest.fixture
def serve(pool, postgres, tmp_path_factory):
    """Serve a market with the plain policy, whose couriers are not asked to be heard of but by the rule under test."""
    chosen = policy.load("plain")

    def served(**more):
        return hand_market(pool, postgres, tmp_path_factory.mktemp("keys"), chosen, **more)

    return served


async def aboard(market: HandMarket) -> tuple[CourierClient, str]:
    """A courier on a stream who has picked a job up."""
    bo = CourierClient(market.couriers, "bo")
    await bo.online(HERE)
    job_id = (await market.jobs.PlaceJob(place_request("ann", HERE))).job.job_id
    await market.round()
    await bo.accept((await bo.offer()).offer_id)
    await bo.report(job_id, "PICKED_UP")
    return bo, job_id


async def cut(bo: CourierClient) -> None:
    """The stream ends, and the server has noticed when this returns."""
    await bo.call.done_writing()
    while await bo.call.read() is not grpc.aio.EOF:
        pass


async def test_a_dead_phone_opens_a_task_and_its_job_ends_by_the_policy(serve) -> None:
    async with serve() as market:
        bo, job_id = await aboard(market)
        await market.pass_(2 * HOUR)
        assert await market.attention(LOST) == [], "an open stream is a sign of life"
        await cut(bo)
        watch = market.jobs.WatchJob(job_pb.WatchJobRequest(job_id=job_id), timeout=30)
        assert (await watch.read()).job.state == job_pb2.JOB_STATE_PICKED_UP

        await market.pass_(601)
        (task,) = await market.attention(LOST)
        assert task.subject == job_id
        assert "ends the job as failed at" in task.sentence
        assert [item for item in await market.attention() if item.subject == job_id] == [task]
        await market.pass_(HOUR / 2)
        assert (await market.attention(LOST))[0].id == task.id

        await market.pass_(2 * HOUR)
        job = (await watch.read()).job
        assert (job.state, job.ended_by) == (job_pb2.JOB_STATE_FAILED, job_pb2.ACTOR_RULE)
        assert job.fault == job_pb2.FAULT_NOBODY
        assert "no sign of life" in job.fault_reason
        assert (job.money.fare_minor_units, job.money.pay_minor_units) == (0, job.pay.total.minor_units)
        assert await market.attention(LOST) == []
        courier = (await market.couriers.GetCourier(courier_pb.GetCourierRequest(courier_id="bo"))).courier
        assert courier.state == courier_pb.COURIER_STATE_OFFLINE

        await bo.hello()
        notice = (await bo.until(lambda message: bool(message.notice.decision_id)))[-1].notice
        decision = await market.transparency.ExplainDecision(
            transparency_pb.ExplainDecisionRequest(decision_id=notice.decision_id), metadata=WALLET.courier("bo")
        )
        assert decision.decision.rule == "jobs.lost_contact"
        statement = await market.pay.GetStatement(pay_pb.GetStatementRequest(worker_id="bo"))
        assert sum(line.minor_units for line in statement.lines if line.job_id == job_id) == job.pay.total.minor_units
        log = await market.log()
        bodies = [event.WhichOneof("body") for event in log]
        assert bodies.index("contact_lost") < bodies.index("job_failed") < bodies.index("courier_offline")
        assert violations(log) == []
        assert check_ledger(log)[1] == []
        bo.cut()


async def test_a_phone_that_is_back_in_time_keeps_its_job(serve) -> None:
    async with serve() as market:
        bo, job_id = await aboard(market)
        await cut(bo)
        await market.pass_(601)
        assert len(await market.attention(LOST)) == 1
        # Back after the time is up, in the very tick that would have ended the job.
        market.clock.wait(3 * HOUR)
        await bo.hello()
        await market.pass_(0)
        assert await market.attention(LOST) == []
        await bo.report(job_id, "COMPLETED")
        job = (await market.jobs.GetJob(job_pb.GetJobRequest(job_id=job_id))).job
        assert job.state == job_pb2.JOB_STATE_COMPLETED
        bo.cut()


async def test_a_restart_neither_forgets_a_silent_phone_nor_counts_against_it(serve) -> None:
    async with serve() as market:
        bo, job_id = await aboard(market)
        await cut(bo)
        await market.pass_(601)
        (task,) = await market.attention(LOST)
        market_id, clock = market.host.market_id, market.clock
    clock.wait(20 * HOUR)
    async with serve(market_id=market_id, clock=clock) as market:
        await market.pass_(1)
        (again,) = await market.attention(LOST)
        assert (again.id, again.subject, again.since) == (task.id, job_id, task.since)
        await market.pass_(HOUR - 2)
        assert len(await market.attention(LOST)) == 1
        await market.pass_(2)
        job = (await market.jobs.GetJob(job_pb.GetJobRequest(job_id=job_id))).job
        assert job.state == job_pb2.JOB_STATE_FAILED
