"""Traces of the same content in other notations read the same, and nothing is dropped or changed without a count."""

from __future__ import annotations

import gzip
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dispatcher.times import SECOND
from geo.travel import great_circle_m
from load_tests.behaviour import settings as behaviours
from load_tests.replay.day import prepare
from load_tests.traces.columns import LARGEST_MINOR, minor, whole
from load_tests.traces.errors import TraceError
from load_tests.traces.location_checks import location_warnings
from load_tests.traces.reading import read_trace
from load_tests.traces.schema import Tally, shifts_table
from load_tests.traces.source import Choices
from load_tests.traces.wall_clock import before, moments, trips
from tests.load_tests.test_traces import CENTROIDS, TRIP_1, TRIP_2, high_volume

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NEW_YORK = ZoneInfo("America/New_York")
HEADER = ("request_id", "request_time", "pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude")
ROWS = [
    ("a", "2026-05-01T10:00:00Z", "50.0", "8.25", "50.125", "8.1"),
    ("b", "2026-05-01T10:01:00Z", "50.5", "-8.25", "50.25", "8.1"),
]


def csv_of(rows: list[tuple[str, ...]], separator: str = ",", ending: str = "\n") -> str:
    return ending.join(separator.join(row) for row in [HEADER, *rows]) + ending


@pytest.fixture
def zones(tmp_path: Path) -> Path:
    path = tmp_path / "zones.csv"
    path.write_text(CENTROIDS, "utf-8")
    return path


@quick
@given(
    separator=st.sampled_from([",", ";", "\t", "|"]),
    ending=st.sampled_from(["\n", "\r\n"]),
    codec=st.sampled_from(["utf-8", "utf-8-sig"]),
    time=st.sampled_from(["{}Z", "{} UTC", "{}UTC", "{} utc", "{} GMT", "{}+00:00", "{}+0000", " {}Z "]),
    space=st.sampled_from(["T", " "]),
    commas=st.booleans(),
)
def test_any_notation_of_a_csv_reads_the_same(
    tmp_path: Path, separator: str, ending: str, codec: str, time: str, space: str, commas: bool
) -> None:
    def written(row: tuple[str, ...]) -> tuple[str, ...]:
        numbers = [text.replace(".", ",") if commas and separator != "," else text for text in row[2:]]
        return (row[0], time.format(row[1].removesuffix("Z").replace("T", space)), *numbers)

    plain, other = tmp_path / "plain.csv", tmp_path / "other.csv"
    plain.write_text(csv_of(ROWS), "utf-8")
    other.write_bytes(csv_of([written(row) for row in ROWS], separator, ending).encode(codec))
    assert read_trace(other).requests.equals(read_trace(plain).requests)


@quick
@given(ids=st.lists(st.sampled_from(["a", "b", "c", "é", ""]), min_size=1, max_size=12))
def test_an_id_is_kept_once_and_its_repetitions_are_counted(tmp_path: Path, ids: list[str]) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(csv_of([(name, *ROWS[0][1:]) for name in ids]), "utf-8")
    found = read_trace(path)
    named = [name for name in ids if name]
    repeated = len(named) - len(set(named))
    assert found.tally.dropped.total() == repeated
    assert found.requests.num_rows == len(ids) - repeated
    kept = found.requests["request_id"].to_pylist()
    assert len(set(kept)) == len(kept)


@quick
@given(st.lists(st.floats() | st.floats(-1e9, 1e9), max_size=20))
@example([1.797693134862316e306])
def test_amounts_are_exact_or_null_and_counted(amounts: list[float]) -> None:
    tally = Tally()
    found = minor(np.array(amounts, float), "pay", tally).to_pylist()
    for amount, units in zip(amounts, found, strict=True):
        possible = math.isfinite(amount * 100) and 0 <= round(amount * 100) <= LARGEST_MINOR
        assert (units is not None) == possible
        assert units is None or units == pytest.approx(amount * 100, abs=0.5)
    nothing = sum(math.isnan(amount) for amount in amounts)
    assert tally.noted.total() == found.count(None) - nothing


