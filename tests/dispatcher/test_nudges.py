"""Nudges tell of surge nearby, and it is noted who followed; nothing follows for those who stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import commands, policy
from dispatcher.errors import PolicyError
from dispatcher.market import Market, MovedCouriers
from dispatcher.market.decide import nudges
from dispatcher.market.decide.drafts import Drafts
from dispatcher.pricing.surge import SurgeField
from dispatcher.times import SECOND, span
from geo.cells import cell_at, cell_name, cells_at, centre_of
from geo.travel import TravelTime
from geo.units import Floats, to_e7
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from services.host.applied import Applied
from services.host.courier_messages import messages
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


def test_a_tick_compares_couriers_with_hot_cells_nearby_only() -> None:
    bench = Bench(policy.load("city"))
    for number in range(20):
        bench.online(f"courier-{number}", at=(QUIET[0] + number / 1000, QUIET[1]))
    rng = np.random.default_rng(1)
    places = np.concatenate([rng.uniform(-80, 80, (5_000, 2)), np.array(BUSY) + rng.uniform(-0.1, 0.1, (2_000, 2))])
    make_hot(bench, places)
    assert bench.market.state.travel is not None
    bench.market.state.travel = counting = CountingTravel(bench.market.state.travel)
    drafts = Drafts(bench.market.state, bench.now)
    nudges.update(bench.market.state, MovedCouriers.none(), bench.now, drafts)
    assert drafts.events, "some stand in a quiet cell"
    assert counting.legs_asked <= 20 * nudges.NEAREST_CELLS


@given(
    places=st.lists(st.tuples(st.floats(40.70, 40.80), st.floats(-74.03, -73.93)), min_size=1, max_size=12),
    percents=st.lists(st.sampled_from([110, 150, 150, 200]), min_size=12, max_size=12),
)
@settings(max_examples=30, deadline=None)
def test_the_highest_multiplier_within_reach_is_chosen_and_the_nearest_of_equals(
    places: list[tuple[float, float]], percents: list[int]
) -> None:
    bench = Bench(policy.load("city"))
    bench.online("bo", at=QUIET)
    state = bench.market.state
    assert state.travel is not None
    make_hot(bench, np.array(places), percents)
    drafts = Drafts(state, bench.now)
    nudges.update(state, MovedCouriers.none(), bench.now, drafts)
    own = state.surge.percent_of(cell_at(*QUIET, state.policy.surge.resolution))
    expected = []
    for cell, percent in zip(state.surge.cells.tolist(), state.surge.percent.tolist(), strict=True):
        _, seconds = state.travel.leg(*QUIET, *centre_of(cell), bench.now / SECOND)
        hot = percent >= state.policy.nudges.min_multiplier_percent and percent > own
        if hot and seconds * SECOND <= span(state.policy.nudges.reach):
            expected.append((-percent, seconds, cell_name(cell)))
    sent = [event.nudge_sent.nudge.cell for event in drafts.events]
    assert sent == [min(expected)[2]] if expected else not sent


def make_hot(bench: Bench, places: Floats, percents: list[int] | None = None) -> None:
    """Let surge be in force at these places, latitude and longitude."""
    state = bench.market.state
    cells = np.unique(cells_at(places[:, 0], places[:, 1], state.policy.surge.resolution))
    percent = np.resize(np.array(percents or [200], np.int64), cells.size)
    none = np.zeros(cells.size, np.int64)
    surging = dict(zip(cells.tolist(), percent.tolist(), strict=True))
    state.surge = SurgeField(cells, none, none, percent, bench.now, 1, surging)


class CountingTravel:
    """A travel model that counts the legs that it is asked for."""

    def __init__(self, travel: TravelTime) -> None:
        self._travel, self.legs_asked = travel, 0

    def legs(self, *columns: Any) -> Any:
        found = self._travel.legs(*columns)
        self.legs_asked += found[0].size
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._travel, name)
