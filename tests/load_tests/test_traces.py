"""Each format becomes the one schema; what cannot be used is counted and named; bad files are told, not thrown."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapefile
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer
from typer.testing import CliRunner

from dispatcher.times import micros
from gig.v1 import events_pb2 as events_pb
from load_tests.cities.manhattan_data import data_folder
from load_tests.traces.command import trace as trace_app
from load_tests.traces.describing import describe
from load_tests.traces.errors import TraceError
from load_tests.traces.formats import FORMATS
from load_tests.traces.reading import Trace, format_of, open_trace, read_trace
from load_tests.traces.schema import OFFERS, REQUESTS, SHIFTS
from load_tests.traces.source import Choices, Format
from load_tests.traces.writing import sampled, write_trace
from load_tests.traces.zones import read_zones

CENTROIDS = """LocationID,latitude,longitude
152,40.8184,-73.9540
166,40.8094,-73.9615
167,40.8274,-73.9065
230,40.7598,-73.9848
"""


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1e6)


@pytest.fixture
def centroids(tmp_path: Path) -> Path:
    path = tmp_path / "zones.csv"
    path.write_text(CENTROIDS, "utf-8")
    return path


def high_volume(path: Path, rows: list[tuple]) -> Path:
    """A file of the published columns: request, on scene, pickup, drop-off, zones, miles, fare, tips, driver pay."""
    names = (
        "request_datetime",
        "on_scene_datetime",
        "pickup_datetime",
        "dropoff_datetime",
        "PULocationID",
        "DOLocationID",
    )
    names += ("trip_miles", "base_passenger_fare", "tips", "driver_pay")
    columns = dict(zip(names, (list(column) for column in zip(*rows, strict=True)), strict=True))
    for name in names[:4]:
        parsed = [None if text is None else datetime.fromisoformat(text) for text in columns[name]]
        columns[name] = pa.array(parsed, pa.timestamp("us"))
    pq.write_table(pa.table({"hvfhs_license_num": ["HV0003"] * len(rows)} | columns), path)
    return path


# The first two trips of January 2021, as New York's TLC published them.
TRIP_1 = (
    "2021-01-01 00:28:09",
    "2021-01-01 00:31:42",
    "2021-01-01 00:33:44",
    "2021-01-01 00:49:07",
    230,
    166,
    5.26,
    22.28,
    0.0,
    14.99,
)
TRIP_2 = (
    "2021-01-01 00:45:56",
    "2021-01-01 00:55:19",
    "2021-01-01 00:55:19",
    "2021-01-01 01:18:21",
    152,
    167,
    3.65,
    18.36,
    0.0,
    17.06,
)


def test_high_volume_records_keep_their_times_pay_and_waits(tmp_path: Path, centroids: Path) -> None:
    path = high_volume(tmp_path / "fhvhv_tripdata_2021-01.parquet", [TRIP_1, TRIP_2])
    found = read_trace(path, Choices(zones=centroids))
    assert found.about.format == "tlc-hvfhv"
    first, second = found.requests.to_pylist()
    # New York is five hours behind in winter.
    assert first["request_time"] == datetime(2021, 1, 1, 5, 28, 9, tzinfo=UTC)
    assert first["recorded_arrive_time"] == datetime(2021, 1, 1, 5, 31, 42, tzinfo=UTC)
    assert (first["recorded_fare_minor"], first["recorded_pay_minor"]) == (2228, 1499)
    assert first["recorded_distance_m"] == pytest.approx(5.26 * 1609.344)
    assert second["recorded_dropoff_time"] == datetime(2021, 1, 1, 6, 18, 21, tzinfo=UTC)
    # Within the radius that stands for a zone.
    assert first["pickup_latitude"] == pytest.approx(40.7598, abs=0.004)
    assert first["pickup_longitude"] == pytest.approx(-73.9848, abs=0.006)


def test_each_row_that_is_dropped_is_counted_under_what_is_wrong_with_it(tmp_path: Path, centroids: Path) -> None:
    rows = [
        TRIP_1,
        (*TRIP_1[:4], 264, *TRIP_1[5:]),
        (*TRIP_1[:3], None, *TRIP_1[4:]),
        ("2021-01-01 01:40:00", *TRIP_1[1:]),
        (*TRIP_1[:3], "2021-01-01 00:33:44", *TRIP_1[4:]),
        (*TRIP_1[:3], "2021-01-02 00:33:44", *TRIP_1[4:]),
    ]
    found = read_trace(high_volume(tmp_path / "day.parquet", rows), Choices(zones=centroids))
    assert found.requests.num_rows == 1
    assert found.tally.rows == 6
    assert dict(found.tally.dropped) == {
        "a zone is unknown": 1,
        "a time is missing": 1,
        "picked up more than an hour before it was asked for": 1,
        "dropped off no later than picked up": 1,
        "longer than twelve hours": 1,
    }


@pytest.mark.parametrize(("prefix", "name"), [("tpep", "tlc-yellow"), ("lpep", "tlc-green")])
def test_taxi_records_begin_with_the_pickup(tmp_path: Path, centroids: Path, prefix: str, name: str) -> None:
    at = [datetime(2025, 7, 1, 8, 0, 0)]
    over = [datetime(2025, 7, 1, 8, 20, 0)]
    columns = {
        f"{prefix}_pickup_datetime": pa.array(at, pa.timestamp("us")),
        f"{prefix}_dropoff_datetime": pa.array(over, pa.timestamp("us")),
        "passenger_count": pa.array([2], pa.int64()),
        "trip_distance": [2.0],
        "PULocationID": pa.array([230], pa.int32()),
        "DOLocationID": pa.array([152], pa.int32()),
        "fare_amount": [15.6],
        "tip_amount": [3.1],
    }
    path = tmp_path / "taxi.parquet"
    pq.write_table(pa.table(columns), path)
    found = read_trace(path, Choices(zones=centroids))
    (row,) = found.requests.to_pylist()
    assert found.about.format == name
    # Summer time: four hours.
    assert row["request_time"] == row["recorded_pickup_time"] == datetime(2025, 7, 1, 12, 0, tzinfo=UTC)
    assert (row["persons"], row["recorded_fare_minor"], row["recorded_tip_minor"]) == (2, 1560, 310)
    assert row["recorded_pay_minor"] is None


def outline_file(folder: Path) -> tuple[Path, shapely.Polygon]:
    """A zone near Times Square as TLC publishes zones: a shapefile in feet of New York's state plane."""
    square = shapely.box(-73.99, 40.755, -73.98, 40.765)
    to_feet = Transformer.from_crs(4326, 2263, always_xy=True)
    ring = [list(to_feet.transform(x, y)) for x, y in square.exterior.coords]
    with shapefile.Writer(str(folder / "taxi_zones")) as writer:
        writer.field("LocationID", "N")
        writer.field("zone", "C")
        writer.poly([ring])
        writer.record(230, "Times Sq/Theatre District")
    (folder / "taxi_zones.prj").write_text(CRS.from_epsg(2263).to_wkt("WKT1_ESRI"), "utf-8")
    return folder / "taxi_zones.shp", square


