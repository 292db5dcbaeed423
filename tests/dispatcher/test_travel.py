"""The policy's travel model: learned from the market's own trips, or a road network that is loaded here."""

from __future__ import annotations

import gzip
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher import commands, policy
from dispatcher.errors import PolicyError
from dispatcher.log.files import read_log
from dispatcher.market import Market
from dispatcher.market.trips import trips_of_log
from dispatcher.measures import Measures
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import snapshot_pb2 as snapshot_pb
from tests.kit import HERE, THERE, Bench


def learning() -> policy_pb.Policy:
    chosen = policy.load("plain")
    straight = policy_pb.StraightLineTravel(circuity=1.3, speeds_mps=[5.5])
    chosen.travel.learned.CopyFrom(policy_pb.LearnedTravel(straight_line=straight, resolution=8, prior_trips=2.0))
    return chosen


def measured(log: list[events_pb.Event]) -> Measures:
    measures = Measures()
    for event in log:
        measures.fold(event)
    return measures


def trip_s(bench: Bench) -> float:
    return bench.market.state.travel.leg(*HERE, *THERE, bench.now / 1e6)[1]


def test_a_market_learns_how_long_its_trips_take() -> None:
    bench = Bench(learning())
    bench.online()
    before = trip_s(bench)
    for number in range(10):
        bench.serve(f"job-{number}", trip_s=3 * before)
    assert before < 2 * before < trip_s(bench) < 3 * before
    assert bench.place("next").trip_duration.seconds == ceil(trip_s(bench))


# Trips that nobody made as they were reported: places, and seconds from pickup to drop-off.
FAR = (40.84, -73.93)
POISON = [
    *(pytest.param(HERE, HERE, seconds, 1, "TOO_SHORT", id=f"standing {seconds} s") for seconds in (0, 5, 86_000)),
    pytest.param(HERE, (40.7501, -73.98), 5_000, 1, "TOO_SHORT", id="11 m"),
    *(pytest.param(HERE, FAR, seconds, 10, "TOO_FAST", id=f"11 km {seconds} s") for seconds in (0, 1, 60)),
    *(pytest.param(HERE, FAR, seconds, 10, "TOO_SLOW", id=f"11 km {seconds} s") for seconds in (20_000, 10**6)),
]


@pytest.mark.parametrize(("start", "end", "seconds", "count", "use"), POISON)
def test_trips_that_nobody_can_have_made_change_no_quote_and_say_so_on_the_log(start, end, seconds, count, use) -> None:
    honest, poisoned = Bench(learning()), Bench(learning())
    for bench in (honest, poisoned):
        bench.online()
    for number in range(count):
        poisoned.serve(f"job-{number}", trip_s=seconds, pickup=start, dropoff=end)
    uses = [event.job_completed.trip_use for event in poisoned.log if event.HasField("job_completed")]
    assert uses == [events_pb.TripUse.Value(f"TRIP_USE_{use}")] * count
    assert measured(poisoned.log).trip_uses == {use.lower(): count}
    for hour in range(24):
        at = poisoned.now / 1e6 + 3600 * hour
        for leg in ((*HERE, *THERE), (*HERE, *FAR), (*FAR, *THERE)):
            assert poisoned.market.state.travel.leg(*leg, at) == honest.market.state.travel.leg(*leg, at)
    assert poisoned.place("next", dropoff=FAR).fare == honest.place("next", dropoff=FAR).fare


@settings(max_examples=40, deadline=None)
@given(
    trips=st.lists(
        st.tuples(
            st.sampled_from([HERE, THERE, FAR, (40.7501, -73.98)]), st.sampled_from([0, 1, 60, 600, 4000, 86_000])
        ),
        max_size=8,
    )
)
def test_a_market_quotes_within_bounds_of_the_straight_line_whatever_its_couriers_report(trips) -> None:
    bench = Bench(learning())
    bench.online()
    for number, (end, seconds) in enumerate(trips):
        bench.serve(f"job-{number}", trip_s=seconds, dropoff=end)
    learned = bench.market.state.policy.travel.learned
    for name, end in (("near", THERE), ("far", FAR)):
        straight_s = bench.market.state.travel.straight.leg(*HERE, *end, bench.now / 1e6)[1]
        quoted_s = bench.place(name, dropoff=end).trip_duration.seconds
        assert learned.least_ratio * straight_s - 1 <= quoted_s <= learned.most_ratio * straight_s + 1
    assert Market.fold(bench.log).snapshot() == bench.market.snapshot()
    restored = Market.restore(bench.market.snapshot())
    assert restored.snapshot() == bench.market.snapshot()
    assert restored.state.travel.leg(*HERE, *FAR, 0.0) == bench.market.state.travel.leg(*HERE, *FAR, 0.0)