@quick
@given(st.lists(st.floats() | st.integers(-300, 300).map(float), max_size=20))
def test_persons_are_whole_numbers_in_their_range_or_none(numbers: list[float]) -> None:
    found = whole(pa.chunked_array([pa.array(numbers, pa.float64())]), 0, 100).tolist()
    assert found == [int(number) if 0 <= number <= 100 and number == int(number) else -1 for number in numbers]


@quick
@given(
    start=st.integers(-6 * 3600, 6 * 3600),
    seconds=st.integers(1, 3599),
    change=st.sampled_from([datetime(2025, 11, 2, 6, tzinfo=UTC), datetime(2025, 3, 9, 7, tzinfo=UTC)]),
)
def test_trips_over_a_change_of_the_clock_take_as_long_as_they_did(start: int, seconds: int, change: datetime) -> None:
    left = change + timedelta(seconds=start)
    over = left + timedelta(seconds=seconds)
    walls = [moment.astimezone(NEW_YORK).replace(tzinfo=None) for moment in (left, over)]
    columns = [moments(pa.chunked_array([pa.array([wall], pa.timestamp("us"))]), NEW_YORK.key) for wall in walls]
    begins, ends = trips(*columns)
    assert int(ends[0] - begins[0]) == seconds * SECOND
    assert int(before(columns[0], ends)[0]) <= int(ends[0])


OPTIONAL = ("on_scene_datetime", "trip_miles", "base_passenger_fare", "tips", "driver_pay")


@pytest.mark.parametrize(
    ("year", "kept"), [("0001", 0), ("1969", 0), ("1970", 1), ("2026", 1), ("2189", 1), ("2190", 0), ("9999", 0)]
)
@pytest.mark.parametrize("column", ["request_time", "pickup_after", "online_time", "offline_time"])
def test_times_that_no_market_holds_are_left_out_and_counted(tmp_path: Path, year: str, kept: int, column: str) -> None:
    at = {"request_time": "2026-05-01T10:00:00Z", "pickup_after": "", column: f"{year}-05-01T10:00:00Z"}
    # The other end of the shift lies a day before or after.
    at = {"online_time": f"{year}-04-30T10:00:00Z", "offline_time": f"{year}-05-02T10:00:00Z"} | at
    if column in ("request_time", "pickup_after"):
        at |= {"online_time": "2026-05-01T09:00:00Z", "offline_time": "2026-05-01T12:00:00Z"}
    rows = [(*HEADER, "pickup_after"), ("a", at["request_time"], *ROWS[0][2:], at["pickup_after"])]
    shifts = [("courier_id", "online_time", "offline_time", "latitude", "longitude")]
    shifts.append(("k", at["online_time"], at["offline_time"], "50", "8"))
    for name, table in (("day.csv", rows), ("day.shifts.csv", shifts)):
        (tmp_path / name).write_text("\n".join(",".join(row) for row in table), "utf-8")
    found = read_trace(tmp_path / "day.csv")
    of_requests = column in ("request_time", "pickup_after")
    assert found.requests.num_rows == (kept if of_requests else 1)
    assert found.shifts.num_rows == (1 if of_requests else kept)
    assert found.tally.dropped.total() + found.tally.noted.total() == 1 - kept


