"""Each repetition of a tip answers what its first call answered, in any order of calls."""

from __future__ import annotations

import asyncio
import random

import asyncpg
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from dispatcher import commands, policy
from dispatcher.market import Market
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import pay_service_pb2 as pb
from gig.v1 import types_pb2
from services.auth import access
from services.auth.caller import Caller
from services.clock import MarketClock
from services.host.market_host import MarketHost, Opening
from services.rpc.pay_service import PayService
from services.signals import Signals
from tests.kit import HERE, Bench, call_by, place_at, spec

AMOUNTS = (100, 250, 250, 999)


def nothing(_market: Market) -> None:
    """A view of nothing."""


async def host_of(pool: asyncpg.Pool, market_id: str) -> MarketHost:
    host = MarketHost(pool, Opening(market_id, policy.load("plain")), MarketClock(), Signals(CollectorRegistry()))
    await host.start()
    return host


async def serve_one(host: MarketHost) -> None:
    """A job from placing to its end."""
    online = courier_pb.GoOnline(
        profile=courier_pb.CourierProfile(vehicle_type=types_pb2.VEHICLE_TYPE_CAR), position=place_at(HERE).position
    )
    await host.submit(commands.GoOnline(courier_id="bo", online=online), nothing)
    await host.submit(commands.PlaceJob(job_id="job", client_id="ann", spec=spec()), nothing)
    bench = Bench()
    bench.market, bench.now = host.market, host.clock.now()
    bench.take = host.take  # type: ignore[method-assign]
    bench.round()
    bench.answer(bench.job().offer_id)
    for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
        bench.progress(step)


async def tip(pay: PayService, number: int) -> pb.AddTipResponse:
    access.begin("PayService/AddTip", Caller("client", "ann"))
    asked = pb.AddTipRequest(request_id=str(number), client_id="ann", job_id="job", minor_units=AMOUNTS[number])
    return await pay.add_tip(asked)


async def test_a_repetition_answers_what_the_first_call_answered_also_after_a_restart(pool) -> None:
    host = await host_of(pool, "tips")
    await serve_one(host)
    pay = PayService(host)
    first = {number: await tip(pay, number) for number in range(3)}
    assert [first[number].line.minor_units for number in range(3)] == [100, 250, 250]
    assert [first[number].job.money.tip_minor_units for number in range(3)] == [100, 350, 600]
    assert len({answer.line.sequence for answer in first.values()}) == 3
    order = random.Random(4).choices(range(3), k=8)
    for number in order:
        assert await tip(pay, number) == first[number]
    assert await asyncio.gather(*(tip(pay, number) for number in order)) == [first[number] for number in order]
    await host.stop()
    again = await host_of(pool, "tips")
    assert again.snapshot_sequence
    pay = PayService(again)
    for number in order:
        assert await tip(pay, number) == first[number]
    assert (await tip(pay, 3)).job.money.tip_minor_units == 1599
    assert await tip(pay, 0) == first[0]
    await again.stop()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=12))
def test_every_repetition_finds_the_event_of_its_first_call(calls: list[tuple[int, bool]]) -> None:
    bench = Bench()
    bench.online()
    bench.serve("job")
    first: dict[int, int] = {}
    for number, restart in calls:
        request = call_by("ann", str(number), method="PayService/AddTip")
        command = commands.AddTip(request=request, client_id="ann", job_id="job", minor_units=AMOUNTS[number])
        bench.do(command)
        if restart:
            bench.market = Market.restore(bench.market.snapshot())
        sequence = bench.market.sequence_of(request)
        assert first.setdefault(number, sequence) == sequence
        legs = bench.log[sequence - 1].tip_added.postings.legs
        assert sorted(leg.minor_units for leg in legs) == [-AMOUNTS[number], AMOUNTS[number]]
    assert bench.job().money.tip_minor_units == sum(AMOUNTS[number] for number in first)
