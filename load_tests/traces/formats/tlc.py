"""Trip records of New York's Taxi and Limousine Commission, Parquet as published each month or CSV: yellow, green,
and high-volume for-hire vehicles.

Data dictionaries: NYC TLC, "Data Dictionary – Yellow / LPEP (green) / High Volume FHV Trip Records" (2025).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dispatcher.times import SECOND
from geo.units import Ints
from load_tests.traces.columns import (
    LONGEST_US,
    METRES_A_MILE,
    MISSING_US,
    PLACES,
    floats,
    kept,
    minor,
    need,
    parquet_batches,
    parquet_names,
    persons_of,
    times,
    whole,
)
from load_tests.traces.csv_tables import csv_batches, csv_names
from load_tests.traces.errors import TraceError
from load_tests.traces.plausible import FASTEST_MPS, Bools, distances, impossible
from load_tests.traces.reversals import Reversals
from load_tests.traces.schema import Tally, requests_table
from load_tests.traces.source import About, Choices, ReportRows, Source, silent
from load_tests.traces.wall_clock import before, moments, trips
from load_tests.traces.zone_points import LARGEST_ZONE, NOWHERE, ZonePoints

NEW_YORK = "America/New_York"
# Rides that are asked for up to this long after their pickup are reservations: the recorded request is the time that
# was reserved. They are taken to have been asked for RESERVED_LEAD_US before the driver came.
LATEST_RESERVED_US, RESERVED_LEAD_US = 3600 * SECOND, 900 * SECOND
HV_MAPPING = """\
request_time: request_datetime; recorded_arrive_time: on_scene_datetime; recorded_pickup_time: pickup_datetime;
recorded_dropoff_time: dropoff_datetime (all New York wall-clock). Rides picked up before they were asked for are
reservations: pickup_after is the pickup, and the request time is estimated. Pickup and drop-off: a point drawn inside
PULocationID and DOLocationID. recorded_distance_m: trip_miles. recorded_pay_minor: driver_pay (without tolls and
tips, before commission); recorded_fare_minor: base_passenger_fare; recorded_tip_minor: tips. Who drove is not
published: shifts come from a model."""
TAXI_MAPPING = """\
request_time and recorded_pickup_time: {prefix}_pickup_datetime, for when the client began to wait is not recorded;
recorded_dropoff_time: {prefix}_dropoff_datetime (New York wall-clock). Pickup and drop-off: a point drawn inside
PULocationID and DOLocationID. persons: passenger_count. recorded_distance_m: trip_distance in miles.
recorded_fare_minor: fare_amount; recorded_tip_minor: tip_amount. A row that reverses another one's fare is dropped.
Drivers and their pay are not recorded."""


@dataclass(frozen=True, slots=True)
class Names:
    """Of the source's columns. Empty: it has none."""

    request: str
    pickup: str
    dropoff: str
    arrive: str = ""
    miles: str = ""
    fare: str = ""
    pay: str = ""
    tip: str = ""
    persons: str = ""

    @property
    def needed(self) -> list[str]:
        return [*dict.fromkeys((self.request, self.pickup, self.dropoff)), "PULocationID", "DOLocationID"]

    @property
    def wanted(self) -> list[str]:
        more = (self.arrive, self.miles, self.fare, self.pay, self.tip, self.persons)
        return [*self.needed, *(name for name in more if name)]

    @property
    def of_money(self) -> list[str]:
        """What names a trip when its fare is reversed: its times and zones, then the fare."""
        return [self.pickup, self.dropoff, "PULocationID", "DOLocationID", *([self.fare] if self.fare else [])]