def test_zones_are_read_from_the_published_shapefile_and_points_lie_inside(tmp_path: Path) -> None:
    path, square = outline_file(tmp_path)
    zones = read_zones(path, seed=1)
    assert zones.ids.tolist() == [230]
    inside = shapely.contains_xy(square.buffer(1e-6), zones.points[0, :, 1], zones.points[0, :, 0])
    assert inside.all()


def test_zones_are_read_from_the_archive_that_is_published(tmp_path: Path) -> None:
    import zipfile

    path, _ = outline_file(tmp_path)
    archive = tmp_path / "taxi_zones.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for suffix in (".shp", ".shx", ".dbf", ".prj"):
            file.write(path.with_suffix(suffix), f"taxi_zones{suffix}")
    assert np.allclose(read_zones(archive, 1).points, read_zones(path, 1).points)


def test_zones_are_read_from_geojson_and_need_degrees(tmp_path: Path) -> None:
    feature = {
        "type": "Feature",
        "properties": {"locationid": "7"},
        "geometry": shapely.box(-74, 40, -73.9, 40.1).__geo_interface__,
    }
    path = tmp_path / "zones.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), "utf-8")
    assert read_zones(path, 1).ids.tolist() == [7]
    feature["geometry"] = shapely.box(900_000, 100_000, 900_100, 100_100).__geo_interface__
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), "utf-8")
    with pytest.raises(TraceError, match=r"zone 7: .*not on Earth"):
        read_zones(path, 1)


def test_manhattans_zones_come_with_the_project(tmp_path: Path) -> None:
    if data_folder() is None:
        pytest.skip("the data of Manhattan are not installed")
    found = read_trace(high_volume(tmp_path / "day.parquet", [TRIP_1, TRIP_2]))
    # The second trip ends in the Bronx.
    assert found.requests.num_rows == 1
    assert found.tally.dropped["a zone is unknown"] == 1


