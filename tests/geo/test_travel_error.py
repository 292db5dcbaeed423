"""Errors of travel-time models are what one would compute by hand, and fitted models make them smaller."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geo.learned_travel import LearnedTravel
from geo.travel import StraightLine
from geo.travel_error import Trips, errors, fitted_straight_line, fitted_trip_times, predicted_s, sound, split


def city(count: int, seed: int = 1) -> Trips:
    """Trips at 6 m/s, half as fast from seven to nine, and slower by half again across the river at 40.75."""
    rng = np.random.default_rng(seed)
    from_lat, to_lat = rng.uniform(40.72, 40.78, (2, count))
    from_lng, to_lng = rng.uniform(-74.0, -73.94, (2, count))
    left_s = np.sort(rng.uniform(0, 5 * 86_400, count))
    metres, _ = StraightLine(1.3, (1.0,)).legs(from_lat, from_lng, to_lat, to_lng, 0.0)
    hour = left_s // 3600 % 24
    slow = np.where((hour >= 7) & (hour < 9), 2.0, 1.0) * np.where((from_lat < 40.75) != (to_lat < 40.75), 1.5, 1.0)
    return Trips(from_lat, from_lng, to_lat, to_lng, left_s, metres / 6.0 * slow * rng.uniform(0.9, 1.1, count) + 1)


def test_errors_are_mean_absolute_relative_and_signed() -> None:
    found = errors(np.array([110.0, 80.0]), np.array([100.0, 100.0]))
    assert (found.mae_s, found.mape, found.bias_s) == pytest.approx((15.0, 0.15, -5.0))


def test_the_latest_trips_are_held_out() -> None:
    learned, tested = split(city(100), 0.25)
    assert (len(learned), len(tested)) == (75, 25)
    assert learned.left_s.max() <= tested.left_s.min()


def test_each_model_is_nearer_to_the_trips_than_the_simpler_one() -> None:
    learn, test = split(city(6_000), 0.25)
    one_speed = StraightLine(1.3, (6.0,))
    hourly = fitted_straight_line(learn, 1.3)
    learned = LearnedTravel(hourly, fitted_trip_times(learn, hourly, 7), 5.0)
    mae = [errors(predicted_s(model, test), test.taken_s).mae_s for model in (one_speed, hourly, learned)]
    assert mae[0] > mae[1] > mae[2]
    assert hourly.speeds_mps[8] == pytest.approx(hourly.speeds_mps[12] / 2, rel=0.15)


def test_a_tenth_of_impossible_trips_hardly_moves_what_is_fitted() -> None:
    honest = city(3_000)
    rows = np.arange(0, 3_000, 10)
    taken = honest.taken_s.copy()
    taken[rows] = np.where(rows % 20 == 0, 1.0, 80_000.0)
    wrong = sound(replace(honest, taken_s=taken))
    possible = set(range(3_000)) - set(rows.tolist())
    assert len(wrong) == sum(honest.apart_m[row] >= 200 for row in possible)
    fitted, expected = fitted_straight_line(wrong, 1.3), fitted_straight_line(sound(honest), 1.3)
    assert fitted.speeds_mps == pytest.approx(expected.speeds_mps, rel=0.1)


def test_trips_beyond_the_models_bounds_are_not_learned_from() -> None:
    honest = city(200)
    straight = StraightLine(1.3, (6.0,))
    slow = replace(honest, taken_s=honest.taken_s * 100)
    assert fitted_trip_times(slow, straight, 7).known_pairs() == []
    assert len(fitted_trip_times(honest, straight, 7).known_pairs()) > 100