@pytest.mark.parametrize("kind", ["ride", "RIDE", " Ride ", "delivery", "\tDelivery"])
def test_a_kind_is_read_in_any_case_and_with_spaces_around_it(tmp_path: Path, kind: str) -> None:
    rows = [(*HEADER, "kind"), (*ROWS[0], kind)]
    (tmp_path / "day.csv").write_text("\n".join(",".join(row) for row in rows), "utf-8")
    assert read_trace(tmp_path / "day.csv").requests["kind"].to_pylist() == [kind.strip().lower()]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b" \r\n\n", "the file is empty"),
        (gzip.compress(b"a,b\n"), "the file is compressed: unpack it first"),
        (b"PK\x03\x04\x14\x00", "the file is compressed: unpack it first"),
        ("a,b\n1,2\n".encode("utf-16"), "the text is not in UTF-8: save it in UTF-8"),
        ("é,b\n1,2\n".encode("latin-1"), "the text is not in UTF-8: save it in UTF-8"),
        (b"a,b\n1,2\n", "name one with --format to see what is missing"),
    ],
)
def test_a_file_in_no_format_is_refused_with_the_reason(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "day.csv").write_bytes(content)
    with pytest.raises(TraceError, match=f"is in none of the formats .*; {said}"):
        read_trace(tmp_path / "day.csv")


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_column_of_nothing_is_as_if_it_were_absent(tmp_path: Path, zones: Path, name: str) -> None:
    table = pq.read_table(high_volume(tmp_path / "day.parquet", [TRIP_1, TRIP_2]))
    without = table.drop_columns([name])
    pq.write_table(without, tmp_path / "day.parquet")
    expected = read_trace(tmp_path / "day.parquet", Choices(zones=zones))
    for kind in (pa.null(), table.schema.field(name).type):
        pq.write_table(without.append_column(name, pa.nulls(2, kind)), tmp_path / "day.parquet")
        assert read_trace(tmp_path / "day.parquet", Choices(zones=zones)).requests.equals(expected.requests)


@pytest.mark.parametrize("kind", [pa.null(), pa.float64(), pa.string()], ids=str)
@pytest.mark.parametrize("name", ["trip_miles", "TRIP_MILES"])
def test_a_column_that_is_there_twice_is_named_whatever_it_holds(
    tmp_path: Path, zones: Path, name: str, kind: pa.DataType
) -> None:
    table = pq.read_table(high_volume(tmp_path / "day.parquet", [TRIP_1]))
    pq.write_table(table.append_column(name, pa.nulls(1, kind)), tmp_path / "day.parquet")
    with pytest.raises(TraceError, match=r"(?i)columns are there twice: trip_miles"):
        read_trace(tmp_path / "day.parquet", Choices(zones=zones))


def test_a_needed_column_of_nothing_is_named(tmp_path: Path, zones: Path) -> None:
    table = pq.read_table(high_volume(tmp_path / "day.parquet", [TRIP_1]))
    empty = table.drop_columns(["PULocationID"]).append_column("PULocationID", pa.nulls(1))
    pq.write_table(empty, tmp_path / "day.parquet")
    with pytest.raises(TraceError, match="no column PULocationID, or nothing in it"):
        read_trace(tmp_path / "day.parquet", Choices(zones=zones))


@quick
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12))
def test_a_trip_and_its_reversal_are_one(tmp_path: Path, zones: Path, rows: list[tuple[int, bool]]) -> None:
    """In any order, each trip of a number has a fare of its own."""
    at = [datetime(2025, 7, 1, 8 + number) for number, _ in rows]
    columns = {
        "lpep_pickup_datetime": at,
        "lpep_dropoff_datetime": [moment + timedelta(minutes=20) for moment in at],
        "PULocationID": [230] * len(rows),
        "DOLocationID": [152] * len(rows),
        "fare_amount": [(-1.0 if reverse else 1.0) * (10 + number) for number, reverse in rows],
    }
    pq.write_table(pa.table(columns), tmp_path / "green.parquet")
    found = read_trace(tmp_path / "green.parquet", Choices(zones=zones))
    paid = {number for number, reverse in rows if not reverse}
    reversals = sum(reverse and number in paid for number, reverse in rows)
    assert found.tally.dropped["the reversal of another row's fare"] == reversals
    assert found.requests.num_rows == len(rows) - reversals


@pytest.mark.parametrize("column", ["PULocationID", "DOLocationID"])
def test_a_reversal_is_found_beside_rows_without_a_zone(tmp_path: Path, zones: Path, column: str) -> None:
    """A column with nulls holds floats, one without holds integers; the trip and its reversal lie on either side."""
    at = [datetime(2025, 7, 1, 8), datetime(2025, 7, 1, 9), datetime(2025, 7, 1, 8)]
    columns = {
        "lpep_pickup_datetime": at,
        "lpep_dropoff_datetime": [moment + timedelta(minutes=20) for moment in at],
        "PULocationID": [230, 230, 230],
        "DOLocationID": [152, 152, 152],
        "fare_amount": [10.0, 8.0, -10.0],
    }
    columns[column][1] = None
    pq.write_table(pa.table(columns), tmp_path / "green.parquet")
    found = read_trace(tmp_path / "green.parquet", Choices(zones=zones))
    assert dict(found.tally.dropped) == {"a zone is unknown": 1, "the reversal of another row's fare": 1}