CHICAGO = (
    "Trip ID,Trip Start Timestamp,Trip Seconds,Trip Miles,Pickup Centroid Latitude,Pickup Centroid Longitude,"
    "Dropoff Centroid Latitude,Dropoff Centroid Longitude,Fare,Tip"
    """
a,08/01/2019 05:15:00 PM,600,2.5,41.88,-87.63,41.90,-87.65,10,2
b,08/01/2019 05:15:00 PM,0,2.5,41.88,-87.63,41.90,-87.65,10,2
c,08/01/2019 05:15:00 PM,600,2.5,,,41.90,-87.65,10,2
d,not a time,600,2.5,41.88,-87.63,41.90,-87.65,10,2
e,2019-08-01T17:15:00.000,"1,200",2.5,41.88,-87.63,41.90,-87.65,10,2
"""
)


def test_chicagos_rounded_times_are_spread_over_their_quarter_hour(tmp_path: Path) -> None:
    path = tmp_path / "tnp.csv"
    path.write_text(CHICAGO, "utf-8")
    found = read_trace(path)
    (row,) = found.requests.to_pylist()
    assert found.about.format == "chicago-tnp"
    start = us("2019-08-01T17:15:00-05:00")
    assert start <= us(row["request_time"].isoformat()) < start + 900 * 10**6
    assert (row["recorded_dropoff_time"] - row["recorded_pickup_time"]).total_seconds() == 600
    assert (row["recorded_fare_minor"], row["recorded_tip_minor"]) == (1000, 200)
    assert dict(found.tally.dropped) == {
        "no duration": 2,
        "the place is withheld": 1,
        "the time is missing or unreadable": 1,
    }


PLAIN = """\
request_time,pickup_latitude,pickup_longitude,dropoff_latitude,dropoff_longitude,kind,persons,recorded_pay_minor
2026-05-01T10:00:00Z,50.0,8.0,50.1,8.1,delivery,,750
2026-05-01T09:00:00+02:00,50.0,8.0,50.1,8.1,,3,
2026-05-01T10:00:00,50.0,8.0,50.1,8.1,,,
2026-05-01T10:00:00Z,95.0,8.0,50.1,8.1,,,
2026-05-01T10:00:00Z,x,8.0,50.1,8.1,,,
2026-05-01T10:00:00Z,50.0,8.0,50.1,8.1,parcel,,
"""


