"""Several jobs at a time: promises hold for everyone aboard, accepted stops keep their order, plans are checked."""

from __future__ import annotations

import pytest

from dispatcher import commands, policy
from dispatcher.errors import InvalidField
from dispatcher.market import MovedCouriers
from dispatcher.market.plans import DROPOFF, PICKUP
from dispatcher.times import micros, span
from gig.v1 import job_pb2, offer_pb2, policy_pb2, types_pb2
from tests.geo.test_zones import collection, square
from tests.kit import Bench, place_at

WEST, NEAR_WEST, EAST, NEAR_EAST = (40.75, -73.990), (40.7505, -73.989), (40.75, -73.960), (40.7505, -73.961)
BEYOND = (40.75, -73.930)


def sharing(**changes: object) -> policy_pb2.Policy:
    chosen = policy.load("shared")
    for name, value in changes.items():
        setattr(chosen.matching.sharing, name, value)
    return chosen


def riding(**changes: object) -> Bench:
    """Bo has ann aboard, on the way east."""
    bench = Bench(sharing(**changes))
    bench.online("bo", WEST)
    bench.place("ann's", pickup=WEST, dropoff=EAST)
    bench.round()
    bench.answer(bench.job("ann's").offer_id)
    bench.progress("ARRIVED", "ann's")
    bench.progress("PICKED_UP", "ann's")
    return bench


def plan(bench: Bench) -> list[tuple[str, int]]:
    return [(stop.job_id, stop.kind) for stop in bench.market.state.couriers["bo"].plan]


def test_a_second_rider_joins_where_the_first_ones_promise_holds() -> None:
    bench = riding()
    bench.place("cy's", client_id="cy", pickup=NEAR_WEST, dropoff=NEAR_EAST)
    bench.round()
    offer = bench.market.state.offers[bench.job("cy's").offer_id]
    assert offer.courier_id == "bo"
    assert (offer.plan[0].job_id, offer.plan[0].kind) == ("cy's", PICKUP)
    bench.answer(offer.offer_id)
    assert sorted(plan(bench)) == sorted([("cy's", PICKUP), ("ann's", DROPOFF), ("cy's", DROPOFF)])
    for stop in bench.market.state.couriers["bo"].plan:
        if stop.kind == DROPOFF:
            assert micros(stop.expected_time) <= micros(bench.job(stop.job_id).promise_time)
    direct = span(bench.job("ann's").trip_duration)
    arrives = next(s for s in bench.market.state.couriers["bo"].plan if s.job_id == "ann's").expected_time
    assert micros(arrives) - micros(bench.job("ann's").pickup_time) <= 1.5 * direct


def test_nobody_joins_where_the_first_riders_ride_would_be_too_long() -> None:
    bench = riding()
    bench.place("cy's", client_id="cy", pickup=(40.78, -73.990), dropoff=(40.78, -73.960))
    settled = bench.round()[0].round_settled
    assert bench.state("cy's") == "QUEUED"
    assert [(gate.gate, gate.removed) for gate in settled.unmatched_gates] == [(offer_pb2.GATE_PROMISE, 1)]


def test_with_appended_stops_only_accepted_work_stays_first() -> None:
    bench = riding(insertion=policy_pb2.INSERTION_APPEND)
    bench.place("cy's", client_id="cy", pickup=NEAR_EAST, dropoff=BEYOND)
    bench.round()
    bench.answer(bench.job("cy's").offer_id)
    assert plan(bench) == [("ann's", DROPOFF), ("cy's", PICKUP), ("cy's", DROPOFF)]


def test_two_deliveries_of_one_kitchen_go_together_to_one_courier() -> None:
    bench = Bench(sharing())
    bench.online("bo", WEST)
    for number in range(2):
        bench.place(
            f"meal-{number}", kind=types_pb2.JOB_KIND_DELIVERY, pickup=WEST, dropoff=(40.75, -73.97 - number / 500)
        )
    events = bench.round()
    made = [event.offer_made.offer for event in events if event.HasField("offer_made")]
    assert [len(offer.jobs) for offer in made] == [2]
    assert [stop.kind for stop in made[0].plan] == [PICKUP, PICKUP, DROPOFF, DROPOFF]
    assert events[0].round_settled.bundled == 1