@dataclass(frozen=True, slots=True)
class TlcFormat:
    name: str
    title: str
    mapping: str
    columns: Names

    @property
    def needed(self) -> tuple[str, ...]:
        return tuple(self.columns.needed)

    def names_in(self, path: Path) -> set[str]:
        return _names_in(path)

    def recognises(self, path: Path) -> bool:
        return {name.lower() for name in self.needed} <= _names_in(path)

    def open(self, path: Path, choices: Choices, report: ReportRows) -> Source:
        from load_tests.traces.taxi_zones import zone_points

        tally = Tally()
        zones = zone_points(choices)
        for repair in zones.repairs:
            tally.note(f"zones: {repair}", 1)
        waits = self.columns.request != self.columns.pickup
        about = About(path.stem, self.name, f"New York TLC, {self.title}", waits_recorded=waits)
        return Source(about, self._batches(path, zones, choices, tally, report), tally)

    def _batches(
        self, path: Path, zones: ZonePoints, choices: Choices, tally: Tally, report: ReportRows
    ) -> Iterator[pa.Table]:
        rng = np.random.default_rng(choices.seed)
        try:
            reversals = Reversals.of(lambda: _tables(path, self.columns.of_money, silent), self.columns.of_money)
        except (pa.ArrowException, TraceError) as fault:
            raise TraceError(f"{path}: {fault}") from fault
        for table in _tables(path, self.columns.wanted, report):
            need(path, table, self.columns.needed)
            first = tally.rows
            tally.rows += table.num_rows
            try:
                yield self._mapped(table, zones, reversals, first, tally, rng)
            except (pa.ArrowException, TraceError) as fault:
                raise TraceError(f"{path}, rows from {first}: {fault}") from fault

    def _mapped(
        self,
        table: pa.Table,
        zones: ZonePoints,
        reversals: Reversals,
        first: int,
        tally: Tally,
        rng: np.random.Generator,
    ) -> pa.Table:
        names = self.columns
        times_of = _Times.of(table, names)
        start, end = (zones.rows(whole(table[name], 0, LARGEST_ZONE)) for name in ("PULocationID", "DOLocationID"))
        reversed_ = reversals.among(table, names.of_money)
        keep = kept(table.num_rows, _wrong(times_of, start, end, reversed_), tally)
        points = np.full((table.num_rows, 4), np.nan)
        for column, rows in ((0, start), (2, end)):
            points[keep, column : column + 2] = zones.somewhere(rows[keep], rng)
        metres = floats(table[names.miles]) * METRES_A_MILE if names.miles in table.column_names else None
        unknown = np.full(table.num_rows, np.nan)
        taken = times_of.dropoff - times_of.pickup
        too_fast = keep & impossible(unknown if metres is None else metres, points, taken)
        tally.drop(f"faster than {FASTEST_MPS:g} m/s by distance and place", int(too_fast.sum()))
        keep &= ~too_fast
        times_of.note(keep, tally)
        number = (first + np.flatnonzero(keep)).tolist()
        columns = {
            "request_id": [f"{self.name}-{row}" for row in number],
            "kind": ["ride"] * len(number),
            "client_id": [f"client-{row}" for row in number],
            "request_time": times_of.request[keep],
            "pickup_after": times(np.where(times_of.reserved, times_of.pickup, MISSING_US)[keep]),
            "recorded_state": ["completed"] * len(number),
            "recorded_pickup_time": times(times_of.pickup[keep]),
            "recorded_dropoff_time": times(times_of.dropoff[keep]),
            "recorded_end_time": times(times_of.dropoff[keep]),
            "recorded_arrive_time": times(times_of.arrive[keep]),
        }
        columns |= {name: points[keep, at] for at, name in enumerate(PLACES)}
        if metres is not None:
            columns["recorded_distance_m"] = distances(metres[keep], taken[keep], tally)
        for what, name in (("fare", names.fare), ("pay", names.pay), ("tip", names.tip)):
            if name in table.column_names:
                columns[f"recorded_{what}_minor"] = minor(floats(table[name])[keep], f"recorded_{what}_minor", tally)
        if names.persons in table.column_names:
            columns["persons"] = persons_of(table[names.persons].filter(pa.array(keep)), tally)
        return requests_table(columns)


def _names_in(path: Path) -> set[str]:
    suffix = path.suffix.lower()
    return parquet_names(path) if suffix == ".parquet" else set(csv_names(path)) if suffix == ".csv" else set()