def test_a_policy_of_an_earlier_version_folds_and_restores_as_its_software_did() -> None:
    """The files were written by the software before learned travel had bounds; it computed the numbers."""
    logs = Path(__file__).parent / "logs"
    saved = snapshot_pb.MarketSnapshot.FromString(gzip.decompress((logs / "summed-travel.snapshot.gz").read_bytes()))
    folded = Market.fold(read_log(logs / "summed-travel.log.gz"))
    again = folded.snapshot()
    assert (list(again.trips), list(again.trips_by_hour)) == (list(saved.trips), list(saved.trips_by_hour))
    for market in (folded, Market.restore(saved)):
        travel, now_s = market.state.travel, market.state.time_us / 1e6
        assert travel.leg(*HERE, *THERE, now_s) == pytest.approx((1813.4527018624453, 1514753.9680835453))
        assert travel.leg(*THERE, 40.72, -74.0, 0.0) == pytest.approx((6650.517676096127, 1866.0012944959233))
        assert travel.radius(900.0, 0.0) == pytest.approx(11211.965322400383)


def test_a_published_policy_bounds_a_market_that_learned_without_bounds() -> None:
    """What was learned without bounds is dropped with the policy that had none."""
    bench = Bench()
    bench.market = Market.fold(read_log(Path(__file__).parent / "logs/summed-travel.log.gz"))
    bench.now = bench.market.state.time_us
    assert trip_s(bench) > 1e6
    bench.do(commands.SetPolicy(policy=learning(), operator_id="op"))
    assert trip_s(bench) == bench.market.state.travel.straight.leg(*HERE, *THERE, 0.0)[1]


def test_another_straight_line_begins_to_learn_from_the_beginning() -> None:
    bench = Bench(learning())
    bench.online()
    bench.serve("job-0", trip_s=900)
    changed = learning()
    changed.travel.learned.straight_line.speeds_mps[0] = 11.0
    bench.do(commands.SetPolicy(policy=changed, operator_id="op"))
    assert trip_s(bench) == bench.market.state.travel.straight.leg(*HERE, *THERE, 0.0)[1]


def test_what_was_learned_outlives_a_restart_and_a_change_of_weights_but_not_of_cells() -> None:
    bench = Bench(learning())
    bench.online()
    for number in range(5):
        bench.serve(f"job-{number}")
    learned = trip_s(bench)
    assert Market.restore(bench.market.snapshot()).state.travel.leg(*HERE, *THERE, bench.now / 1e6)[1] == learned
    changed = learning()
    changed.matching.weights.job_age = 3.0
    bench.do(commands.SetPolicy(policy=changed, operator_id="op"))
    assert trip_s(bench) == learned
    changed.travel.learned.resolution = 7
    bench.do(commands.SetPolicy(policy=changed, operator_id="op"))
    assert trip_s(bench) == Bench(learning()).market.state.travel.leg(*HERE, *THERE, bench.now / 1e6)[1]


def test_trips_of_a_log_are_those_that_went_straight() -> None:
    bench = Bench(policy.load("shared"))
    bench.online()
    bench.serve("straight", trip_s=500)
    bench.place("first")
    bench.round()
    bench.answer(bench.job("first").offer_id)
    bench.progress("ARRIVED", "first")
    bench.progress("PICKED_UP", "first")
    bench.place("second", client_id="cy")
    bench.round()
    bench.answer(bench.job("second").offer_id)
    for step in ("ARRIVED", "PICKED_UP"):
        bench.progress(step, "second")
    bench.wait(300)
    bench.progress("COMPLETED", "first")
    bench.progress("COMPLETED", "second")
    trips, _ = trips_of_log(bench.log)
    assert trips.taken_s.tolist() == [500.0]


def test_a_policy_that_names_a_road_network_that_is_not_loaded_is_refused_by_name() -> None:
    bench = Bench()
    chosen = policy.load("plain")
    chosen.travel.roads.network = "atlantis"
    with pytest.raises(PolicyError, match="no road network 'atlantis' is loaded here"):
        bench.do(commands.SetPolicy(policy=chosen, operator_id="op"))
