"""Trips of Chicago, CSV as the city's data portal exports them, or with the names that BigQuery gives them.

City of Chicago, "Transportation Network Providers - Trips" and "Taxi Trips": times rounded to the quarter hour, places
to the census tract or community area.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dispatcher.times import SECOND
from geo.units import Floats, Ints
from load_tests.traces.columns import (
    LONGEST_US,
    METRES_A_MILE,
    MISSING_US,
    PLACES,
    floats,
    kept,
    minor,
    need,
    times,
)
from load_tests.traces.csv_tables import csv_batches, csv_names
from load_tests.traces.errors import TraceError
from load_tests.traces.plausible import FASTEST_MPS, distances, impossible
from load_tests.traces.schema import Tally, requests_table
from load_tests.traces.source import About, Choices, ReportRows, Source
from load_tests.traces.wall_clock import moments
from load_tests.traces.zone_points import METRES_A_DEGREE

CHICAGO = "America/Chicago"
QUARTER_US = 900 * SECOND
# The size of a tract: nothing says where in it a trip began.
SPREAD_M = 400.0
NEEDED = (
    "trip_start_timestamp",
    "trip_seconds",
    "pickup_centroid_latitude",
    "pickup_centroid_longitude",
    "dropoff_centroid_latitude",
    "dropoff_centroid_longitude",
)
# Names in other exports of the same data.
OTHER_NAMES = {name.replace("centroid_", ""): name for name in NEEDED[2:]} | {"tips": "tip"}


class ChicagoFormat:
    name = "chicago-tnp"
    title = "trips of transportation network providers and taxis of Chicago"
    needed = NEEDED
    mapping = """\
request_time and recorded_pickup_time: Trip Start Timestamp (Chicago wall-clock, rounded by the city; also as seconds
since the epoch by that clock, as BigQuery has it), moved by up to a quarter hour, drawn from the seed;
recorded_dropoff_time: that plus Trip Seconds. Pickup and drop-off: the centroids, moved by up to 400 m.
recorded_distance_m: Trip Miles. recorded_fare_minor: Fare; recorded_tip_minor: Tip or Tips. Drivers and their pay are
not published."""

    def names_in(self, path: Path) -> set[str]:
        return {OTHER_NAMES.get(name, name) for name in csv_names(path)} if path.suffix.lower() == ".csv" else set()

    def recognises(self, path: Path) -> bool:
        return set(NEEDED) <= self.names_in(path)

    def open(self, path: Path, choices: Choices, report: ReportRows) -> Source:
        tally = Tally()
        source = "City of Chicago, Transportation Network Providers - Trips, or Taxi Trips"
        about = About(path.stem, self.name, source, waits_recorded=False)
        return Source(about, self._batches(path, choices, tally, report), tally)

    def _batches(self, path: Path, choices: Choices, tally: Tally, report: ReportRows) -> Iterator[pa.Table]:
        rng = np.random.default_rng(choices.seed)
        for given in csv_batches(path, report):
            names = [OTHER_NAMES.get(name, name) for name in given.column_names]
            if len(set(names)) < len(names):
                raise TraceError(f"{path}: has columns by two names of the same thing")
            table = given.rename_columns(names)
            need(path, table, NEEDED)
            first = tally.rows
            tally.rows += table.num_rows
            try:
                yield self._mapped(table, first, tally, rng)
            except (pa.ArrowException, TraceError) as fault:
                raise TraceError(f"{path}, rows from {first + 1}: {fault}") from fault

    def _mapped(self, table: pa.Table, first: int, tally: Tally, rng: np.random.Generator) -> pa.Table:
        start, taken = moments(table["trip_start_timestamp"], CHICAGO).first, floats(table["trip_seconds"])
        ends = np.column_stack([floats(table[name]) for name in NEEDED[2:]])
        metres = np.full(start.size, np.nan)
        if "trip_miles" in table.column_names:
            metres = floats(table["trip_miles"]) * METRES_A_MILE
        keep = kept(start.size, _wrong(start, taken, ends, metres), tally)
        count = int(keep.sum())
        begins = start[keep] + rng.integers(0, QUARTER_US, count)
        taken_us = np.rint(taken[keep] * SECOND).astype(np.int64)
        points = ends[keep] + _spread(rng, ends[keep])
        number = (first + np.flatnonzero(keep)).tolist()
        columns = {
            "request_id": [f"{self.name}-{row}" for row in number],
            "kind": ["ride"] * count,
            "client_id": [f"client-{row}" for row in number],
            "request_time": begins,
            "recorded_state": ["completed"] * count,
            "recorded_pickup_time": times(begins),
            "recorded_dropoff_time": times(begins + taken_us),
            "recorded_end_time": times(begins + taken_us),
            "recorded_distance_m": distances(metres[keep], taken_us, tally),
        }
        columns |= {name: points[:, at] for at, name in enumerate(PLACES)}
        for name in ("fare", "tip"):
            if name in table.column_names:
                columns[f"recorded_{name}_minor"] = minor(floats(table[name])[keep], f"recorded_{name}_minor", tally)
        return requests_table(columns)


def _wrong(start: Ints, taken: Floats, ends: Floats, metres: Floats) -> Iterator[tuple[str, Any]]:
    """What cannot be replayed, and why."""
    yield "the time is missing or unreadable", start == MISSING_US
    yield "the place is withheld", ~np.isfinite(ends).all(axis=1)
    yield "a place is outside the globe", ~((abs(ends[:, [0, 2]]) <= 89).all(axis=1) & (abs(ends) <= 180).all(axis=1))
    yield "no duration", ~(taken > 0)
    yield "longer than twelve hours", taken * SECOND > LONGEST_US
    seconds = np.where((taken > 0) & (taken * SECOND <= LONGEST_US), taken, 1.0)
    yield (
        f"faster than {FASTEST_MPS:g} m/s by distance and place",
        impossible(metres, ends, np.rint(seconds * SECOND).astype(np.int64)),
    )


def _spread(rng: np.random.Generator, ends: Floats) -> Floats:
    """Degrees, shape (n, 4): uniform over a disc around each centroid."""
    found = np.empty_like(ends)
    for column in (0, 2):
        far = SPREAD_M / METRES_A_DEGREE * np.sqrt(rng.uniform(0, 1, len(ends)))
        angle = rng.uniform(0, 2 * np.pi, len(ends))
        found[:, column] = far * np.sin(angle)
        found[:, column + 1] = far * np.cos(angle) / np.cos(np.radians(ends[:, column]))
    return found
