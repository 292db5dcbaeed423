"""No policy that is accepted, and no trip, makes an amount that an event cannot hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import commands, policy
from dispatcher.errors import InvalidField
from dispatcher.market import Market
from dispatcher.pay.ledger_check import LedgerCheck
from dispatcher.pricing.amounts import LARGEST_SUM, MOST, saturated
from gig.v1 import policy_pb2 as policy_pb
from tests.geo.test_zones import collection, square
from tests.kit import Bench

DAY_S = 86_400.0
# Fields that a price, a pay or a floor follows from, all up to the greatest value that the contract allows.
GREATEST = 10**9
TARIFF = ("base", "per_km", "per_minute", "minimum", "waiting_per_minute")
JOB_FLOOR = ("per_mile_thousandths", "per_minute_thousandths", "minimum")
CENTRE = (0.0, 0.0)
SPOTS = st.sampled_from([CENTRE, (0.01, 0.01), (1.0, 1.0), (8.0, 0.0), (0.0, 179.9)])
TENFOLD = square(-1.0, -1.0, 2.0, name="tenfold", rule="surge_override")
TENFOLD["properties"]["multiplier"] = 10


def extreme(data: st.DataObject, message: Message, names: tuple[str, ...]) -> None:
    """Each field stays as it is, or becomes the least or the greatest that the contract has for it."""
    for name in names:
        setattr(message, name, data.draw(st.sampled_from([getattr(message, name), 0, GREATEST])))


def drawn(data: st.DataObject) -> policy_pb.Policy:
    chosen = policy.load(data.draw(st.sampled_from(["plain", "city", "prop22", "nyc-tlc", "fairwork"])))
    for tariff in (*chosen.fares, *chosen.pays):
        extreme(data, tariff, TARIFF)
    extreme(data, chosen.floor, ("per_online_hour",))
    if chosen.floor.HasField("engaged"):
        extreme(data, chosen.floor.engaged, ("per_hour", "per_mile_thousandths"))
        chosen.floor.engaged.share_basis_points = data.draw(st.sampled_from([1, 100_000]))
    for row in chosen.floor.per_job:
        extreme(data, row, JOB_FLOOR)
        row.utilisation_basis_points = data.draw(st.sampled_from([100, 10_000]))
    chosen.tax_basis_points = data.draw(st.sampled_from([0, 10_000]))
    chosen.jobs.tip_window.seconds = 3600
    return policy.checked(chosen)


def amounts(message: Message) -> Iterator[int]:
    """Every amount of money anywhere inside."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                if isinstance(inner, Message):
                    yield from amounts(inner)
        elif field.name.endswith("minor_units"):
            yield value


def work(data: st.DataObject, bench: Bench, job_id: str) -> None:
    """A job from placing to its tip, with waits of a second or of days."""
    bench.place(job_id, pickup=CENTRE, dropoff=data.draw(SPOTS), kind=bench.market.state.policy.fares[0].kind)
    for event in bench.round():
        if event.HasField("offer_made"):
            bench.answer(event.offer_made.offer.offer_id)
    if bench.state(job_id) != "ASSIGNED":
        return
    bench.progress("ARRIVED", job_id)
    bench.wait(data.draw(st.sampled_from([1.0, 3 * DAY_S])))
    bench.progress("PICKED_UP", job_id)
    bench.wait(data.draw(st.sampled_from([1.0, 30 * DAY_S])))
    bench.progress("COMPLETED", job_id)
    bench.do(commands.AddTip(job_id=job_id, client_id="ann", minor_units=10**9))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_dearest_policies_and_the_longest_trips_stay_within_bounds(data: st.DataObject) -> None:
    bench = Bench(drawn(data))
    if data.draw(st.booleans()):
        bench.do(commands.SetZones(geojson=collection(TENFOLD), operator_id="op"))
    bench.online("bo", CENTRE)
    refused = set()
    for number in range(3):
        try:
            work(data, bench, f"job-{number}")
        except InvalidField as fault:
            refused.add(fault.field)
    assert refused <= {"spec.dropoff.position"}
    if not bench.market.state.couriers["bo"].job_ids:
        bench.do(commands.GoOffline(courier_id="bo"))
    check = LedgerCheck()
    assert [fault for event in bench.log for fault in check.check(event)] == []
    found = [amount for event in bench.log for amount in amounts(event)]
    # A job's pay, its waiting and its top-up, of three jobs, and what a period or a shift lacks.
    assert max(map(abs, found)) <= 12 * MOST
    assert Market.fold(bench.log).snapshot() == bench.market.snapshot()


def test_a_trip_that_costs_too_much_is_refused_by_its_field() -> None:
    chosen = policy.load("plain")
    for fare in chosen.fares:
        fare.per_km = fare.per_minute = GREATEST
    chosen.jobs.longest_trip.seconds = 86_400
    bench = Bench(chosen)
    bench.place(pickup=CENTRE, dropoff=(1.0, 0.0))
    with pytest.raises(InvalidField) as refused:
        bench.place("farther", pickup=CENTRE, dropoff=(2.5, 0.0))
    assert (refused.value.field, refused.value.reason) == ("spec.dropoff.position", "TOO_DEAR")


@given(st.integers(-(2**70), 2**70), st.integers(-(2**62), 2**62))
def test_sums_saturate_within_what_a_field_holds(amount: int, more: int) -> None:
    total = saturated(saturated(amount) + more)
    assert abs(total) <= LARGEST_SUM < 2**63
    if abs(amount) <= 2**61 and abs(more) <= 2**61:
        assert total == amount + more


def test_metres_of_an_old_log_saturate_so_that_the_market_can_be_saved() -> None:
    bench = Bench()
    for number in range(2):
        bench.assign(f"job-{number}")
        bench.job(f"job-{number}").trip_distance_metres = 2**63 - 1
        for step in ("ARRIVED", "PICKED_UP", "COMPLETED"):
            bench.progress(step, f"job-{number}")
        bench.do(commands.GoOffline(courier_id="bo"))
    assert Market.restore(bench.market.snapshot()).sequence == len(bench.log)
