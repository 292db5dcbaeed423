"""Work that is reported late counts from when it happened, within bounds: for pay, clocks, measures and statements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dispatcher import commands, policy
from dispatcher.errors import WrongState
from dispatcher.late_reports import late_reports
from dispatcher.log.invariants import violations
from dispatcher.log.projections import Rows
from dispatcher.market import Market
from dispatcher.measures.fold import Measures
from dispatcher.messages import copied
from dispatcher.pay.ledger_check import check_ledger
from dispatcher.times import SECOND, duration, micros, timestamp
from geo.sightings import Sightings, first_possible_us
from geo.travel import great_circle_m
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from gig.v1 import job_pb2, types_pb2
from gig.v1 import policy_pb2 as policy_pb
from gig.v1 import rating_service_pb2 as rating_pb
from services.host.applied import applied
from tests.kit import HERE, THERE, Bench

FAR = (40.95, -73.98)
PRESETS = ["plain", "nyc-tlc", "prop22", "fairwork", "shared", "city"]
GAPS = st.lists(st.integers(0, 1_500), min_size=3, max_size=3)


def report(
    bench: Bench, step: str, job_id: str = "job", at_us: int | None = None, seen: Sightings | None = None
) -> list[events_pb.Event]:
    """A step of bo's; ``at_us``: when it happened, by the device."""
    progress = courier_pb.Progress(job_id=job_id, step=f"PROGRESS_STEP_{step}")
    if at_us is not None:
        progress.occurred_time.CopyFrom(timestamp(at_us))
    command = commands.ReportProgress(courier_id="bo", progress=progress, sightings=seen or Sightings.none())
    return bench.do(command)


def sightings(*rows: tuple[int, tuple[float, float]]) -> Sightings:
    ordered = sorted(rows)
    return Sightings(
        np.array([at for at, _ in ordered], np.int64),
        np.array([place[0] for _, place in ordered], float),
        np.array([place[1] for _, place in ordered], float),
    )


HOUR = 3_600 * SECOND


@dataclass
class Outcome:
    """What people see of a day: jobs, the shift's clocks, the pay period, measures, and the statement's rows."""

    jobs: list[bytes]
    clocks: bytes
    period: tuple[int, int, int]
    phases_us: list[int]
    by_hour_us: list[int]
    unpaid_us: tuple[int, int]
    pay: list[tuple[object, ...]]
    phases: dict[int, int]


