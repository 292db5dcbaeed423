"""Nudges tell of surge nearby, and it is noted who followed; nothing follows for those who stay."""

from __future__ import annotations

import pytest

from dispatcher import commands, policy
from dispatcher.errors import PolicyError
from dispatcher.market import Market, MovedCouriers
from dispatcher.times import SECOND
from geo.units import to_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from services.host.applied import Applied
from services.host.sessions import messages
from tests.kit import Bench

BUSY, QUIET, FAR = (40.750, -73.980), (40.768, -73.980), (41.75, -73.98)


def busy_city() -> Bench:
    """Many wait at one place, one courier is some streets away."""
    bench = Bench(policy.load("city"))
    for number in range(12):
        bench.place(f"job-{number}", client_id=f"client-{number}", pickup=BUSY)
    bench.online("bo", at=QUIET)
    return bench


def tick(bench: Bench, moved: MovedCouriers | None = None) -> list[events_pb.Event]:
    bench.now += 60 * SECOND
    return bench.take(bench.market.tick_surge(moved or MovedCouriers.none(), bench.now))


def nudged(bench: Bench) -> courier_pb.Nudge:
    for _ in range(10):
        sent = [event.nudge_sent.nudge for event in tick(bench) if event.HasField("nudge_sent")]
        if sent:
            return sent[0]
    raise AssertionError("nobody was told of the surge")


def outcomes(events: list[events_pb.Event]) -> list[str]:
    closed = [event.nudge_closed.outcome for event in events if event.HasField("nudge_closed")]
    return [courier_pb.NudgeOutcome.Name(outcome).removeprefix("NUDGE_OUTCOME_") for outcome in closed]


def test_a_free_courier_is_told_of_higher_surge_within_reach() -> None:
    bench = busy_city()
    nudge = nudged(bench)
    assert nudge.courier_id == "bo"
    assert nudge.multiplier_percent >= bench.market.state.policy.nudges.min_multiplier_percent
    assert nudge.travel_duration.seconds <= bench.market.state.policy.nudges.reach.seconds


def test_a_courier_out_of_reach_is_not_told() -> None:
    bench = busy_city()
    bench.online("far", at=FAR)
    for _ in range(6):
        tick(bench)
    assert "bo" in bench.market.state.last_nudges
    assert "far" not in bench.market.state.last_nudges


def test_who_goes_there_has_followed() -> None:
    bench = busy_city()
    nudge = nudged(bench)
    number = bench.market.state.numbers["bo"]
    there = MovedCouriers(*([value] for value in (number, to_e7(nudge.centre.latitude), to_e7(nudge.centre.longitude))))
    assert outcomes(tick(bench, there)) == ["FOLLOWED"]
    assert not bench.market.state.nudges


def test_who_stays_hears_no_more_until_the_rest_is_over_and_nothing_else_follows() -> None:
    bench = busy_city()
    nudged(bench)
    valid, rest = (getattr(bench.market.state.policy.nudges, name).seconds for name in ("valid_for", "rest"))
    seen = [event for _ in range(valid // 60) for event in tick(bench)]
    assert outcomes(seen) == ["NOT_FOLLOWED"]
    assert not any(event.HasField("nudge_sent") for event in seen)
    later = [event for _ in range((rest - valid) // 60 + 1) for event in tick(bench)]
    assert {event.WhichOneof("body") for event in seen} <= {"surge_updated", "nudge_closed"}
    assert any(event.HasField("nudge_sent") for event in later) or bench.market.state.surge.percent.max() < 120


@pytest.mark.parametrize(("leaves", "outcome"), [(True, "WENT_OFFLINE"), (False, "TOOK_JOB")])
def test_work_or_the_end_of_the_shift_closes_a_nudge(leaves: bool, outcome: str) -> None:
    bench = busy_city()
    nudged(bench)
    if leaves:
        bench.do(commands.GoOffline(courier_id="bo", reason="home"))
    else:
        bench.round()
        bench.answer(bench.market.state.couriers["bo"].offer_id)
    assert outcomes(tick(bench)) == [outcome]


def test_the_courier_reads_it_as_a_hint() -> None:
    bench = busy_city()
    nudged(bench)
    event = next(event for event in bench.log if event.HasField("nudge_sent"))
    ((courier_id, message),) = messages(Applied(event, "nudge_sent", (), None))
    assert courier_id == "bo"
    assert message.notice.nudge == event.nudge_sent.nudge
    assert "nothing follows from staying" in message.notice.text


def test_nudges_survive_a_snapshot() -> None:
    bench = busy_city()
    nudged(bench)
    restored = Market.restore(bench.market.snapshot())
    assert restored.snapshot() == bench.market.snapshot() == Market.fold(bench.log).snapshot()


def test_nudges_without_surge_are_no_policy() -> None:
    with pytest.raises(PolicyError, match="nudges: they tell of surge"):
        policy.parse(
            'extends = "cargo"\n[nudges]\nmin_multiplier_percent = 120\nreach = "60s"\nvalid_for = "60s"', "own"
        )
