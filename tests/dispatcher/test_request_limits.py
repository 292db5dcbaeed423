"""Times and trips that a policy does not allow are refused by the name of their field, by the market's clock."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from dispatcher import commands, policy
from dispatcher.errors import DispatchError, InvalidField, PolicyError
from dispatcher.messages import copied
from dispatcher.times import SECOND, duration, timestamp
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import policy_pb2 as policy_pb
from services.rpc.errors import status_of
from tests.kit import HERE, START, Bench, place_at, spec

DAY_S = 86_400


def with_limits(**jobs: int) -> policy_pb.Policy:
    chosen = policy.load("plain")
    for name, seconds in jobs.items():
        getattr(chosen.jobs, name).CopyFrom(duration(seconds * SECOND))
    return policy.checked(chosen)


def refusal(call: object, *args: object, **more: object) -> InvalidField:
    with pytest.raises(InvalidField) as refused:
        call(*args, **more)  # type: ignore[operator]
    return refused.value


@pytest.mark.parametrize("limit_s", [None, 3600, 2 * DAY_S])
@pytest.mark.parametrize("after_s", [None, 0, 5000])
def test_the_latest_arrival_lies_within_the_horizon_after_the_pickup_time(limit_s, after_s) -> None:
    bench = Bench(with_limits(**({} if limit_s is None else {"dropoff_horizon": limit_s})))
    horizon_s = 7 * DAY_S if limit_s is None else limit_s
    times = {} if after_s is None else {"pickup_after": timestamp(START + after_s * SECOND)}
    latest = START + ((after_s or 0) + horizon_s) * SECOND
    fault = refusal(bench.place, dropoff_before=timestamp(latest + SECOND), **times)
    assert fault.field == "spec.dropoff_before"
    assert fault.description == f"must be at most {timestamp(latest).ToJsonString()}"
    bench.place(dropoff_before=timestamp(latest), **times)


@pytest.mark.parametrize("seconds", [9_300_000_000_000, 253_402_300_799, 2**62])
def test_an_absurd_arrival_never_enters_the_log(seconds) -> None:
    bench = Bench()
    before = len(bench.log)
    with pytest.raises((InvalidField, ValueError)):
        bench.place(dropoff_before=Timestamp(seconds=seconds))
    assert len(bench.log) == before


def test_a_trip_is_no_longer_than_the_policy_allows() -> None:
    far = (HERE[0] + 20.0, HERE[1])
    fault = refusal(Bench(with_limits(longest_trip=DAY_S)).place, dropoff=far)
    assert (fault.field, fault.reason) == ("spec.dropoff.position", "TRIP_TOO_LONG")
    assert "2669 km and 134.8 h of travel" in fault.description
    assert "at most 86400 s of travel (jobs.longest_trip of its policy)" in fault.description
    Bench(with_limits(longest_trip=7 * DAY_S)).place(dropoff=far)


PARIS, FAR_IN_A_PLANE = (48.857, 2.352), (2e6, 0.0)


@pytest.mark.parametrize("name", policy.presets())
def test_every_preset_limits_trips_and_neither_quotes_nor_places_nor_schedules_longer_ones(name) -> None:
    chosen = policy.load(name)
    assert 3600 <= chosen.jobs.longest_trip.seconds <= DAY_S
    bench = Bench(chosen)
    planar = chosen.travel.HasField("planar")
    wanted = spec((0.0, 0.0) if planar else HERE, FAR_IN_A_PLANE if planar else PARIS, kind=chosen.fares[0].kind)
    later = copied(wanted)
    later.pickup_after.CopyFrom(timestamp(START + 4 * 3600 * SECOND))
    for command in (
        commands.QuoteJob(job_id="a", client_id="ann", spec=wanted),
        commands.PlaceJob(job_id="b", client_id="ann", spec=wanted),
        commands.PlaceJob(job_id="c", client_id="ann", spec=later),
    ):
        fault = refusal(bench.do, command)
        assert (fault.field, fault.reason) == ("spec.dropoff.position", "TRIP_TOO_LONG")
        assert "jobs.longest_trip" in fault.description
    assert not bench.market.state.jobs


def test_a_policy_that_names_no_longest_trip_gets_one_that_people_can_read() -> None:
    chosen = policy.load("plain")
    chosen.jobs.ClearField("longest_trip")
    bench = Bench(chosen)
    assert bench.market.state.policy.jobs.longest_trip.seconds == DAY_S
    assert refusal(bench.place, dropoff=PARIS).reason == "TRIP_TOO_LONG"


@pytest.mark.parametrize("limit_s", [None, 3600])
def test_a_shift_ends_no_later_than_the_policy_allows(limit_s) -> None:
    chosen = policy.load("plain")
    if limit_s is not None:
        chosen.couriers.longest_shift.seconds = limit_s
    bench = Bench(chosen)
    latest = START + (7 * DAY_S if limit_s is None else limit_s) * SECOND

    def online(until: int) -> None:
        position = place_at(HERE).position
        profile = courier_pb.CourierProfile(vehicle_type=1)
        going = courier_pb.GoOnline(profile=profile, position=position, shift_end=timestamp(until))
        bench.do(commands.GoOnline(courier_id="bo", online=going))

    assert refusal(online, latest + SECOND).field == "online.shift_end"
    online(latest)


@pytest.mark.parametrize(("name", "days"), [("start_time", 367), ("end_time", 3661)])
def test_an_emergency_cap_lies_near_the_present(name, days) -> None:
    bench, chosen = Bench(), policy.load("plain")
    cap = chosen.surge.emergency_caps.add(cap_percent=100, reason="a storm")
    getattr(cap, name).CopyFrom(timestamp(START + days * DAY_S * SECOND))
    command = commands.SetPolicy(policy=chosen, operator_id="olu")
    assert refusal(bench.do, command).field == f"policy.surge.emergency_caps[0].{name}"
    getattr(cap, name).CopyFrom(timestamp(START + (days - 1) * DAY_S * SECOND))
    bench.do(command)


def test_a_market_of_another_year_opens_with_the_caps_of_today() -> None:
    """Recorded days are replayed under policies of the present."""
    chosen = policy.load("plain")
    cap = chosen.surge.emergency_caps.add(cap_percent=100, reason="a storm")
    cap.start_time.CopyFrom(timestamp(START + 4000 * DAY_S * SECOND))
    Bench(chosen)


def test_all_faults_of_a_policy_are_listed_together() -> None:
    chosen = policy.load("plain")
    chosen.ratings.half_life.seconds = 0
    chosen.matching.weights.overdue = float("nan")
    chosen.surge.tick.seconds = -1
    chosen.travel.straight_line.speeds_mps.append(1.0)
    chosen.name = "a\u202eb"
    with pytest.raises(PolicyError) as refused:
        policy.checked(chosen)
    fields = {field for field, _ in refused.value.faults}
    assert fields == {
        "ratings.half_life",
        "matching.weights.overdue",
        "surge.tick",
        "travel.straight_line.speeds_mps",
        "name",
    }
    status = status_of(refused.value)
    assert all(f"policy.{field}: must" in status.message or field.endswith("speeds_mps") for field in fields)


def test_a_policy_with_many_faults_is_refused_within_the_size_of_an_answer() -> None:
    chosen = policy.load("plain")
    for _ in range(100):
        chosen.surge.emergency_caps.add(cap_percent=1, zone="x" * 300)
        chosen.cancellations.add(fee_minor_units=-1)
    with pytest.raises(DispatchError) as refused:
        policy.checked(chosen)
    status = status_of(refused.value)
    assert len(status.SerializeToString()) < 6000
    assert "more" in status.message