def outcome(bench: Bench) -> Outcome:
    state = bench.market.state
    jobs = []
    for job in state.jobs.values():
        kept = copied(job)
        for name in ("sequence", "end_report_time", "offer_id", "price_decision_id", "surge_decision_id"):
            kept.ClearField(name)
        jobs.append(kept.SerializeToString(deterministic=True))
    clock = state.clocks["bo"]
    measures, again, rows = Measures(), Market(), Rows()
    for event in bench.log:
        measures.fold(event)
        again.apply([event])
        one = applied(again, event)
        rows.add(event, one.kind, one.jobs, one.phases)
    # Until every hour of the day is over.
    measures.bring_to(bench.now // HOUR * HOUR + 2 * HOUR)
    courier = measures.couriers["bo"]
    return Outcome(
        jobs,
        bench.market.courier_view("bo").shift.SerializeToString(deterministic=True),
        (clock.engaged_until(state.couriers["bo"].state, bench.now), clock.engaged_metres, clock.earned),
        courier.phases_us,
        measures.time.by_hour_us,
        (courier.waiting_us, courier.cancelled_us),
        [(row[2], *row[3:]) for row in rows.pay],
        spent(rows, bench.now),
    )


def spent(rows: Rows, until_us: int) -> dict[int, int]:
    """Microseconds by phase, as the statement's query counts them."""
    found: dict[int, int] = {}
    start, phase = 0, 0
    for _, _, time, after in [*rows.phases, ("", 0, until_us, 0)]:
        begins = max(start, time)
        if phase:
            found[phase] = found.get(phase, 0) + begins - start
        start, phase = begins, after
    return {phase: time for phase, time in found.items() if time}


def look_elsewhere(bench: Bench, now_us: int) -> None:
    """Change the courier's record at a moment: clocks can be compared as of then."""
    bench.now = now_us
    bench.do(commands.SetDestination(courier_id="bo", destination=types_pb2.Position(latitude=40.7, longitude=-74.0)))


def steps_of(plan: list[job_pb2.PlanStop], arrive: bool) -> list[tuple[str, str]]:
    """(job, step) of a plan in order."""
    found = []
    for stop in plan:
        if stop.kind == job_pb2.STOP_KIND_PICKUP:
            found += [(stop.job_id, "ARRIVED")] * arrive + [(stop.job_id, "PICKED_UP")]
        else:
            found.append((stop.job_id, "COMPLETED"))
    return found


@settings(max_examples=60, deadline=None)
@given(
    preset=st.sampled_from(PRESETS),
    jobs=st.integers(1, 3),
    arrive=st.booleans(),
    gaps=st.lists(st.integers(0, 1_200), min_size=9, max_size=9),
    online=st.lists(st.booleans(), min_size=9, max_size=9),
    disturbed=st.lists(st.booleans(), min_size=9, max_size=9),
    closing=st.booleans(),
    silence_s=st.integers(0, 1_500),
)
@example("plain", 1, True, [0, 1115, 1200, *[0] * 6], [False] * 9, [False] * 9, True, 485)
def test_steps_reported_late_count_as_if_they_had_been_reported_at_once(
    preset, jobs, arrive, gaps, online, disturbed, closing, silence_s
) -> None:
    """The same day twice: every step reported as it happens; and those of offline stretches when the phone is back."""
    at_once, late = begun(preset, jobs), begun(preset, jobs)
    steps = steps_of(list(at_once.market.state.couriers["bo"].plan), arrive)
    if closing:
        # The market takes the silent courier offline, or the courier ends the shift: the work aboard goes on.
        steps = [one for one in steps if one[0] == steps[0][0]]
    moment, waiting = at_once.now, []
    for place, (job_id, step) in enumerate(steps):
        moment += gaps[place] * SECOND
        at_once.now = moment
        report(at_once, step, job_id)
        waiting.append((step, job_id, moment))
        if disturbed[place] and at_once.courier_state() != "OFFLINE":
            # Something else changes the courier meanwhile, which divides no work.
            moment += 30 * SECOND
            for bench in (at_once, late):
                look_elsewhere(bench, moment)
        if online[place]:
            late.now = moment
            send(late, waiting)
        if closing and step == "PICKED_UP":
            for bench in (at_once, late):
                bench.now = max(bench.now, moment)
            send(late, waiting)
            for bench in (at_once, late):
                bench.do(commands.GoOffline(courier_id="bo"))
    late.now = moment + silence_s * SECOND
    send(late, waiting)
    assert violations(late.log) == []
    assert check_ledger(late.log)[1] == []
    if not closing:
        for bench in (at_once, late):
            look_elsewhere(bench, moment + 2_000 * SECOND)
    else:
        assert late.courier_state() == at_once.courier_state() == "OFFLINE"
        for bench in (at_once, late):
            bench.now = moment + 2_000 * SECOND
    assert outcome(late) == outcome(at_once)
    folded = Market.fold(late.log).snapshot().SerializeToString(deterministic=True)
    assert folded == late.market.snapshot().SerializeToString(deterministic=True)


def begun(preset: str, jobs: int) -> Bench:
    """Bo holds up to so many jobs, as the policy allows, before any of them is picked up. Positions bound nothing."""
    chosen = policy.load(preset)
    chosen.couriers.late_reports.within.seconds = 86_400
    chosen.couriers.late_reports.position_error_metres = 5_000
    bench = Bench(chosen)
    bench.hold([f"job-{number}" for number in range(jobs)])
    return bench


def send(bench: Bench, waiting: list[tuple[str, str, int]]) -> None:
    for step, job_id, at_us in waiting:
        report(bench, step, job_id, at_us)
    waiting.clear()


@settings(max_examples=80, deadline=None)
@given(
    gaps=GAPS,
    claims=st.lists(st.integers(-200_000, 10_000), min_size=3, max_size=3),
    seen=st.lists(
        st.tuples(st.integers(-5_000, 5_000), st.sampled_from([HERE, THERE, FAR, (40.752, -73.979)])), max_size=8
    ),
    offset_s=st.sampled_from([0, 0, 120, -600]),
    within_s=st.sampled_from([0, 600, 7_200]),
    presence=st.booleans(),
)
def test_whatever_a_device_reports_the_time_that_counts_stays_within_the_bounds(
    gaps, claims, seen, offset_s, within_s, presence
) -> None:
    chosen = policy.load("nyc-tlc")
    chosen.couriers.late_reports.within.seconds = within_s
    bench = Bench(chosen)
    bench.assign()
    if offset_s:
        bench.do(commands.NoteClock(courier_id="bo", offset_us=offset_s * SECOND))
    start = bench.now
    rule = late_reports(bench.market.state.policy)
    known = sightings(*((start + second * SECOND, place) for second, place in seen))
    for step, gap, claim in zip(("ARRIVED", "PICKED_UP", "COMPLETED"), gaps, claims, strict=True):
        job = bench.job()
        earlier = max(micros(stamp) for stamp in (job.assign_time, job.arrive_time, job.pickup_time))
        bench.now += gap * SECOND
        device_us = bench.now + (claim - offset_s) * SECOND
        (event, *_) = report(bench, step, at_us=device_us if presence else None, seen=known)
        body = getattr(event, event.WhichOneof("body"))
        assert body.HasField("occurred") == presence
        if not presence:
            continue
        assert micros(event.time) == bench.now
        assert micros(body.occurred.reported_time) == device_us
        counts_us, claimed_us = micros(body.occurred.time), bench.now + claim * SECOND
        assert max(earlier, bench.now - within_s * SECOND) <= counts_us <= bench.now
        assert counts_us >= min(claimed_us, bench.now)
        assert (counts_us == claimed_us) == (body.occurred.bound == events_pb.OCCURRED_BOUND_UNSPECIFIED)
        stop = THERE if step == "COMPLETED" else HERE
        if counts_us < bench.now and known.times_us.size <= 2:
            assert first_possible_us(known, *stop, counts_us, bench.now, rule.reach) == counts_us
    job = bench.job()
    assert micros(job.arrive_time) <= micros(job.pickup_time) <= micros(job.end_time) <= bench.now
    if presence:
        least_s = (float(great_circle_m(*map(np.array, (*HERE, *THERE)))) - 300.0) / 40.0
        ridden_us = micros(job.end_time) - micros(job.pickup_time)
        assert ridden_us >= least_s * SECOND or micros(job.end_time) == bench.now
    assert violations(bench.log) == []
    assert Market.fold(bench.log).snapshot() == bench.market.snapshot()


def test_positions_rule_out_an_arrival_that_was_never_made() -> None:
    """Claimed half an hour ago, to be paid for waiting; seen 20 km away ten minutes ago."""
    bench = Bench()
    bench.assign()
    bench.now += 1_800 * SECOND
    seen = sightings((bench.now - 600 * SECOND, FAR), (bench.now, HERE))
    (event,) = report(bench, "ARRIVED", at_us=bench.now - 700 * SECOND, seen=seen)
    occurred = event.courier_arrived.occurred
    assert occurred.bound == events_pb.OCCURRED_BOUND_POSITIONS
    away_s = (float(great_circle_m(*map(np.array, (*FAR, *HERE)))) - 300) / 40
    assert micros(occurred.time) == pytest.approx(bench.now - (600 - away_s) * SECOND, abs=1)


def test_a_wrong_clock_of_the_device_is_corrected() -> None:
    bench = Bench()
    bench.assign()
    bench.do(commands.NoteClock(courier_id="bo", offset_us=600 * SECOND))
    assert bench.market.state.couriers["bo"].clock_offset == duration(600 * SECOND)
    bench.now += 1_000 * SECOND
    (event,) = report(bench, "ARRIVED", at_us=bench.now - 900 * SECOND)
    assert micros(event.courier_arrived.occurred.time) == bench.now - 300 * SECOND


def test_a_client_who_does_not_come_is_left_after_the_wait_by_the_reported_times() -> None:
    bench = Bench()
    bench.assign()
    start = bench.now
    bench.now += 3_000 * SECOND
    report(bench, "ARRIVED", at_us=start + 100 * SECOND)
    with pytest.raises(WrongState, match="wait 100 s more"):
        report(bench, "NO_SHOW", at_us=start + 301 * SECOND)
    report(bench, "NO_SHOW", at_us=start + 400 * SECOND)
    job = bench.job()
    assert (bench.state(), job.fault) == ("CANCELLED", job_pb2.FAULT_CLIENT)
    assert micros(job.end_time) == start + 400 * SECOND
    assert "waited 300 s" in job.fault_reason


def test_tips_and_ratings_are_possible_from_the_report_on() -> None:
    chosen = policy.load("plain")
    chosen.jobs.tip_window.seconds = 60
    chosen.ratings.window.seconds = 60
    bench = Bench(chosen)
    bench.assign()
    report(bench, "PICKED_UP")
    bench.now += 3_000 * SECOND
    report(bench, "COMPLETED", at_us=bench.now - 1_000 * SECOND)
    assert micros(bench.job().end_report_time) == bench.now
    bench.now += 59 * SECOND
    bench.do(commands.AddTip(client_id="ann", job_id="job", minor_units=200))
    rating = rating_pb.Rating(job_id="job", rater=job_pb2.ACTOR_CLIENT, rater_id="ann", stars=5)
    bench.do(commands.RateJob(rating=rating))
    bench.now += 2 * SECOND
    with pytest.raises(WrongState):
        bench.do(commands.AddTip(client_id="ann", job_id="job", minor_units=100))


def test_a_policy_publishes_the_bounds_of_late_reports() -> None:
    made = policy.checked(policy.load("plain"))
    assert made.couriers.late_reports == policy_pb.LateReportPolicy(
        within=duration(7_200 * SECOND), fastest_mps=40.0, position_error_metres=300
    )
    assert late_reports(policy_pb.Policy()) == late_reports(made)
