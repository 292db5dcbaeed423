"""Trip records of New York's Taxi and Limousine Commission, Parquet as published each month: yellow, green, and
high-volume for-hire vehicles.

Data dictionaries: NYC TLC, "Data Dictionary – Yellow / LPEP (green) / High Volume FHV Trip Records" (2025).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from geo.units import Floats, Ints
from load_tests.traces.columns import (
    LONGEST_US,
    METRES_A_MILE,
    MISSING_US,
    floats,
    kept,
    local_us,
    minor,
    need,
    nullable,
    parquet_batches,
    parquet_names,
    times,
)
from load_tests.traces.errors import TraceError
from load_tests.traces.schema import Tally, requests_table
from load_tests.traces.source import About, Choices, Source, Told
from load_tests.traces.taxi_zones import zone_points
from load_tests.traces.zones import NOWHERE, ZonePoints

NEW_YORK = "America/New_York"
HV_MAPPING = """\
request_time: request_datetime; recorded_arrive_time: on_scene_datetime; recorded_pickup_time: pickup_datetime;
recorded_dropoff_time: dropoff_datetime (all New York wall-clock). Pickup and drop-off: a point drawn inside
PULocationID and DOLocationID. recorded_distance_m: trip_miles. recorded_pay_minor: driver_pay (without tolls and
tips, before commission); recorded_fare_minor: base_passenger_fare; recorded_tip_minor: tips. Who drove is not
published: shifts come from a model."""
TAXI_MAPPING = """\
request_time and recorded_pickup_time: {prefix}_pickup_datetime, for when the client began to wait is not recorded;
recorded_dropoff_time: {prefix}_dropoff_datetime (New York wall-clock). Pickup and drop-off: a point drawn inside
PULocationID and DOLocationID. persons: passenger_count. recorded_distance_m: trip_distance in miles.
recorded_fare_minor: fare_amount; recorded_tip_minor: tip_amount. Drivers and their pay are not recorded."""


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


@dataclass(frozen=True, slots=True)
class TlcFormat:
    name: str
    title: str
    mapping: str
    columns: Names

    def recognises(self, path: Path) -> bool:
        if path.suffix.lower() != ".parquet":
            return False
        found = parquet_names(path)
        return {name.lower() for name in self.columns.needed} <= found

    def open(self, path: Path, choices: Choices, told: Told) -> Source:
        zones = zone_points(choices)
        tally = Tally()
        waits = self.columns.request != self.columns.pickup
        about = About(path.stem, self.name, f"New York TLC, {self.title}", waits_recorded=waits)
        return Source(about, self._batches(path, zones, choices, tally, told), tally)

    def _batches(self, path: Path, zones: ZonePoints, choices: Choices, tally: Tally, told: Told) -> Iterator[pa.Table]:
        rng = np.random.default_rng(choices.seed)
        for table in parquet_batches(path, self.columns.wanted, told):
            need(path, table, self.columns.needed)
            first = tally.rows
            tally.rows += table.num_rows
            try:
                yield self._mapped(table, zones, first, tally, rng)
            except (pa.ArrowException, TraceError) as fault:
                raise TraceError(f"{path}, rows from {first}: {fault}") from fault

    def _mapped(
        self, table: pa.Table, zones: ZonePoints, first: int, tally: Tally, rng: np.random.Generator
    ) -> pa.Table:
        names = self.columns
        request, pickup, dropoff = (
            local_us(table[name], NEW_YORK) for name in (names.request, names.pickup, names.dropoff)
        )
        start, end = (
            zones.rows(np.nan_to_num(floats(table[name]), nan=-1.0).astype(np.int64))
            for name in ("PULocationID", "DOLocationID")
        )
        keep = kept(request.size, _wrong(request, pickup, dropoff, start, end), tally)
        number = first + np.flatnonzero(keep)
        columns = {
            "request_id": [f"{self.name}-{row}" for row in number.tolist()],
            "kind": ["ride"] * number.size,
            "client_id": [f"client-{row}" for row in number.tolist()],
            "request_time": request[keep],
            "recorded_state": ["completed"] * number.size,
            "recorded_pickup_time": times(pickup[keep]),
            "recorded_dropoff_time": times(dropoff[keep]),
            "recorded_end_time": times(dropoff[keep]),
        }
        for end_name, rows in (("pickup", start[keep]), ("dropoff", end[keep])):
            points = zones.somewhere(rows, rng)
            columns |= {f"{end_name}_latitude": points[:, 0], f"{end_name}_longitude": points[:, 1]}
        columns |= self._recorded(table, keep)
        return requests_table(columns)

    def _recorded(self, table: pa.Table, keep: np.ndarray) -> dict[str, object]:
        names, found = self.columns, {}

        def of(name: str) -> Floats | None:
            return floats(table[name])[keep] if name in table.column_names else None

        if (miles := of(names.miles)) is not None:
            found["recorded_distance_m"] = nullable(miles * METRES_A_MILE)
        for column, name in (("fare", names.fare), ("pay", names.pay), ("tip", names.tip)):
            if (amounts := of(name)) is not None:
                found[f"recorded_{column}_minor"] = minor(amounts)
        if names.arrive in table.column_names:
            found["recorded_arrive_time"] = times(local_us(table[names.arrive], NEW_YORK)[keep])
        if (persons := of(names.persons)) is not None:
            found["persons"] = np.clip(np.nan_to_num(persons), 0, 6).astype(np.int32)
        return found


def _wrong(request: Ints, pickup: Ints, dropoff: Ints, start: Ints, end: Ints) -> Iterator[tuple[str, Any]]:
    """What cannot be replayed, and why."""
    yield "a time is missing", (request == MISSING_US) | (pickup == MISSING_US) | (dropoff == MISSING_US)
    yield "a zone is unknown", (start == NOWHERE) | (end == NOWHERE)
    yield "picked up before it was asked for", pickup < request
    yield "dropped off no later than picked up", dropoff <= pickup
    yield "longer than twelve hours", dropoff - request > LONGEST_US


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
