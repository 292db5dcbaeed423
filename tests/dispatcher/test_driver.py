"""The one driver: what it finds due, in which order, and when rounds begin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher import policy
from dispatcher.market import MovedCouriers
from dispatcher.market.driver import LOOK_EVERY_S, Driver, LeftOut, Work
from dispatcher.market.positions import SimulatedPositions
from dispatcher.times import SECOND, span
from geo.units import Ints
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb
from tests.geo.test_zones import collection, square
from tests.kit import HERE, START, Bench

QUEUE = collection(square(HERE[1] - 0.05, HERE[0] - 0.05, 0.1, name="airport", rule="queue"))


class Phones(SimulatedPositions):
    """Couriers where the log has them; ``heard_us``: when each was last heard of, by number, or now."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(lambda: bench.market.state)
        self.heard_us: dict[int, int] = {}

    def last_heard_us(self, numbers: Ints, now_us: int) -> Ints:
        return np.array([self.heard_us.get(number, now_us) for number in numbers.tolist()], np.int64)


def calm() -> policy_pb.Policy:
    """Without surge; silent couriers go offline after a minute."""
    chosen = policy.load("plain")
    chosen.ClearField("surge")
    chosen.couriers.silence_limit.FromSeconds(60)
    return chosen


def step(driver: Driver, bench: Bench, phones: Phones) -> list[str]:
    """Carry out what is due; return the names of the events."""
    return [str(event.WhichOneof("body")) for events in driver.step(phones, bench.now) for event in bench.take(events)]


def test_a_job_that_waits_too_long_expires_at_its_moment() -> None:
    bench = Bench(calm())
    driver, phones = Driver(bench.market, bench.now), Phones(bench)
    bench.place()
    due = bench.market.next_due()
    assert due is not None
    bench.now = due - 1
    assert step(driver, bench, phones) == []
    assert bench.state() == "QUEUED"
    bench.now = due
    step(driver, bench, phones)
    assert bench.state() == "EXPIRED"


def test_silent_couriers_go_offline_at_the_next_look_and_others_stay() -> None:
    bench = Bench(calm())
    bench.online("quiet")
    bench.online("heard")
    driver, phones = Driver(bench.market, bench.now), Phones(bench)
    phones.heard_us[bench.market.state.numbers["quiet"]] = bench.now
    step(driver, bench, phones)
    bench.now += 60 * SECOND
    assert step(driver, bench, phones) == []
    bench.now += LOOK_EVERY_S * SECOND
    assert step(driver, bench, phones) == ["courier_offline"]
    assert (bench.courier_state("quiet"), bench.courier_state("heard")) == ("OFFLINE", "FREE")


def test_couriers_who_are_left_out_are_not_looked_at() -> None:
    bench = Bench(calm())
    bench.online("quiet")
    driver, phones = Driver(bench.market, bench.now), Phones(bench)
    phones.heard_us[bench.market.state.numbers["quiet"]] = bench.now
    bench.now += 600 * SECOND
    assert list(driver.decisions(Work.SILENCE, phones, bench.now, LeftOut(couriers=frozenset({"quiet"})))) == []
    assert [one.courier_id for one in driver.decisions(Work.SILENCE, phones, bench.now)] == ["quiet"]


def test_couriers_in_a_queue_zone_are_seen_without_anybody_acting() -> None:
    bench = Bench(zones=QUEUE)
    bench.online()
    driver, phones = Driver(bench.market, bench.now), Phones(bench)
    step(driver, bench, phones)
    assert list(bench.market.state.zone_queues["airport"]) == ["bo"]


def test_the_queues_on_the_log_hold_after_a_reload() -> None:
    chosen = policy.load("plain")
    chosen.queues.exit_grace.FromSeconds(120)
    bench = Bench(chosen, QUEUE)
    bench.online()
    step(Driver(bench.market, bench.now), bench, Phones(bench))
    outside = MovedCouriers(np.array([bench.market.state.numbers["bo"]]), np.array([0]), np.array([0]))
    away = SimulatedPositions(lambda: bench.market.state, lambda _now_us: outside)
    for events in Driver(bench.market, bench.now).step(away, bench.now + SECOND):
        bench.take(events)
    assert list(bench.market.state.zone_queues["airport"]) == ["bo"]


def test_surge_ticks_with_jobs_waiting_and_without_a_round() -> None:
    bench = Bench(policy.load("plain"))
    bench.place()
    driver, phones = Driver(bench.market, bench.now), Phones(bench)
    assert "surge_updated" in step(driver, bench, phones)
    tick_us = span(bench.market.state.policy.surge.tick)
    bench.now += tick_us - 1
    assert "surge_updated" not in step(driver, bench, phones)
    bench.now += 1
    assert "surge_updated" in step(driver, bench, phones)


@given(st.integers(1, 600), st.lists(st.integers(1, 5_000_000), min_size=1, max_size=30))
def test_windows_run_from_start_to_start_however_late_a_round_begins(window_s: int, delays_us: list[int]) -> None:
    chosen = policy.load("plain")
    chosen.matching.batch_window.FromSeconds(window_s)
    bench = Bench(chosen)
    driver, now, window_us = Driver(bench.market, START), START, window_s * SECOND
    for delay_us in delays_us:
        now += driver.until_round_us(now) + delay_us
        assert driver.round_is_due(now)
        driver.begin_round(now)
        assert not driver.round_is_due(now)
        next_us = now + driver.until_round_us(now)
        assert (next_us - START) % window_us == 0
        assert now < next_us <= now + window_us


@given(st.integers(1, 60), st.integers(0, 10**9))
def test_idle_windows_pass_and_the_round_stays_on_the_grid(window_s: int, idle_us: int) -> None:
    chosen = policy.load("plain")
    chosen.matching.batch_window.FromSeconds(window_s)
    bench = Bench(chosen)
    driver, window_us = Driver(bench.market, START), window_s * SECOND
    driver.begin_round(START)
    now = START + 1 + idle_us
    driver.skip_windows(now)
    assert driver.round_is_due(now) == ((now - START) % window_us == 0)
    assert 0 <= driver.until_round_us(now) < window_us


def test_another_batch_window_counts_at_once() -> None:
    chosen = policy.load("plain")
    chosen.matching.batch_window.FromSeconds(600)
    bench = Bench(chosen)
    driver = Driver(bench.market, START)
    driver.begin_round(START)
    bench.market.state.policy.matching.batch_window.FromSeconds(1)
    assert driver.until_round_us(START) == SECOND


def test_a_waiting_job_plans_the_next_round() -> None:
    bench = Bench()
    driver = Driver(bench.market, START)
    driver.begin_round(START)
    assert driver.next_us(START) is None
    bench.place()
    assert driver.next_us(START) == START + span(bench.market.state.policy.matching.batch_window)


@pytest.mark.parametrize("work", Work)
def test_every_kind_of_work_is_asked_for_and_decided_without_faults_in_an_empty_market(work: Work) -> None:
    bench = Bench(policy.load("plain"), QUEUE)
    driver, phones = Driver(bench.market, bench.now), Phones(bench)
    driver.is_due(work, bench.now)
    made: list[events_pb.Event] = [event for one in driver.decisions(work, phones, bench.now) for event in one.decide()]
    bench.take(made)
