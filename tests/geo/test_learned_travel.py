"""Learned travel times follow the trips where there are many, and the straight line where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.learned_travel import LearnedTravel
from geo.plausible_trips import TripBounds, TripUse
from geo.travel import StraightLine
from geo.trip_times import TripTimes

STRAIGHT = StraightLine(1.3, (6.0,))
HERE, THERE, ELSEWHERE = (40.75, -73.99), (40.78, -73.96), (40.65, -73.80)


def learned(trips: int, slower: float, prior_trips: float = 10.0) -> LearnedTravel:
    model = LearnedTravel(STRAIGHT, TripTimes(8), prior_trips)
    times = model.trips
    _, seconds = STRAIGHT.leg(*HERE, *THERE, 0.0)
    for _ in range(trips):
        milliseconds = round(seconds * 1000)
        times.add(times.cell_at(*HERE), times.cell_at(*THERE), 12, 1, round(milliseconds * slower), milliseconds)
    return model


def seconds_of(model: LearnedTravel, start=HERE, end=THERE, hour: int = 12) -> float:
    return model.leg(*start, *end, hour * 3600.0)[1]


def test_without_trips_it_is_the_straight_line() -> None:
    assert learned(0, 1.0).leg(*HERE, *THERE, 0.0) == pytest.approx(STRAIGHT.leg(*HERE, *THERE, 0.0))


def test_with_more_trips_it_comes_nearer_to_what_they_took() -> None:
    straight = seconds_of(learned(0, 1.0))
    errors = [abs(seconds_of(learned(trips, 1.5)) - 1.5 * straight) for trips in (1, 5, 50, 500)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.03 * straight


def test_where_no_trip_has_been_only_what_all_trips_share_is_taken_over() -> None:
    model = learned(1000, 1.5)
    far = seconds_of(model, HERE, ELSEWHERE) / STRAIGHT.leg(*HERE, *ELSEWHERE, 0.0)[1]
    assert far == pytest.approx(1.5, rel=0.05)
    assert seconds_of(model, THERE, HERE) > STRAIGHT.leg(*THERE, *HERE, 0.0)[1]


def test_one_leg_and_many_agree_and_the_radius_holds_everyone_within_reach() -> None:
    model, rng = learned(30, 0.6), np.random.default_rng(3)
    start = np.stack([rng.uniform(40.7, 40.8, 40), rng.uniform(-74.0, -73.9, 40)])
    end = np.stack([rng.uniform(40.7, 40.8, 30), rng.uniform(-74.0, -73.9, 30)])
    _, seconds = model.legs(start[0][:, None], start[1][:, None], end[0], end[1], 43_200.0)
    for row, column in ((0, 0), (7, 19), (39, 29)):
        one = model.leg(*start[:, row], *end[:, column], 43_200.0)
        assert one[1] == pytest.approx(seconds[row, column])
    apart = np.linalg.norm(model.embed(*start)[:, None] - model.embed(*end)[None], axis=-1)
    for reach in (100.0, 400.0, 900.0):
        assert (apart[seconds <= reach] <= model.radius(reach, 43_200.0)).all()


# Trips as an adversary reports them: between any of these places, in any time, at any hour.
PLACES = [
    HERE,
    THERE,
    ELSEWHERE,
    (40.7501, -73.9901),
    (40.80, -73.93),
    (-33.9, 18.4),
    (40.75, 179.9999),
    (40.75, -179.9999),
    (90.0, 0.0),
]
SECONDS = st.one_of(st.sampled_from([1e-6, 1.0, 5.0, 300.0, 86_400.0, 1e9]), st.floats(1e-3, 1e7))
TRIPS = st.lists(
    st.tuples(st.sampled_from(PLACES), st.sampled_from(PLACES), SECONDS, st.integers(0, 23), st.integers(1, 20)),
    max_size=25,
)


@settings(max_examples=100, deadline=None)
@given(
    trips=TRIPS,
    filtered=st.booleans(),
    prior_trips=st.sampled_from([0.01, 1.0, 10.0, 10_000.0]),
    bounds=st.sampled_from([TripBounds(), TripBounds(0.05, 20.0, 50.0), TripBounds(1.0, 1.0)]),
)
def test_whatever_trips_were_learned_every_leg_stays_within_bounds_of_the_straight_line(
    trips, filtered, prior_trips, bounds
) -> None:
    """Also where trips out of bounds come in unfiltered, as by a snapshot or a change of the policy's bounds."""
    model = LearnedTravel(STRAIGHT, TripTimes(8), prior_trips, bounds)
    for start, end, seconds, hour, count in trips:
        metres, straight_s = STRAIGHT.leg(*start, *end, 0.0)
        if filtered and bounds.use_of(metres / STRAIGHT.circuity, seconds, straight_s) is not TripUse.LEARNED:
            continue
        cells = model.trips.cell_at(*start), model.trips.cell_at(*end)
        for _ in range(count):
            model.trips.add(*cells, hour, 1, round(seconds * 1000), round(straight_s * 1000))
    lat, lng = np.array(PLACES).T
    for hour in range(24):
        metres, straight_s = STRAIGHT.legs(lat[:, None], lng[:, None], lat, lng, 0.0)
        driven, seconds = model.legs(lat[:, None], lng[:, None], lat, lng, hour * 3600.0)
        assert (driven == metres).all()
        assert (seconds >= bounds.least_ratio * straight_s * (1 - 1e-12)).all()
        assert (seconds <= bounds.most_ratio * straight_s * (1 + 1e-12)).all()
        reach = model.radius(600.0, hour * 3600.0)
        apart = np.linalg.norm(model.embed(lat, lng)[:, None] - model.embed(lat, lng)[None], axis=-1)
        assert (apart[seconds <= 600.0] <= reach).all()


