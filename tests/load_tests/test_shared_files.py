"""Every file of the shared cases and data is read as its README says; skipped where the folder is absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dispatcher import policy
from geo.documents import read_document
from geo.geojson import zones_from_geojson
from geo.zones import ZoneError
from load_tests.behaviour import settings as behaviours
from load_tests.replay.day import prepare
from load_tests.replay.seats import day_warnings
from load_tests.traces.command import trace as trace_app
from load_tests.traces.describing import describe
from load_tests.traces.errors import TraceError
from load_tests.traces.reading import Trace, format_of, open_trace, read_trace
from load_tests.traces.source import Choices
from load_tests.traces.zones import read_zones

SHARED = Path(__file__).parents[3] / "shared"
CASES, DATA = SHARED / "cases", SHARED / "data"
ZONES = DATA / "tlc/taxi_zones.shp"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not beside the repository")


def of(name: str) -> Trace:
    return read_trace(CASES / name, Choices(zones=ZONES))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("line", "zone 1 has no area"),
        ("zero_area", "zone 1 has no area"),
        ("null_props", "feature 0: no property with the zone's number"),
        ("null_geom", "feature 0"),
        ("empty", "feature 0"),
        ("text_id", "feature 0: locationid must be a whole number"),
        ("float_text_id", None),
        ("bom", None),
    ],
)
def test_zones_of_traces_are_read_or_refused_by_their_zone(name: str, said: str | None) -> None:
    file = CASES / f"zones/{name}.geojson"
    if said is None:
        assert read_zones(file, 1).ids.tolist() == [1]
        return
    arguments = ["describe", str(CASES / "parquet/reserve.parquet"), "--zones", str(file)]
    done = CliRunner().invoke(trace_app, arguments)
    assert (done.exit_code, said in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    ("name", "repairs", "faults"),
    [
        ("frankfurt-main", 1, 0),
        ("minneapolis", 1, 0),
        ("surrey", 1, 0),
        ("dallas", 0, 1),
        ("portland", 0, 4),
        ("las-vegas", 0, 9),
    ],
)
def test_city_files_are_repaired_or_all_their_faults_are_named(name: str, repairs: int, faults: int) -> None:
    text = read_document(CASES / f"zones/{name}.geojson")
    if not faults:
        assert len(zones_from_geojson(text).repairs) == repairs
        return
    with pytest.raises(ZoneError) as refused:
        zones_from_geojson(text)
    assert len(refused.value.faults) == faults


@pytest.mark.parametrize(
    ("name", "kept", "dropped", "noted"),
    [
        ("csv/neg_persons.csv", 59, {"persons is not a whole number from 0 to 100": 1}, {}),
        ("csv/dup_ids.csv", 60, {"request_id is that of an earlier row": 5}, {}),
        ("csv/scooter.csv", 60, {}, {"shifts: vehicle 'scooter' read as motorcycle": 10}),
        ("csv/utc_suffix.csv", 60, {}, {}),
        ("csv/semicolon.csv", 60, {}, {}),
        ("parquet/null_on_scene.parquet", 60, {}, {}),
        ("parquet/huge_pay.parquet", 60, {}, {"recorded_pay_minor: amounts above 21,474,836 left out": 60}),
        (
            "parquet/reserve.parquet",
            60,
            {},
            {"reserved rides: request time estimated, pickup_after is the pickup": 60},
        ),
    ],
)
def test_rows_are_read_dropped_and_noted(name: str, kept: int, dropped: dict, noted: dict) -> None:
    found = of(name)
    assert (found.requests.num_rows, dict(found.tally.dropped), dict(found.tally.noted)) == (kept, dropped, noted)


def test_a_shift_without_a_place_is_an_error_with_file_and_row() -> None:
    with pytest.raises(TraceError, match=r"shift_no_lat\.shifts\.csv, row 1: latitude"):
        of("csv/shift_no_lat.csv")


def test_reserved_rides_are_asked_for_before_their_pickup() -> None:
    for row in of("parquet/reserve.parquet").requests.to_pylist():
        assert row["pickup_after"] == row["recorded_pickup_time"] > row["request_time"]


def test_the_column_that_a_format_lacks_is_named() -> None:
    with pytest.raises(TraceError, match="tlc-hvfhv is nearest, but there is no column request_datetime"):
        format_of(CASES / "parquet/old_2019.parquet")


def test_nobody_works_where_the_shifts_are_empty_and_a_replay_says_so() -> None:
    day = prepare(of("csv/no_couriers.csv"), behaviours.load("fixed"), 1)
    assert len(day.roster) == 0
    assert "nobody works" in next(day_warnings(day, policy.load("plain")))


def test_requests_that_no_courier_seats_are_counted() -> None:
    day = prepare(of("csv/many_persons.csv"), behaviours.load("fixed"), 1)
    (said,) = day_warnings(day, policy.load("plain"))
    larger = sum(persons > 4 for persons in day.requests.persons)
    assert larger
    assert said.startswith(f"{larger} requests are for more persons than any courier seats (4)")


def test_swapped_coordinates_are_warned_of() -> None:
    (said,) = describe(open_trace(CASES / "csv/swapped.csv"))["warnings"]
    assert "km from the requests" in said
    assert "seem to be swapped" in said


@pytest.fixture(scope="module")
def green() -> Trace:
    return read_trace(DATA / "tlc/green_tripdata_2025-11.parquet", Choices(zones=ZONES))


def test_a_month_of_green_taxis_keeps_what_can_have_been_driven(green: Trace) -> None:
    assert green.tally.rows == 46_912
    assert green.tally.dropped["the reversal of another row's fare"] == 139
    assert green.requests.num_rows + green.tally.dropped.total() == green.tally.rows
    assert green.requests.num_rows > 45_000
    columns = {
        name: green.requests[name].to_numpy(zero_copy_only=False)
        for name in ("recorded_distance_m", "recorded_pickup_time", "recorded_dropoff_time")
    }
    taken = (columns["recorded_dropoff_time"] - columns["recorded_pickup_time"]) / np.timedelta64(1, "s")
    assert (taken > 0).all()
    metres = columns["recorded_distance_m"].astype(float)
    assert np.nanmax(metres / taken) <= 50
    assert np.nanmax(metres) < 500_000
    assert max(green.requests["persons"].to_pylist()) > 6


def test_a_month_seats_everyone_by_its_drawn_couriers(green: Trace) -> None:
    day = prepare(green, behaviours.load("lively"), 1)
    assert day.seats == max(day.requests.persons)
    assert list(day_warnings(day, policy.load("plain"))) == []


def test_taxi_trips_of_new_york_are_read_from_csv() -> None:
    found = read_trace(DATA / "tlc/taxis_2019-03.csv", Choices(zones=ZONES))
    assert found.about.format == "tlc-yellow"
    assert found.tally.rows == 6_500
    assert found.requests.num_rows > 6_300


def test_taxi_trips_of_chicago_are_read_by_their_wall_clock() -> None:
    found = read_trace(DATA / "chicago/taxi_trips_sample.csv")
    assert found.tally.rows == 15_002
    assert found.requests.num_rows > 14_000
    assert found.tally.noted["recorded_distance_m: 0 or negative, left out"] > 3_000
    assert max(found.requests["recorded_distance_m"].drop_null().to_pylist()) < 500_000
    # Taxis are asked for in the evening, not at night.
    hours = [(moment.hour - 6) % 24 for moment in found.requests["request_time"].to_pylist()]
    assert sum(17 <= hour <= 22 for hour in hours) > 3 * sum(2 <= hour <= 5 for hour in hours)
