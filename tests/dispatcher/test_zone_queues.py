"""At a queue zone whoever came first is asked first; ranks are remembered, and silence costs the place."""

from __future__ import annotations

import numpy as np

from dispatcher import commands, policy
from dispatcher.market import Market
from dispatcher.market.queue import queued
from dispatcher.times import SECOND, micros
from gig.v1 import policy_pb2 as policy_pb
from tests.geo.test_zones import collection, square
from tests.kit import START, Bench

AIRPORT = square(-74.0, 40.0, 0.1, name="airport", rule="queue")
TERMINAL, CAR_PARK = (40.05, -73.95), (40.04, -73.96)


def queues(no_shows: int = 1) -> policy_pb.Policy:
    chosen = policy.load("plain")
    chosen.queues.no_shows = no_shows
    chosen.queues.exit_grace.seconds = 60
    return chosen


class Airport(Bench):
    def __init__(self, no_shows: int = 1) -> None:
        super().__init__(queues(no_shows), collection(AIRPORT))

    def seen(self, **zones: int) -> list:
        """Couriers seen in a queue zone (its index) or elsewhere (-1)."""
        numbers = np.array([self.market.state.numbers[name] for name in zones], np.int64)
        return self.do(commands.ObserveQueues(numbers=numbers, zones=np.array(list(zones.values()), np.int64)))

    def line(self) -> list[str]:
        return list(self.market.state.zone_queues.get("airport", {}))


def in_line(*names: str, no_shows: int = 1) -> Airport:
    """Each comes online at the car park and is seen there, one after the other, a minute apart."""
    bench = Airport(no_shows)
    for name in names:
        bench.online(name, CAR_PARK)
        bench.seen(**{name: 0})
        bench.wait(60)
    return bench


def test_the_first_in_line_is_asked_first_even_if_others_are_nearer() -> None:
    bench = in_line("first", "second")
    bench.online("nearer", TERMINAL)
    bench.place("ride", pickup=TERMINAL)
    bench.round()
    assert bench.job("ride").courier_id == "first"
    bench.answer(bench.job("ride").offer_id, "first")
    assert bench.line() == ["second"]


def test_ranks_are_remembered_from_joining_to_the_head_of_the_line() -> None:
    bench = in_line("first", "second", "third")
    bench.seen(first=-1)
    ranks = bench.market.courier_view("third").queue.ranks
    assert [rank.ahead for rank in ranks] == [2, 1]
    assert micros(ranks[0].time) == START + 120 * SECOND
    restored = Market.restore(bench.market.snapshot())
    assert restored.courier_view("third").queue == bench.market.courier_view("third").queue


def test_who_leaves_the_zone_loses_the_place_and_comes_back_at_the_end() -> None:
    bench = in_line("first", "second")
    events = bench.seen(first=-1, second=0)
    assert events[0].queue_left.reason == "left the zone"
    bench.seen(first=0)
    assert bench.line() == ["second", "first"]


def test_after_so_many_offers_without_an_answer_one_goes_to_the_end() -> None:
    bench = in_line("first", "second", no_shows=1)
    bench.place("ride", pickup=TERMINAL)
    bench.round()
    bench.wait(30)  # the offer times out
    events = bench.seen(first=0, second=0)
    assert [event.WhichOneof("body") for event in events] == ["queue_left", "queue_joined"]
    assert events[0].queue_left.reason == "no-show"
    assert bench.line() == ["second", "first"]
    bench.round()
    assert bench.job("ride").courier_id == "second"


def _rows(bench: Bench) -> dict:
    """The queue as each job alone would be entered."""
    state = bench.market.state
    return {job_id: queued(state.jobs[job_id], state.policy, state.zones) for job_id in state.queue}


def test_new_zones_and_a_new_policy_change_the_rows_of_all_jobs_as_of_each_alone() -> None:
    bench = Airport()
    for number in range(12):
        place = (40.0 + number / 50, -74.0 + number / 50)
        bench.place(f"job-{number}", pickup=place, dropoff=(40.2 - number / 50, -73.9))
    assert bench.market.state.queue == _rows(bench)
    bay = square(-74.0, 40.1, 0.2, name="bay", rule="queue")
    closed = square(-74.0, 40.15, 0.1, name="closed", rule="no_entry", vehicles=["van", "car"])
    for features in ([bay, closed], [closed, AIRPORT, bay], []):
        before = dict(bench.market.state.queue)
        bench.do(commands.SetZones(geojson=collection(*features), operator_id="op"))
        assert bench.market.state.queue == _rows(bench)
        assert bench.market.state.queue != before
        bench.do(commands.SetPolicy(policy=queues(3), operator_id="op"))
        assert bench.market.state.queue == _rows(bench)


def test_a_zone_that_goes_takes_its_line_along() -> None:
    bench = in_line("first", "second")
    bench.do(commands.SetZones(geojson=collection(square(0, 0, 1, name="other", rule="queue")), operator_id="op"))
    assert not bench.line()
    assert not bench.market.state.queue_zone_of
    assert not bench.market.courier_view("first").HasField("queue")
    bench.seen(first=0, second=-1)
    assert bench.market.courier_view("first").queue.zone == "other"


def test_many_who_join_and_leave_in_one_moment_have_each_their_place() -> None:
    bench = Airport()
    names = [f"courier-{number}" for number in range(60)]
    for name in names:
        bench.online(name, CAR_PARK)
    joined = bench.seen(**dict.fromkeys(names, 0))
    assert [event.queue_joined.rank for event in joined] == list(range(60))
    events = bench.seen(**{name: -1 if number % 2 else 0 for number, name in enumerate(names)})
    assert [event.queue_left.rank for event in events] == list(range(1, 60, 2))
    assert bench.line() == names[::2]
    assert bench.market.state.queue_zone_of == dict.fromkeys(names[::2], "airport")
    assert Market.restore(bench.market.snapshot()).state.queue_zone_of == bench.market.state.queue_zone_of
    assert Market.fold(bench.log).snapshot() == bench.market.snapshot()


def test_going_offline_leaves_the_line() -> None:
    bench = in_line("first", "second")
    bench.do(commands.GoOffline(courier_id="first"))
    assert bench.line() == ["second"]


def test_an_empty_line_leaves_the_job_open_to_everyone() -> None:
    bench = Airport()
    bench.online("passer-by", TERMINAL)
    bench.place("ride", pickup=TERMINAL)
    bench.round()
    assert bench.job("ride").courier_id == "passer-by"