def test_a_plain_csv_needs_little_and_says_what_it_could_not_use(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(PLAIN, "utf-8")
    (tmp_path / "mine.shifts.csv").write_text(
        "courier_id,online_time,offline_time,latitude,longitude\nann,2026-05-01T06:00:00Z,2026-05-01T12:00:00Z,50,8\n",
        "utf-8",
    )
    found = read_trace(path)
    early, late = found.requests.to_pylist()
    assert (early["kind"], early["persons"], early["client_id"]) == ("ride", 3, "client-2")
    assert (late["kind"], late["recorded_pay_minor"], late["request_id"]) == ("delivery", 750, "row-1")
    assert found.shifts.to_pylist()[0]["vehicle"] == "car"
    assert found.tally.dropped.total() == 4
    assert len(found.tally.dropped) == 4


def test_shifts_that_end_before_they_begin_are_told_with_their_row(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(PLAIN, "utf-8")
    (tmp_path / "mine.shifts.csv").write_text(
        "courier_id,online_time,offline_time,latitude,longitude\nann,2026-05-01T12:00:00Z,2026-05-01T06:00:00Z,50,8\n",
        "utf-8",
    )
    with pytest.raises(TraceError, match="row 1: online_time and offline_time"):
        read_trace(path)


def test_a_log_says_what_was_asked_for_and_how_it_went(log: list[events_pb.Event], log_trace: Trace) -> None:
    placed = {event.job_placed.job.job_id: event for event in log if event.HasField("job_placed")}
    completed = {event.job_completed.job_id: event for event in log if event.HasField("job_completed")}
    rows = {row["request_id"]: row for row in log_trace.requests.to_pylist()}
    assert rows.keys() == placed.keys()
    for job_id, row in rows.items():
        assert us(row["request_time"].isoformat()) == micros(placed[job_id].time)
        assert (row["recorded_state"] == "completed") == (job_id in completed)
    for job_id, event in completed.items():
        row = rows[job_id]
        assert us(row["recorded_dropoff_time"].isoformat()) == micros(event.time)
        paid = sum(
            leg.minor_units for leg in event.job_completed.postings.legs if leg.holder_id == row["recorded_courier_id"]
        )
        assert row["recorded_pay_minor"] == paid


def test_a_log_says_who_was_online_and_what_became_of_offers(log: list[events_pb.Event], log_trace: Trace) -> None:
    online = sum(event.HasField("courier_online") for event in log)
    answered = [event.offer_answered for event in log if event.HasField("offer_answered")]
    assert log_trace.shifts.num_rows == online
    assert log_trace.offers["offer_id"].to_pylist() == [answer.offer_id for answer in answered]
    outcomes = set(log_trace.offers["outcome"].to_pylist())
    assert {"accepted", "declined", "timed_out"} <= outcomes


def test_what_is_converted_reads_back_the_same(log_file: Path, log_trace: Trace, tmp_path: Path) -> None:
    write_trace(open_trace(log_file), tmp_path / "kept")
    again = read_trace(tmp_path / "kept")
    assert again.requests.equals(log_trace.requests)
    assert again.shifts.equals(log_trace.shifts)
    assert again.offers.equals(log_trace.offers)
    assert again.about == log_trace.about


def test_a_smaller_sample_lies_in_a_larger_one(day_folder: Path, tmp_path: Path) -> None:
    names = []
    for share in (0.2, 0.6):
        write_trace(open_trace(day_folder), tmp_path / str(share), sampled(share, seed=9))
        found = read_trace(tmp_path / str(share))
        names.append((set(found.requests["request_id"].to_pylist()), set(found.shifts["courier_id"].to_pylist())))
    (fewer, few), (more, many) = names
    assert fewer < more
    assert few < many
    assert len(more) == pytest.approx(300, abs=60)


def test_only_the_span_of_time_asked_for_is_kept(day_folder: Path) -> None:
    begin, end = datetime(2026, 1, 5, 8, tzinfo=UTC), datetime(2026, 1, 5, 9, tzinfo=UTC)
    found = read_trace(day_folder, Choices(since=begin, until=end))
    at = found.requests["request_time"].to_pylist()
    assert at
    assert min(at) >= begin
    assert max(at) < end
    assert found.tally.dropped["outside the span of time"] == found.tally.rows - len(at)


def test_a_description_counts_what_is_there(day_folder: Path, day: Trace) -> None:
    found = describe(open_trace(day_folder))
    assert (found["requests"], found["couriers"], found["kinds"]) == (500, 24, {"ride": 500})
    assert sum(found["by_hour_utc"]) == 500
    assert found["from"] == day.requests["request_time"][0].as_py().isoformat()


def test_all_tables_have_the_schema(log_trace: Trace, day: Trace) -> None:
    for found in (log_trace, day):
        assert found.requests.schema.equals(REQUESTS)
        assert found.shifts.schema.equals(SHIFTS)
        assert found.offers.schema.equals(OFFERS)


def test_nothing_is_written_over_that_is_no_trace(day_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/a.txt").write_text("dear", "utf-8")
    with pytest.raises(TraceError, match="no trace"):
        write_trace(open_trace(day_folder), tmp_path / "letters")
    assert (tmp_path / "letters/a.txt").read_text("utf-8") == "dear"


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400), which=st.sampled_from(["x.parquet", "x.csv", "x.log", "x.log.gz", "about"]))
def test_a_file_that_is_not_what_it_says_is_told_in_a_sentence(
    tmp_path: Path, content: bytes, which: str, known: Format
) -> None:
    """Whatever the bytes, a reader either reads them or raises TraceError."""
    path = tmp_path / which
    path.write_bytes(content)
    with contextlib.suppress(TraceError):
        read_trace(path, Choices(), known.name)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_csv_with_any_cells_loses_no_row_in_silence(tmp_path: Path, data: st.DataObject) -> None:
    cell = st.text(st.characters(blacklist_characters='"\n\r,', blacklist_categories=("Cs",)), max_size=25)
    header, *lines = PLAIN.splitlines()
    rows = [line.split(",") for line in lines]
    for _ in range(data.draw(st.integers(1, 6))):
        row = data.draw(st.integers(0, len(rows) - 1))
        rows[row][data.draw(st.integers(0, len(rows[row]) - 1))] = data.draw(cell)
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", "utf-8")
    try:
        found = read_trace(path, Choices(), "csv")
    except TraceError:
        return
    assert found.requests.num_rows + found.tally.dropped.total() == found.tally.rows == len(rows)


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_each_format_says_how_its_columns_are_mapped(known) -> None:
    assert "request" in known.mapping.lower() or known.name == "parquet"
    assert format_of(Path(), known.name) is known


def test_the_command_tells_faults_in_a_line_and_leaves_with_two(tmp_path: Path) -> None:
    runner = CliRunner()
    for arguments, told in (
        (["describe", str(tmp_path / "missing")], "no such file"),
        (["describe", str(tmp_path), "--format", "gpx"], "formats are"),
        (["describe", str(tmp_path), "--since", "yesterday"], "ISO 8601"),
        (["describe", str(tmp_path), "--since", "2026-01-01T00:00"], "time zone"),
    ):
        done = runner.invoke(trace_app, arguments)
        assert done.exit_code == 2, done.output
        assert told in done.output
