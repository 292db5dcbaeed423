"""Chicago's transportation network providers' trips, CSV as the city's data portal exports them.

City of Chicago, "Transportation Network Providers - Trips": times rounded to the quarter hour, places to the census
tract or community area.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dispatcher.times import SECOND
from geo.units import Floats, Ints
from load_tests.traces.columns import (
    LONGEST_US,
    METRES_A_MILE,
    MISSING_US,
    csv_batches,
    csv_names,
    floats,
    kept,
    local_us,
    minor,
    need,
    nullable,
    times,
)
from load_tests.traces.errors import TraceError
from load_tests.traces.schema import Tally, requests_table
from load_tests.traces.source import About, Choices, Source, Told
from load_tests.traces.zones import METRES_A_DEGREE

CHICAGO = "America/Chicago"
QUARTER_US = 900 * SECOND
# A tract's size: where in it, nobody is told.
SPREAD_M = 400.0
FORMATS = ("%m/%d/%Y %I:%M:%S %p", "%Y-%m-%dT%H:%M:%S.000", "%Y-%m-%dT%H:%M:%S")
NEEDED = (
    "trip_start_timestamp",
    "trip_seconds",
    "pickup_centroid_latitude",
    "pickup_centroid_longitude",
    "dropoff_centroid_latitude",
    "dropoff_centroid_longitude",
)


class ChicagoFormat:
    name = "chicago-tnp"
    title = "transportation network providers' trips of Chicago"
    mapping = """\
request_time and recorded_pickup_time: Trip Start Timestamp (Chicago wall-clock, rounded by the city), moved by up to
a quarter hour, drawn from the seed; recorded_dropoff_time: that plus Trip Seconds. Pickup and drop-off: the centroids,
moved by up to 400 m. recorded_distance_m: Trip Miles. recorded_fare_minor: Fare; recorded_tip_minor: Tip. Drivers and
their pay are not published."""

    def recognises(self, path: Path) -> bool:
        return path.suffix.lower() == ".csv" and set(NEEDED) <= set(csv_names(path))

    def open(self, path: Path, choices: Choices, told: Told) -> Source:
        tally = Tally()
        source = "City of Chicago, Transportation Network Providers - Trips"
        about = About(path.stem, self.name, source, waits_recorded=False)
        return Source(about, self._batches(path, choices, tally, told), tally)

    def _batches(self, path: Path, choices: Choices, tally: Tally, told: Told) -> Iterator[pa.Table]:
        rng = np.random.default_rng(choices.seed)
        for table in csv_batches(path, told):
            need(path, table, NEEDED)
            first = tally.rows
            tally.rows += table.num_rows
            try:
                yield self._mapped(table, first, tally, rng)
            except (pa.ArrowException, TraceError) as fault:
                raise TraceError(f"{path}, rows from {first + 1}: {fault}") from fault

    def _mapped(self, table: pa.Table, first: int, tally: Tally, rng: np.random.Generator) -> pa.Table:
        start, taken = local_us(_parsed(table["trip_start_timestamp"]), CHICAGO), floats(table["trip_seconds"])
        ends = np.column_stack([floats(table[name]) for name in NEEDED[2:]])
        keep = kept(start.size, _wrong(start, taken, ends), tally)
        count = int(keep.sum())
        begins = start[keep] + rng.integers(0, QUARTER_US, count)
        over = begins + np.rint(taken[keep] * SECOND).astype(np.int64)
        points = ends[keep] + _spread(rng, ends[keep])
        number = (first + np.flatnonzero(keep)).tolist()
        columns = {
            "request_id": [f"{self.name}-{row}" for row in number],
            "kind": ["ride"] * count,
            "client_id": [f"client-{row}" for row in number],
            "request_time": begins,
            "pickup_latitude": points[:, 0],
            "pickup_longitude": points[:, 1],
            "dropoff_latitude": points[:, 2],
            "dropoff_longitude": points[:, 3],
            "recorded_state": ["completed"] * count,
            "recorded_pickup_time": times(begins),
            "recorded_dropoff_time": times(over),
            "recorded_end_time": times(over),
        }
        for column, name in (("fare", "fare"), ("tip", "tip")):
            if name in table.column_names:
                columns[f"recorded_{column}_minor"] = minor(floats(table[name])[keep])
        if "trip_miles" in table.column_names:
            columns["recorded_distance_m"] = nullable(floats(table["trip_miles"])[keep] * METRES_A_MILE)
        return requests_table(columns)


def _parsed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times in the first of the portal's notations that fits each."""
    found = None
    for notation in FORMATS:
        parsed = pc.strptime(column, format=notation, unit="us", error_is_null=True)
        found = parsed if found is None else pc.coalesce(found, parsed)
    return found


def _wrong(start: Ints, taken: Floats, ends: Floats) -> Iterator[tuple[str, Any]]:
    """What cannot be replayed, and why."""
    yield "the time is missing or unreadable", start == MISSING_US
    yield "the place is withheld", ~np.isfinite(ends).all(axis=1)
    yield "no duration", ~(taken > 0)
    yield "longer than twelve hours", taken * SECOND > LONGEST_US


def _spread(rng: np.random.Generator, ends: Floats) -> Floats:
    """Degrees, shape (n, 4): uniform over a disc around each centroid."""
    found = np.empty_like(ends)
    for column in (0, 2):
        far = SPREAD_M / METRES_A_DEGREE * np.sqrt(rng.uniform(0, 1, len(ends)))
        angle = rng.uniform(0, 2 * np.pi, len(ends))
        found[:, column] = far * np.sin(angle)
        found[:, column + 1] = far * np.cos(angle) / np.cos(np.radians(ends[:, column]))
    return found
