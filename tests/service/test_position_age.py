"""A position has an age. An open stream or a call is a sign of life, and no position follows from it."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from dispatcher import policy
from dispatcher.market.set_aside import SetAside
from dispatcher.times import SECOND, micros, span
from gig.v1 import courier_service_pb2 as pb
from gig.v1 import offer_pb2 as offer_pb
from gig.v1 import oversight_service_pb2 as oversight_pb
from gig.v1 import transparency_service_pb2 as transparency_pb
from tests.service.hand_market import HandMarket, hand_market
from tests.service.stream import CourierClient, go_online, place_request
from tests.signing import caller

HERE, NEAR = (40.75, -73.98), (40.755, -73.98)
STALE = oversight_pb.ATTENTION_KIND_STALE_POSITION
LIMIT_S = 300.0


@pytest.fixture
def serve(pool, postgres, tmp_path_factory):
    """Serve a market with the plain policy, where a position may be 5 minutes old."""

    def served(**more):
        return hand_market(pool, postgres, tmp_path_factory.mktemp("keys"), policy.load("plain"), **more)

    return served


async def position_of(market: HandMarket, courier_id: str) -> pb.LivePosition:
    """As the operator sees it, which is no sign of life."""
    asked = pb.GetCourierRequest(courier_id=courier_id)
    answer = await market.couriers.GetCourier(asked, metadata=caller("operator", "olu"))
    return answer.live_position


async def state_of(market: HandMarket, courier_id: str) -> int:
    asked = pb.GetCourierRequest(courier_id=courier_id)
    return (await market.couriers.GetCourier(asked, metadata=caller("operator", "olu"))).courier.state


def seconds(time: Duration) -> int:
    """Whole seconds; positions are kept by the millisecond."""
    return round(span(time) / SECOND)


def here() -> pb.LocationBatch:
    return pb.LocationBatch(latitudes=[HERE[0]], longitudes=[HERE[1]])


async def test_however_open_the_stream_a_stale_position_gets_no_offer_until_a_newer_one_comes(serve) -> None:
    async with serve() as market:
        bo = CourierClient(market.couriers, "bo")
        await bo.online(HERE)
        await market.pass_(LIMIT_S + 60)
        notice = (await bo.until(lambda response: response.HasField("notice")))[-1].notice
        assert notice.device.trouble == pb.DEVICE_TROUBLE_STALE_POSITION
        known = await position_of(market, "bo")
        assert known.stale
        assert seconds(known.age) == LIMIT_S + 60
        assert seconds(known.limit) == LIMIT_S
        assert micros(known.time) + span(known.age) == market.clock.now()
        (item,) = await market.attention(STALE)
        assert (item.subject, micros(item.since) - micros(known.time)) == ("bo", LIMIT_S * SECOND)
        assert "6 min" in item.sentence
        job_id = (await market.jobs.PlaceJob(place_request("ann", HERE))).job.job_id
        await market.round()
        asked = transparency_pb.ExplainWaitRequest(job_id=job_id)
        wait = await market.transparency.ExplainWait(asked, metadata=caller("operator", "olu"))
        assert [(one.gate, one.removed) for one in wait.gates] == [(offer_pb.GATE_POSITION, 1)]
        assert (wait.couriers_considered, wait.couriers_eligible) == (1, 0)
        assert "have sent no position for too long" in wait.sentence
        bo.cut()
        assert (await bo.hello()).live_position.stale
        assert not any(event.HasField("offer_made") for event in await market.log())
        await bo.done(locations=here())
        await market.pass_(1)
        await market.round()
        assert [job.job_id for job in (await bo.offer()).jobs] == [job_id]
        assert await market.attention(STALE) == []
        assert not (await position_of(market, "bo")).stale


async def test_a_round_leaves_the_stale_courier_out_and_says_so_to_the_courier(serve) -> None:
    async with serve() as market:
        bo, cy = CourierClient(market.couriers, "bo"), CourierClient(market.couriers, "cy")
        await bo.online(HERE)
        await market.pass_(LIMIT_S)
        await cy.online(NEAR)
        await market.pass_(1)
        job_id = (await market.jobs.PlaceJob(place_request("ann", HERE))).job.job_id
        await market.round()
        offer = await cy.offer()
        assert [job.job_id for job in offer.jobs] == [job_id]
        asked = transparency_pb.ExplainDecisionRequest(decision_id=offer.offer_id)
        decision = (await market.transparency.ExplainDecision(asked, metadata=caller("courier", "cy"))).decision
        assert decision.sentence.startswith("Of 2 couriers who counted, 1 could take this job")
        (round_,) = [event.round_settled for event in await market.log() if event.HasField("round_settled")]
        number = market.host.market.state.numbers["bo"]
        assert SetAside.of_round(round_).stale == {number}
        assert np.cumsum(round_.stale_number_deltas).tolist() == [number]
        asked = transparency_pb.ExplainNoOfferRequest(courier_id="bo", job_id=job_id)
        why = await market.transparency.ExplainNoOffer(asked, metadata=caller("courier", "bo"))
        assert [one.gate for one in why.rounds] == [offer_pb.GATE_POSITION]
        assert why.rounds[0].sentence.endswith("your device had sent no position for too long.")


async def test_polling_keeps_the_shift_and_brings_no_position(serve) -> None:
    async with serve() as market:
        for courier_id in ("bo", "cy"):
            online = pb.GoOnlineRequest(request_id="on", courier_id=courier_id, online=go_online(HERE))
            await market.couriers.GoOnline(online)
        for _ in range(8):
            await market.pass_(LIMIT_S / 4)
            polled = pb.GetCourierRequest(courier_id="bo")
            answer = await market.couriers.GetCourier(polled, metadata=caller("courier", "bo"))
            await position_of(market, "cy")
        assert answer.courier.state == pb.COURIER_STATE_FREE
        assert answer.live_position.stale
        assert seconds(answer.live_position.age) == 2 * LIMIT_S
        assert await state_of(market, "cy") == pb.COURIER_STATE_OFFLINE, "an operator's look is no sign of life"
        assert not (await market.couriers.GetCourier(pb.GetCourierRequest(courier_id="cy"))).HasField("live_position")
        await market.jobs.PlaceJob(place_request("ann", HERE))
        await market.round()
        assert await state_of(market, "bo") == pb.COURIER_STATE_FREE
        await market.couriers.ReportLocations(pb.ReportLocationsRequest(courier_id="bo", locations=here()))
        await market.round()
        assert await state_of(market, "bo") == pb.COURIER_STATE_OFFERED


async def test_a_courier_is_silent_from_the_end_of_the_stream_on(serve) -> None:
    async with serve() as market:
        bo = CourierClient(market.couriers, "bo")
        await bo.online(HERE)
        await market.pass_(10 * LIMIT_S)
        await bo.call.done_writing()
        while await bo.call.read():
            pass
        await market.pass_(LIMIT_S - 1)
        assert await state_of(market, "bo") == pb.COURIER_STATE_FREE
        await market.pass_(10)
        assert await state_of(market, "bo") == pb.COURIER_STATE_OFFLINE


async def test_a_restart_makes_no_position_newer(serve) -> None:
    async with serve(market_id="ages") as market:
        bo = CourierClient(market.couriers, "bo")
        await bo.online(HERE)
        await market.pass_(LIMIT_S + 60)
        clock = market.clock
    async with serve(market_id="ages", clock=clock) as market:
        assert seconds((await position_of(market, "bo")).age) == LIMIT_S + 60
        await market.jobs.PlaceJob(place_request("ann", HERE))
        await market.round()
        assert not any(event.HasField("offer_made") for event in await market.log())
        await market.pass_(LIMIT_S - 1)
        assert await state_of(market, "bo") == pb.COURIER_STATE_FREE, "nobody could be heard while the server was away"
