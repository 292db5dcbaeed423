"""What the market promises itself can be kept: a window as long as the quoted duration suffices for the trip."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dispatcher import commands, policy
from dispatcher.market.decide.jobs import trip
from dispatcher.times import SECOND, duration, micros, span, timestamp
from gig.v1 import policy_pb2 as policy_pb
from tests.kit import Bench, Spot, spec

# How soon the job is wanted: within the policy's lead time.
SOON_S = 300
MODELS = ("straight_line", "learned", "planar")
DEGREES = st.tuples(st.floats(40.70, 40.80), st.floats(-74.02, -73.92))
METRES = st.tuples(st.floats(0, 9_000), st.floats(0, 9_000))


def keeping(model: str, presets: str, speeds: list[float], service_s: float = 0.0) -> policy_pb.Policy:
    """A policy that promises the direct trip and nothing more, and keeps each promise."""
    chosen = policy.load(presets)
    chosen.ClearField("surge")
    chosen.matching.promise.Clear()
    chosen.matching.promise.keep = True
    if presets == "shared":
        chosen.matching.promise.ride_detour_share = 0.0
    if model == "planar":
        chosen.travel.planar.metres_per_minute = 60 * speeds[0]
        chosen.travel.planar.pickup_service.CopyFrom(duration(round(service_s * SECOND)))
        chosen.travel.planar.dropoff_service.CopyFrom(duration(round(service_s * SECOND / 3)))
    line = chosen.travel.learned.straight_line if model == "learned" else chosen.travel.straight_line
    if model == "learned":
        chosen.travel.learned.resolution, chosen.travel.learned.prior_trips = 8, 5.0
    if model != "planar":
        line.circuity = 1.3
        line.speeds_mps[:] = speeds
    return policy.checked(chosen)


@settings(max_examples=60, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    presets=st.sampled_from(["plain", "shared"]),
    speeds=st.lists(st.floats(2, 40), min_size=1, max_size=1) | st.lists(st.floats(2, 40), min_size=24, max_size=24),
    service_s=st.floats(0, 600),
    ends=st.tuples(DEGREES, DEGREES, METRES, METRES),
    offset_us=st.integers(0, 10 * SECOND),
    named=st.booleans(),
)
def test_a_window_as_long_as_the_quote_is_served_by_the_courier_at_the_pickup(
    model, presets, speeds, service_s, ends, offset_us, named
) -> None:
    start, end = ends[2:] if model == "planar" else ends[:2]
    if named:
        service_s = 0.0
    bench = Bench(keeping(model, presets, speeds, service_s))
    bench.now += offset_us
    bench.online("bo", start)
    wanted_us = bench.now + SOON_S * SECOND
    more = {"pickup_after": timestamp(wanted_us)}
    if named:
        bench.do(commands.QuoteJob(job_id="quote", client_id="ann", spec=spec(start, end, **more)))
        quoted_us = span(bench.job("quote").trip_duration)
        assume(quoted_us)  # a window of no length is refused
        more["dropoff_before"] = timestamp(wanted_us + quoted_us)
    bench.place(pickup=start, dropoff=end, **more)
    bench.round()
    assert bench.state() == "OFFERED"


@settings(max_examples=60, deadline=None)
@given(speed=st.floats(2, 40), ends=st.tuples(DEGREES, DEGREES))
def test_a_quoted_duration_is_the_trip_rounded_up_to_the_second(speed: float, ends: tuple[Spot, Spot]) -> None:
    bench = Bench(keeping("straight_line", "plain", [speed]))
    _, exact = bench.market.state.travel.leg(*ends[0], *ends[1], bench.now / SECOND)
    _, quoted = trip(bench.market.state, spec(*ends), bench.now)
    assert quoted == ceil(round(exact, 6))
    assert 0 <= quoted - exact + 1e-6 < 1 + 1e-6


def test_a_whole_number_that_is_off_in_its_last_bits_is_not_rounded_up() -> None:
    bench = Bench(keeping("planar", "plain", [10.0]))
    for metres in range(10, 4_000, 70):
        assert trip(bench.market.state, spec((0.0, 0.0), (metres + 1e-9, 0.0)), bench.now)[1] == metres // 10


@pytest.mark.parametrize("hour", [3, 8])
def test_a_scheduled_trip_is_estimated_for_the_hour_in_which_it_begins(hour: int) -> None:
    speeds = [10.0] * 24
    speeds[8] = 2.0
    bench = Bench(keeping("straight_line", "plain", speeds))
    wanted_us = (bench.now // (86_400 * SECOND) + 1) * 86_400 * SECOND + hour * 3_600 * SECOND
    job = bench.place(pickup_after=timestamp(wanted_us))
    at_once = Bench(keeping("straight_line", "plain", [speeds[hour]])).place()
    assert job.trip_duration == at_once.trip_duration
    assert micros(job.promise_time) == wanted_us + span(job.trip_duration)