def test_a_courier_who_heads_home_is_asked_only_for_jobs_that_lead_there() -> None:
    bench = Bench(sharing())
    bench.online("bo", WEST)
    bench.do(commands.SetDestination(courier_id="bo", destination=place_at(EAST).position))
    bench.place("away", pickup=WEST, dropoff=(40.75, -74.03))
    bench.place("there", pickup=WEST, dropoff=NEAR_EAST)
    bench.round()
    assert (bench.state("away"), bench.job("there").courier_id) == ("QUEUED", "bo")
    bench.answer(bench.job("there").offer_id, accept=False)
    bench.do(commands.SetDestination(courier_id="bo", destination=None))
    bench.round()
    assert bench.job("away").courier_id == "bo"


def test_client_and_courier_who_are_kept_apart_do_not_meet() -> None:
    bench = Bench()
    bench.online("bo")
    block = {"client_id": "ann", "courier_id": "bo", "operator_id": "op", "reason": "asked for it"}
    bench.do(commands.SetBlock(**block, blocked=True))
    bench.place("job")
    settled = bench.round()[0].round_settled
    assert bench.state("job") == "QUEUED"
    assert [(gate.gate, gate.removed) for gate in settled.unmatched_gates] == [(offer_pb2.GATE_BLOCKED, 1)]
    bench.do(commands.SetBlock(**block, blocked=False))
    bench.round()
    assert bench.job("job").courier_id == "bo"


def test_a_zone_keeps_vehicles_out_by_type() -> None:
    zone = square(-74.0, 40.7, 0.2, name="old town", rule="no_entry")
    zone["properties"]["vehicles"] = ["car", "van"]
    bench = Bench(zones=collection(zone))
    bench.online("driver")
    bench.place("job")
    bench.round()
    assert bench.state("job") == "QUEUED"
    bench.online("cyclist", vehicle_type=types_pb2.VEHICLE_TYPE_BICYCLE, capacity=types_pb2.Load(persons=1))
    bench.round()
    assert bench.job("job").courier_id == "cyclist"


def stops(*rows: tuple[str, int]) -> list[job_pb2.PlanStop]:
    return [job_pb2.PlanStop(job_id=job_id, kind=kind) for job_id, kind in rows]


def test_a_plan_check_names_each_broken_rule_with_its_amount_and_changes_nothing() -> None:
    bench = riding()
    bench.place("cy's", client_id="cy", pickup=(40.80, -73.990), dropoff=(40.80, -73.960))
    before = bench.market.snapshot()
    proposed = stops(("cy's", PICKUP), ("cy's", DROPOFF), ("ann's", DROPOFF))
    checked = bench.market.check_plan("bo", proposed, MovedCouriers.none(), bench.now)
    found = {(violation.constraint, violation.job_id): violation for violation in checked.violations}
    assert found["ride", "ann's"].amount > 60
    assert all("ann's" in v.sentence or "cy's" in v.sentence for v in checked.violations)
    assert [micros(stop.expected_time) for stop in checked.stops] == sorted(
        micros(s.expected_time) for s in checked.stops
    )
    assert bench.market.snapshot() == before
    good = bench.market.check_plan("bo", stops(("ann's", DROPOFF)), MovedCouriers.none(), bench.now)
    assert list(good.violations) == []
    left_out = bench.market.check_plan(
        "bo", stops(("cy's", PICKUP), ("cy's", DROPOFF)), MovedCouriers.none(), bench.now
    )
    assert ("missing_stop", "ann's") in {(v.constraint, v.job_id) for v in left_out.violations}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("ann's", PICKUP)], "has been made already"),
        ([("ann's", DROPOFF), ("ann's", DROPOFF)], "twice"),
        ([("ann's", 0)], "must be pickup or drop-off"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_the_field(rows, said) -> None:
    bench = riding()
    with pytest.raises(InvalidField, match=said) as refused:
        bench.market.check_plan("bo", stops(*rows), MovedCouriers.none(), bench.now)
    assert refused.value.field.startswith("stops")