@pytest.mark.parametrize(
    ("miles", "minutes", "metres", "kept"),
    [
        (2.0, 20, 2 * 1609.344, 1),
        (0.0, 20, None, 1),
        (172_274.0, 20, None, 1),
        (60.0, 20, None, 1),
        (0.0, 0.1, None, 0),
    ],
)
def test_what_cannot_have_been_driven_is_left_out(
    tmp_path: Path, zones: Path, miles: float, minutes: float, metres: float | None, kept: int
) -> None:
    at = [datetime(2025, 7, 1, 8)]
    columns = {
        "lpep_pickup_datetime": at,
        "lpep_dropoff_datetime": [at[0] + timedelta(minutes=minutes)],
        "PULocationID": [230],
        "DOLocationID": [152],
        "trip_distance": [miles],
    }
    pq.write_table(pa.table(columns), tmp_path / "green.parquet")
    found = read_trace(tmp_path / "green.parquet", Choices(zones=zones))
    assert found.requests["recorded_distance_m"].to_pylist() == [pytest.approx(metres) if metres else None] * kept
    assert found.tally.dropped.total() == 1 - kept
    assert (found.tally.noted.total() > 0) == (kept == 1 and metres is None)


@pytest.mark.parametrize(
    ("given", "kind", "noted"),
    [("car", "car", 0), ("", "car", 0), ("Scooter", "motorcycle", 1), ("e-bike", "bicycle", 1), ("sled", "car", 1)],
)
def test_vehicles_of_other_names_are_mapped_and_noted(tmp_path: Path, given: str, kind: str, noted: int) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(csv_of(ROWS), "utf-8")
    path.with_suffix(".shifts.csv").write_text(
        "courier_id,online_time,offline_time,latitude,longitude,vehicle\n"
        f"k,2026-05-01T09:00:00Z,2026-05-01T12:00:00Z,50.0,8.0,{given}\n",
        "utf-8",
    )
    found = read_trace(path)
    assert found.shifts["vehicle"].to_pylist() == [kind]
    assert found.tally.noted.total() == noted


def test_drawn_couriers_seat_the_largest_party(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = [(*row, persons) for row, persons in zip(ROWS, ("9", "1"), strict=True)]
    path.write_text("\n".join(",".join(row) for row in [(*HEADER, "persons"), *rows]) + "\n", "utf-8")
    assert prepare(read_trace(path), behaviours.load("fixed"), 1).seats == 9


@quick
@given(st.floats(-80, 80), st.floats(-170, 170), st.floats(-80, 80), st.floats(-170, 170))
def test_couriers_far_from_the_requests_are_warned_of(lat: float, lng: float, at_lat: float, at_lng: float) -> None:
    shifts = shifts_table(
        {"courier_id": ["k"], "online_time": [0], "offline_time": [1], "latitude": [at_lat], "longitude": [at_lng]}
        | {"vehicle": ["car"]}
    )
    metres = float(great_circle_m(*(np.array([value]) for value in (lat, lng, at_lat, at_lng)))[0])
    assert bool(list(location_warnings((lat, lng, lat, lng), shifts))) == (metres > 1_000_000)


def test_requests_outside_their_zones_are_warned_of() -> None:
    none = shifts_table({})
    assert list(location_warnings((40.0, -74.0, 41.0, -73.0), none, (40.5, -74.5, 40.9, -73.5))) == []
    (said,) = location_warnings((-74.0, 40.0, -73.0, 41.0), none, (40.5, -74.5, 40.9, -73.5))
    assert "no request lies in the zones" in said
    assert "swapped" in said
