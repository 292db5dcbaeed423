"""Guaranteed pay, against an independent calculation with fractions of hours and miles."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher import commands, policy
from dispatcher.errors import NotYours, WrongState
from dispatcher.pay import floor
from dispatcher.times import SECOND
from gig.v1 import job_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb
from tests.kit import Bench

RATE = st.integers(0, 500_000)
TOP_UP = types_pb2.PRICE_LINE_KIND_TOP_UP


def nearest(amount: Fraction) -> int:
    """To the nearest integer, halves up."""
    return (amount + Fraction(1, 2)).__floor__()


def topped(line: types_pb2.PriceLine | None) -> int:
    return 0 if line is None else line.minor_units


@given(RATE, RATE, st.integers(100, 10_000), st.integers(0, 5000), st.integers(0, 10**6), st.integers(0, 10**5), RATE)
def test_a_trips_floor_is_miles_and_minutes_divided_by_utilisation(
    per_mile, per_minute, utilisation, minimum, metres, seconds, earned
) -> None:
    rule = policy_pb.JobFloor(
        per_mile_thousandths=per_mile,
        per_minute_thousandths=per_minute,
        utilisation_basis_points=utilisation,
        minimum=minimum,
    )
    miles, minutes = Fraction(metres * 1000, 1_609_344), Fraction(seconds, 60)
    raw = (Fraction(per_mile, 1000) * miles + Fraction(per_minute, 1000) * minutes) / Fraction(utilisation, 10_000)
    expected = max(nearest(raw), minimum, earned) - earned
    assert topped(floor.job(rule, metres, seconds * SECOND, earned)) == expected


@given(RATE, st.integers(1, 30_000), RATE, st.integers(0, 10**12), st.integers(0, 10**7), st.integers(0, 10**7))
def test_an_engaged_floor_is_a_share_of_the_wage_and_a_rate_a_mile(wage, share, per_mile, us, metres, earned) -> None:
    rule = policy_pb.EngagedFloor(per_hour=wage, share_basis_points=share, per_mile_thousandths=per_mile)
    hours = Fraction(us // SECOND, 3600)
    expected = nearest(
        Fraction(share, 10_000) * wage * hours + Fraction(per_mile, 1000) * Fraction(metres * 1000, 1_609_344)
    )
    assert topped(floor.engaged(rule, us, metres, earned)) == max(expected - earned, 0)


def test_new_york_pays_each_trip_at_least_by_mile_and_minute() -> None:
    """March 2024: 1.360 USD a mile and 0.583 USD a minute."""
    chosen = policy.load("nyc-tlc")
    for tariff in chosen.pays:
        tariff.base = tariff.per_km = tariff.per_minute = tariff.minimum = 0
    chosen.ClearField("surge")
    bench = Bench(chosen)
    bench.online()
    bench.serve(trip_s=1200.0)
    job = bench.job()
    miles = job.trip_distance_metres / 1609.344
    assert job.pay.total.minor_units == round(136.0 * miles + 58.3 * 20)
    line = job.pay.lines[-1]
    assert line.kind == TOP_UP
    assert "136 a mile" in line.rule
    assert "58.3 a minute x 1200 s" in line.rule
    assert job.money.pay_minor_units == job.pay.total.minor_units


def test_california_pays_engaged_time_over_the_period_and_not_the_wait_between() -> None:
    chosen = policy.load("prop22")
    chosen.ClearField("surge")
    for tariff in chosen.pays:
        tariff.base, tariff.per_km, tariff.per_minute, tariff.minimum, tariff.waiting_per_minute = 100, 0, 0, 0, 0
    bench = Bench(chosen)
    bench.online()
    engaged_s, metres, earned = 0, 0, 0
    for number in range(3):
        name = f"job-{number}"
        bench.place(name)
        bench.round()
        bench.answer(bench.job(name).offer_id)
        bench.wait(240)
        bench.progress("ARRIVED", name)
        bench.progress("PICKED_UP", name)
        bench.wait(900)
        bench.progress("COMPLETED", name)
        engaged_s += 1140
        metres += bench.job(name).pickup_distance_metres + bench.job(name).trip_distance_metres
        earned += 100
        bench.wait(3000)
    bench.do(commands.GoOffline(courier_id="bo"))
    assert not any(event.HasField("period_settled") for event in bench.log)
    bench.wait(15 * 86_400)
    settled = [event.period_settled for event in bench.log if event.HasField("period_settled")]
    assert len(settled) == 1
    assert settled[0].engaged.seconds == engaged_s
    assert settled[0].engaged_metres == metres
    expected = 1.2 * 1650 * engaged_s / 3600 + 36 * metres / 1609.344 - earned
    assert settled[0].top_up.minor_units == round(expected)
    assert "120 % x 1650 an hour" in settled[0].top_up.rule


def test_a_period_ends_in_the_middle_of_a_job_and_the_next_begins_there() -> None:
    chosen = policy.load("prop22")
    chosen.floor.engaged.period.seconds = 3600
    bench = Bench(chosen)
    bench.assign()
    bench.progress("PICKED_UP")
    bench.wait(3600)
    first = bench.log[-1].period_settled
    left = 3600 - first.engaged.seconds
    assert left == 0
    bench.wait(1800)
    bench.progress("COMPLETED")
    bench.wait(3600)
    second = [event.period_settled for event in bench.log if event.HasField("period_settled")][-1]
    assert first.end_time == second.start_time
    assert second.engaged.seconds == 1800


def test_a_fair_wage_counts_all_time_online_and_tips_do_not_fill_it() -> None:
    bench = Bench(policy.load("fairwork"))
    bench.online()
    bench.serve(trip_s=600.0)
    earned = bench.market.state.couriers["bo"].shift_pay_minor_units
    bench.do(commands.AddTip(client_id="ann", job_id="job", minor_units=10_000))
    assert bench.market.state.couriers["bo"].shift_pay_minor_units == earned
    bench.wait(3000)
    events = bench.do(commands.GoOffline(courier_id="bo"))
    assert events[-1].courier_offline.top_up.minor_units == 2300 - earned


def test_waiting_at_the_pickup_is_charged_and_paid_beyond_what_is_free() -> None:
    bench = Bench()
    bench.assign()
    fare, pay = bench.job().fare.total.minor_units, bench.job().pay.total.minor_units
    bench.progress("ARRIVED")
    bench.wait(420)
    bench.progress("PICKED_UP")
    job = bench.job()
    assert job.fare.total.minor_units - fare == 40 * 4
    assert job.pay.total.minor_units - pay == 35 * 5
    assert sum(line.minor_units for line in job.pay.lines) == job.pay.total.minor_units
    bench.progress("COMPLETED")
    assert job.money.pay_minor_units == job.pay.total.minor_units


def test_the_clocks_of_a_shift_add_up_to_the_time_online() -> None:
    bench = Bench()
    bench.online()
    bench.wait(100)
    bench.place()
    bench.round()
    bench.answer(bench.job().offer_id)
    bench.wait(50)
    bench.progress("ARRIVED")
    bench.wait(30)
    bench.progress("PICKED_UP")
    bench.wait(400)
    bench.progress("COMPLETED")
    bench.wait(20)
    bench.do(commands.GoOffline(courier_id="bo"))
    shift = bench.market.courier_view("bo").shift
    spent = [shift.waiting.seconds, shift.to_pickup.seconds, shift.at_pickup.seconds, shift.with_job.seconds]
    assert spent == [120, 50, 30, 400]


def test_a_tip_goes_to_the_courier_in_full_and_from_the_jobs_client_alone() -> None:
    bench = Bench()
    bench.online()
    bench.serve()
    tip = commands.AddTip(client_id="ann", job_id="job", minor_units=250)
    event = bench.do(tip)[0]
    assert [(leg.holder_id, leg.minor_units) for leg in event.tip_added.postings.legs] == [("ann", -250), ("bo", 250)]
    bench.do(commands.AddTip(client_id="ann", job_id="job", minor_units=50))
    assert bench.job().money.tip_minor_units == 300
    with pytest.raises(NotYours):
        bench.do(commands.AddTip(client_id="eve", job_id="job", minor_units=1))
    past = commands.PastJob(job=job_pb2.Job.FromString(bench.job().SerializeToString()))
    bench.wait(8000)
    bench.place("another")
    assert "job" not in bench.market.state.jobs
    late = bench.do(commands.AddTip(client_id="ann", job_id="job", minor_units=50, past=past))[0]
    assert late.tip_added.job.money.tip_minor_units == 350
    bench.wait(15 * 86_400)
    with pytest.raises(WrongState, match="over"):
        bench.do(commands.AddTip(client_id="ann", job_id="job", minor_units=50, past=past))
