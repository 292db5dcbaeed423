"""The policy's travel model: learned from the market's own trips, or a road network that is loaded here."""

from __future__ import annotations

import pytest

from dispatcher import commands, policy
from dispatcher.errors import PolicyError
from dispatcher.market import Market
from dispatcher.market.trips import trips_of_log
from gig.v1 import policy_pb2 as policy_pb
from tests.kit import HERE, THERE, Bench


def learning() -> policy_pb.Policy:
    chosen = policy.load("plain")
    straight = policy_pb.StraightLineTravel(circuity=1.3, speeds_mps=[5.5])
    chosen.travel.learned.CopyFrom(policy_pb.LearnedTravel(straight_line=straight, resolution=8, prior_trips=2.0))
    return chosen


def trip_s(bench: Bench) -> float:
    return bench.market.state.travel.leg(*HERE, *THERE, bench.now / 1e6)[1]


def test_a_market_learns_how_long_its_trips_take() -> None:
    bench = Bench(learning())
    bench.online()
    before = trip_s(bench)
    for number in range(10):
        bench.serve(f"job-{number}", trip_s=3 * before)
    assert before < 2 * before < trip_s(bench) < 3 * before
    assert bench.place("next").trip_duration.seconds == round(trip_s(bench))


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
