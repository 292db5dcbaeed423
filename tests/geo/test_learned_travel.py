"""Learned travel times follow the trips where there are many, and the straight line where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from geo.learned_travel import LearnedTravel, TripTimes
from geo.travel import StraightLine

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