def test_a_quarter_of_wrong_trips_does_not_move_what_the_others_say() -> None:
    for wrong in (0.26, 3.9):
        model = learned(300, 1.5)
        for _ in range(90):
            _, seconds = STRAIGHT.leg(*HERE, *THERE, 0.0)
            milliseconds = round(seconds * 1000)
            cells = model.trips.cell_at(*HERE), model.trips.cell_at(*THERE)
            model.trips.add(*cells, 12, 1, round(milliseconds * wrong), milliseconds)
        assert seconds_of(model) == pytest.approx(1.5 * seconds_of(learned(0, 1.0)), rel=0.02)


def test_one_long_trip_counts_as_much_as_a_short_one() -> None:
    model = LearnedTravel(STRAIGHT, TripTimes(8), 10.0)
    _, seconds = STRAIGHT.leg(40.0, -74.0, 42.0, -72.0, 0.0)
    cells = model.trips.cell_at(40.0, -74.0), model.trips.cell_at(42.0, -72.0)
    model.trips.add(*cells, 12, 1, round(seconds * 4000), round(seconds * 1000))
    assert seconds_of(model) < 1.35 * STRAIGHT.leg(*HERE, *THERE, 0.0)[1]


@given(order=st.permutations(range(12)))
@settings(max_examples=20, deadline=None)
def test_trips_say_the_same_in_any_order_and_after_being_kept(order) -> None:
    rng = np.random.default_rng(5)
    ratios, hours = rng.uniform(0.3, 3.5, 12), rng.integers(0, 24, 12)
    models = []
    for rows in (range(12), order):
        model = LearnedTravel(STRAIGHT, TripTimes(8), 3.0)
        for row in rows:
            cells = model.trips.cell_at(*HERE), model.trips.cell_at(*THERE)
            model.trips.add(*cells, int(hours[row]), 1, round(600_000 * ratios[row]), 600_000)
        models.append(model)
    kept = LearnedTravel(STRAIGHT, TripTimes(8), 3.0)
    for pair in models[0].trips.known_pairs():
        kept.trips.add_pair(*pair)
    for row in models[0].trips.known_hours():
        kept.trips.hours.add(*row)
    said = [[seconds_of(model, hour=hour) for hour in range(24)] for model in (*models, kept)]
    assert said[0] == said[1] == said[2]
