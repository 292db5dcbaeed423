"""A round's event holds what is needed to decide it again, exactly."""

from __future__ import annotations

import numpy as np

from dispatcher import commands
from dispatcher.market import Market, MovedCouriers
from dispatcher.times import micros
from geo.units import to_e7
from gig.v1 import offer_pb2, types_pb2
from matching import search
from matching.solve import solve
from tests.kit import Bench


def test_any_round_is_recomputed_exactly_from_the_log() -> None:
    rng = np.random.default_rng(3)
    bench = Bench()
    for index in range(12):
        bench.online(f"c{index}", tuple(rng.normal((40.75, -73.98), 0.01)))
    for batch in range(4):
        for index in range(5):
            bench.place(f"j{batch}-{index}", pickup=tuple(rng.normal((40.75, -73.98), 0.01)))
        numbers = bench.market.state.columns.available_numbers()[::2]
        moved = MovedCouriers(
            numbers,
            np.array([to_e7(v) for v in rng.normal(40.75, 0.01, numbers.size)], np.int64),
            np.array([to_e7(v) for v in rng.normal(-73.98, 0.01, numbers.size)], np.int64),
        )
        opened = bench.market.problem(moved, bench.now)
        events = bench.market.settle(opened, solve(opened.problem), bench.now)
        bench.market.apply(events)
        bench.log.extend(events)
        for offer in list(bench.market.state.offers.values())[::2]:
            bench.answer(offer.offer_id, offer.courier_id)
        bench.wait(21)
    rounds = [event for event in bench.log if event.HasField("round_settled")]
    assert len(rounds) == 4
    for event in rounds:
        logged = event.round_settled
        market = Market.fold(bench.log[: logged.state_sequence])
        numbers = np.cumsum(np.array(logged.moved_number_deltas, np.int64))
        columns = market.state.columns
        moved = MovedCouriers(
            numbers,
            columns.latitude_e7[numbers] + np.array(logged.moved_latitude_e7_deltas, np.int64),
            columns.longitude_e7[numbers] + np.array(logged.moved_longitude_e7_deltas, np.int64),
        )
        again = market.problem(moved, micros(logged.as_of))
        assignment = solve(again.problem)
        assert assignment.digest == logged.eligible_digest
        assert assignment.cost.tolist() == list(logged.costs)
        chosen = [int(again.numbers[c]) if c >= 0 else 0 for c in assignment.courier]
        assert chosen == list(logged.assigned_numbers)


def test_only_couriers_who_moved_are_logged() -> None:
    bench = Bench()
    bench.online("bo")
    bench.online("cy")
    bench.place()
    event = bench.round()[0].round_settled
    assert list(event.moved_number_deltas) == []
    assert (event.jobs, event.couriers) == (1, 2)


def test_a_job_that_the_rounds_time_cuts_off_is_logged_kept_and_first_in_the_next_round(monkeypatch) -> None:
    bench = Bench()
    away = types_pb2.Position(latitude=40.70, longitude=-74.01)
    # More than are compared: all who are nearer head elsewhere.
    for index in range(60):
        bench.online(f"c{index}", (40.7501, -73.98))
        bench.do(commands.SetDestination(courier_id=f"c{index}", destination=away))
    bench.online("bo", (40.752, -73.98))
    bench.place("job")
    with monkeypatch.context() as hurried:
        hurried.setattr(search, "SEARCH_TIME", -1.0)
        settled = bench.round()[0].round_settled
    assert list(settled.truncated_job_ids) == ["job"]
    assert {count.gate for count in settled.unmatched_gates} == {offer_pb2.GATE_DESTINATION, offer_pb2.GATE_TRUNCATED}
    kept = Market.restore(bench.market.snapshot(), {})
    for market in (bench.market, kept, Market.fold(bench.log)):
        assert market.state.truncated == ("job",)
    bench.place("another")
    assert bench.market.problem(MovedCouriers.none(), bench.now).problem.truncated.tolist() == [0]
    events = bench.round()
    assert not events[0].round_settled.truncated_job_ids
    assert [event.offer_made.offer.courier_id for event in events[1:]] == ["bo"]
    assert not bench.market.state.truncated
