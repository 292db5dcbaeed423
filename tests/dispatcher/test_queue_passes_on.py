"""A job of a queue zone goes to the first in line who can take it; those whom it passes over keep their places."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import commands, policy, policy_document
from dispatcher.market import Market
from dispatcher.times import timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import offer_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb
from tests.dispatcher.test_no_offer import why
from tests.dispatcher.test_zone_queues import CAR_PARK, TERMINAL, Airport, queues
from tests.kit import Spot, place_at

# The job leads north; the other end of it, and a place to the south.
NORTH, SOUTH = (40.20, -73.95), (39.80, -73.95)
CLIENT = "ann"


def heads_elsewhere(bench: Airport, name: str) -> None:
    bench.do(commands.SetDestination(courier_id=name, destination=place_at(SOUTH).position))


def is_blocked(bench: Airport, name: str) -> None:
    bench.do(commands.SetBlock(client_id=CLIENT, courier_id=name, blocked=True, operator_id="olu", reason="asked for"))


# What keeps somebody in line from the job, and the filter that says so. Vehicle and shift end are set when they come.
HANDICAPS: dict[str, tuple[str, Callable[[Airport, str], None] | None]] = {
    "none": ("", None),
    "elsewhere": ("DESTINATION", heads_elsewhere),
    "blocked": ("BLOCKED", is_blocked),
    "shift end": ("SHIFT_END", None),
    "vehicle": ("VEHICLE", None),
    "declines": ("DECLINED", None),
}
LINES = st.lists(st.sampled_from(sorted(HANDICAPS)), min_size=1, max_size=5)


def line_of(handicaps: list[str], chosen: policy_pb.Policy | None = None) -> tuple[Airport, list[str]]:
    """A bench whose couriers stand in line in this order, each with a handicap, and their names."""
    bench = Airport()
    bench.do(commands.SetPolicy(policy=chosen or patient(), operator_id="op"))
    names = [f"courier-{number}" for number in range(len(handicaps))]
    for name, handicap in zip(names, handicaps, strict=True):
        _come(bench, name, CAR_PARK, handicap)
        bench.seen(**{name: 0})
    return bench, names


def _come(bench: Airport, name: str, at: Spot, handicap: str) -> None:
    vehicle = types_pb2.VEHICLE_TYPE_BICYCLE if handicap == "vehicle" else types_pb2.VEHICLE_TYPE_CAR
    profile = courier_pb.CourierProfile(vehicle_type=vehicle)
    online = courier_pb.GoOnline(profile=profile, position=place_at(at).position)
    if handicap == "shift end":
        online.shift_end.CopyFrom(timestamp(bench.now + 30_000_000))
    bench.do(commands.GoOnline(courier_id=name, online=online))
    obstacle = HANDICAPS[handicap][1]
    if obstacle is not None:
        obstacle(bench, name)


def patient(declines: int = 0) -> policy_pb.Policy:
    chosen = queues(no_shows=3)
    chosen.queues.declines = declines
    chosen.offers.reoffer_after.seconds = 3_000
    return policy.checked(chosen)


def offered_in_turn(bench: Airport, handicaps: dict[str, str], rounds: int) -> list[str]:
    """Run rounds; couriers decline if that is their handicap. Return who was asked for the job, in order."""
    asked = []
    for _ in range(rounds):
        bench.round()
        holder = bench.job("ride").courier_id
        if not holder:
            break
        asked.append(holder)
        if handicaps.get(holder) != "declines":
            break
        bench.answer(bench.job("ride").offer_id, holder, accept=False)
        bench.seen(**dict.fromkeys(handicaps, 0))
    return asked


@settings(max_examples=60, deadline=None)
@given(LINES)
def test_the_first_in_line_who_can_take_the_job_gets_it_and_the_others_keep_their_places(handicaps) -> None:
    bench, names = line_of(handicaps)
    _come(bench, "passer-by", TERMINAL, "none")
    bench.place("ride", CLIENT, pickup=TERMINAL, dropoff=NORTH, vehicle_types=[types_pb2.VEHICLE_TYPE_CAR])
    of = dict(zip(names, handicaps, strict=True))
    asked = offered_in_turn(bench, of, len(names) + 1)
    able = [name for name in names if of[name] in ("none", "declines")]
    first = next((name for name in able if of[name] == "none"), None)
    before = able if first is None else able[: able.index(first)]
    assert asked == [*before, first or "passer-by"]
    assert bench.line() == names


@settings(max_examples=30, deadline=None)
@given(LINES)
def test_everybody_whom_the_job_passes_over_is_given_their_own_reason(handicaps) -> None:
    bench, names = line_of([*handicaps, "none", "none"])
    bench.place("ride", CLIENT, pickup=TERMINAL, dropoff=NORTH, vehicle_types=[types_pb2.VEHICLE_TYPE_CAR])
    of = dict(zip(names, [*handicaps, "none", "none"], strict=True))
    taker = offered_in_turn(bench, of, len(names))[-1]
    for name in names:
        last = why(bench, name, "ride").rounds[-1]
        if name == taker:
            assert last.sentence == "It was offered to you."
            continue
        expected = HANDICAPS[of[name]][0] or "QUEUE"
        if of[name] == "declines" and names.index(name) > names.index(taker):
            expected = "QUEUE"
        assert offer_pb2.Gate.Name(last.gate) == f"GATE_{expected}"
        assert last.verified


@settings(max_examples=40, deadline=None)
@given(
    LINES,
    st.integers(1, 5),
    st.dictionaries(
        st.sampled_from([field.name for field in policy_pb.CostWeights.DESCRIPTOR.fields]), st.floats(0, 1000)
    ),
    st.sampled_from(["plain", "shared"]),
)
def test_as_many_in_line_are_asked_as_there_are_jobs_whatever_the_weights(handicaps, jobs, weights, name) -> None:
    chosen = patient()
    for weight, value in weights.items():
        setattr(chosen.matching.weights, weight, value)
    if name == "shared":
        chosen.matching.sharing.CopyFrom(policy.load("shared").matching.sharing)
    bench, names = line_of(handicaps, policy.checked(chosen))
    for number in range(jobs):
        bench.place(
            f"ride-{number}", CLIENT, pickup=TERMINAL, dropoff=NORTH, vehicle_types=[types_pb2.VEHICLE_TYPE_CAR]
        )
    bench.round()
    asked = {offer.courier_id for offer in bench.market.state.offers.values()}
    able = [name for name, handicap in zip(names, handicaps, strict=True) if handicap in ("none", "declines")]
    assert asked == set(able[:jobs])


def test_nobody_in_line_is_passed_over_because_somebody_behind_could_take_two_jobs_together() -> None:
    chosen = patient()
    chosen.matching.sharing.CopyFrom(policy.load("shared").matching.sharing)
    chosen.matching.weights.deadhead = 10.0
    bench = Airport()
    bench.do(commands.SetPolicy(policy=chosen, operator_id="op"))
    for name, at in (("first", CAR_PARK), ("second", TERMINAL)):
        bench.online(name, at)
        bench.seen(**{name: 0})
    for number in range(2):
        bench.place(f"ride-{number}", pickup=TERMINAL, dropoff=NORTH)
    bench.round()
    assert {offer.courier_id for offer in bench.market.state.offers.values()} == {"first", "second"}


@pytest.mark.parametrize(("limit", "line"), [(0, ["first", "second"]), (2, ["second", "first"])])
def test_declining_costs_the_place_only_where_the_policy_says_so(limit, line) -> None:
    bench = Airport()
    bench.do(commands.SetPolicy(policy=patient(limit), operator_id="op"))
    for name in ("first", "second"):
        bench.online(name, CAR_PARK)
        bench.seen(**{name: 0})
    for number in range(2):
        bench.place(f"ride-{number}", pickup=TERMINAL)
        bench.round()
        offer_id = bench.job(f"ride-{number}").offer_id
        assert bench.job(f"ride-{number}").courier_id == "first"
        bench.answer(offer_id, "first", accept=False)
        bench.do(commands.CancelJob(job_id=f"ride-{number}", client_id="ann"))
    assert bench.line() == ["first", "second"]
    assert bench.market.courier_view("first").queue.declines == 2
    assert Market.restore(bench.market.snapshot()).snapshot() == bench.market.snapshot()
    events = bench.seen(first=0, second=0)
    assert bench.line() == line
    assert [event.queue_left.reason for event in events if event.HasField("queue_left")] == ["declined"] * bool(limit)
    assert bench.market.courier_view("first").queue.declines == (0 if limit else 2)


def test_declining_a_job_from_elsewhere_does_not_count_in_the_queue() -> None:
    bench = Airport()
    bench.do(commands.SetPolicy(policy=patient(1), operator_id="op"))
    bench.online("first", (40.09, -73.95))
    bench.seen(first=0)
    bench.place("ride", pickup=(40.11, -73.95), dropoff=NORTH)
    bench.round()
    bench.answer(bench.job("ride").offer_id, "first", accept=False)
    assert bench.market.courier_view("first").queue.declines == 0


def test_the_public_policy_says_what_the_place_in_a_queue_costs() -> None:
    free, costly = policy_document.markdown(patient()), policy_document.markdown(patient(2))
    assert "Declining an offer never costs the place." in free
    assert "Declining 2 offers of the zone's jobs costs the place." in costly
    assert "Leaving 3 offers in a row without an answer costs it." in costly
