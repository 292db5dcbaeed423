"""Travel times estimated from a trace stay those of its sound trips, whatever else it holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geo.travel import StraightLine
from load_tests.replay.ways import RecordedTrips, fitted, travel_of
from load_tests.traces.describing import describe
from load_tests.traces.reading import open_trace, read_trace
from load_tests.traces.source import Choices

TLC = Path(__file__).parents[3] / "shared/data/tlc"
ODD = st.sampled_from([np.nan, -1.0, 0.0, 1e-9, 1.0, 150.0, 1e5, 2.8e8, 1e300, np.inf])


def city(count: int, seed: int = 2) -> RecordedTrips:
    """Ways 1.3 times as long as the straight line, at 6 m/s, half as fast from seven to nine; with noise."""
    rng = np.random.default_rng(seed)
    apart, hour = rng.uniform(500, 12_000, count), rng.integers(0, 24, count)
    metres = apart * 1.3 * rng.uniform(0.8, 1.25, count)
    speed = np.where((hour >= 7) & (hour < 9), 3.0, 6.0) * rng.uniform(0.7, 1.4, count)
    return RecordedTrips(apart, metres, metres / speed, hour)


def joined(trips: RecordedTrips, rows: list[tuple[float, float, float, int]]) -> RecordedTrips:
    columns = np.array(rows, np.float64).reshape(-1, 4).T
    return RecordedTrips(
        np.r_[trips.apart_m, columns[0]],
        np.r_[trips.metres, columns[1]],
        np.r_[trips.seconds, columns[2]],
        np.r_[trips.hour, columns[3].astype(np.int64)],
    )


def test_circuity_and_speeds_are_those_of_the_trips() -> None:
    travel = fitted(city(20_000))
    assert travel.circuity == pytest.approx(1.3, rel=0.03)
    assert travel.speeds_mps[12] == pytest.approx(6.0, rel=0.06)
    assert travel.speeds_mps[8] == pytest.approx(3.0, rel=0.06)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(ODD, ODD, ODD, st.integers(0, 23)), max_size=20),
    times=st.integers(1, 15),
)
def test_a_minority_of_odd_rows_hardly_moves_an_estimate(rows, times) -> None:
    honest = city(3_000)
    expected, found = fitted(honest), fitted(joined(honest, rows * times))
    assert found.circuity == pytest.approx(expected.circuity, rel=0.1)
    assert np.mean(found.speeds_mps) == pytest.approx(np.mean(expected.speeds_mps), rel=0.2)
    assert max(found.speeds_mps) < 10


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(ODD, ODD, ODD, st.integers(0, 23)), max_size=12), times=st.sampled_from([1, 60, 300]))
@example(rows=[(np.inf, 1e5, np.nan, 0)], times=60)
def test_of_odd_rows_alone_the_estimate_is_still_a_policys_travel(rows, times) -> None:
    travel = fitted(joined(city(0), rows * times))
    assert isinstance(travel, StraightLine)
    assert 1.0 <= travel.circuity <= 3.0
    assert all(0.3 <= speed <= 50.0 for speed in travel.speeds_mps)


@pytest.mark.skipif(not TLC.exists(), reason="the taxi trips in ../shared/data/tlc are not here")
def test_a_real_month_of_taxi_trips_gives_a_citys_travel_times_and_names_its_implausible_rows() -> None:
    path, choices = TLC / "green_tripdata_2025-11.parquet", Choices(zones=TLC / "taxi_zones.shp")
    travel = travel_of(read_trace(path, choices))
    assert isinstance(travel, StraightLine)
    assert 1.1 < travel.circuity < 1.5
    assert all(3.0 < speed < 10.0 for speed in travel.speeds_mps)
    described = describe(open_trace(path, choices))
    # Reading drops what no vehicle can drive; the estimate leaves out what else is no trip.
    assert described["dropped"]["faster than 50 m/s by distance and place"] == 513
    found = described["implausible"]
    assert found["shorter than 200 m"] > 300
    assert found["slower than 0.3 m/s"] > 20
    assert sum(found.values()) < 2_500