def _tables(path: Path, wanted: Sequence[str], report: ReportRows) -> Iterator[pa.Table]:
    """Yield the columns in ``wanted`` that a file has, of Parquet or CSV, under the names as wanted."""
    if path.suffix.lower() != ".csv":
        yield from parquet_batches(path, wanted, report)
        return
    for table in csv_batches(path, report):
        found = {name: table[name.lower()] for name in wanted if name.lower() in table.column_names}
        yield pa.table(found)


@dataclass(frozen=True, slots=True)
class _Times:
    """UTC microseconds, shape (n,), MISSING_US where there is none. ``reserved``: rides that were asked for after
    their pickup, which is how reservations are recorded; ``resolved``: those in the hour that occurs twice."""

    request: Ints
    arrive: Ints
    pickup: Ints
    dropoff: Ints
    reserved: Bools
    resolved: Bools

    @classmethod
    def of(cls, table: pa.Table, names: Names) -> _Times:
        start, end = moments(table[names.pickup], NEW_YORK), moments(table[names.dropoff], NEW_YORK)
        pickup, dropoff = trips(start, end)
        arrive = np.full(pickup.size, MISSING_US)
        if names.arrive in table.column_names:
            arrive = before(moments(table[names.arrive], NEW_YORK), pickup)
        request, reserved = pickup, np.zeros(pickup.size, bool)
        if names.request != names.pickup:
            asked = before(moments(table[names.request], NEW_YORK), pickup)
            late = np.where((asked != MISSING_US) & (pickup != MISSING_US), asked - pickup, 0)
            reserved = (late > 0) & (late <= LATEST_RESERVED_US)
            came = np.where(arrive == MISSING_US, pickup, np.minimum(arrive, pickup))
            request = np.where(reserved, came - RESERVED_LEAD_US, asked)
        return cls(request, arrive, pickup, dropoff, reserved, start.ambiguous | end.ambiguous)

    def note(self, keep: Bools, tally: Tally) -> None:
        tally.note("reserved rides: request time estimated, pickup_after is the pickup", int(self.reserved[keep].sum()))
        tally.note("times in the hour that occurs twice: the shortest trip is meant", int(self.resolved[keep].sum()))


def _wrong(found: _Times, start: Ints, end: Ints, reversed_: Bools) -> Iterator[tuple[str, Any]]:
    """What cannot be replayed, and why."""
    missing = (found.request == MISSING_US) | (found.pickup == MISSING_US) | (found.dropoff == MISSING_US)
    yield "a time is missing", missing
    yield "the reversal of another row's fare", reversed_
    yield "a zone is unknown", (start == NOWHERE) | (end == NOWHERE)
    yield "picked up more than an hour before it was asked for", found.pickup < found.request
    yield "dropped off no later than picked up", found.dropoff <= found.pickup
    yield "longer than twelve hours", np.where(missing, 0, found.dropoff - found.request) > LONGEST_US


HIGH_VOLUME = TlcFormat(
    "tlc-hvfhv",
    "high-volume for-hire vehicle trip records",
    HV_MAPPING,
    Names(
        "request_datetime",
        "pickup_datetime",
        "dropoff_datetime",
        "on_scene_datetime",
        "trip_miles",
        "base_passenger_fare",
        "driver_pay",
        "tips",
    ),
)


def _taxi(prefix: str, name: str, title: str) -> TlcFormat:
    begins = f"{prefix}_pickup_datetime"
    names = Names(
        begins,
        begins,
        f"{prefix}_dropoff_datetime",
        miles="trip_distance",
        fare="fare_amount",
        tip="tip_amount",
        persons="passenger_count",
    )
    return TlcFormat(name, title, TAXI_MAPPING.format(prefix=prefix), names)


YELLOW = _taxi("tpep", "tlc-yellow", "yellow taxi trip records")
GREEN = _taxi("lpep", "tlc-green", "green taxi trip records")
