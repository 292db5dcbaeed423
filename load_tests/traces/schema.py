"""What every trace is turned into: three Arrow tables. Times are UTC, positions WGS 84 degrees (metres in a plane for
planar traces: latitude holds y, longitude x), money minor units of one currency.

What is recorded of the past (``recorded_…``) is null where the source does not say; replays decide it anew, and
compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")

REQUESTS = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        # ride or delivery.
        pa.field("kind", pa.string(), nullable=False),
        pa.field("client_id", pa.string(), nullable=False),
        pa.field("request_time", TIME, nullable=False),
        # Not to be picked up before: scheduled rides, meals that are not ready.
        pa.field("pickup_after", TIME),
        pa.field("pickup_latitude", pa.float64(), nullable=False),
        pa.field("pickup_longitude", pa.float64(), nullable=False),
        pa.field("dropoff_latitude", pa.float64(), nullable=False),
        pa.field("dropoff_longitude", pa.float64(), nullable=False),
        # 0: one person for a ride, one parcel for a delivery.
        pa.field("persons", pa.int32(), nullable=False),
        pa.field("recorded_courier_id", pa.string()),
        # completed, cancelled, expired, failed.
        pa.field("recorded_state", pa.string()),
        pa.field("recorded_assign_time", TIME),
        pa.field("recorded_arrive_time", TIME),
        pa.field("recorded_pickup_time", TIME),
        pa.field("recorded_dropoff_time", TIME),
        pa.field("recorded_end_time", TIME),
        pa.field("recorded_distance_m", pa.float64()),
        pa.field("recorded_fare_minor", pa.int64()),
        pa.field("recorded_pay_minor", pa.int64()),
        pa.field("recorded_tip_minor", pa.int64()),
    ]
)

SHIFTS = pa.schema(
    [
        pa.field("courier_id", pa.string(), nullable=False),
        pa.field("online_time", TIME, nullable=False),
        pa.field("offline_time", TIME, nullable=False),
        pa.field("latitude", pa.float64(), nullable=False),
        pa.field("longitude", pa.float64(), nullable=False),
        # car, van, motorcycle, bicycle, foot.
        pa.field("vehicle", pa.string(), nullable=False),
    ]
)

# What was offered and what became of it: what acceptance and delays are fitted from.
OFFERS = pa.schema(
    [
        pa.field("offer_id", pa.string(), nullable=False),
        pa.field("courier_id", pa.string(), nullable=False),
        pa.field("job_id", pa.string(), nullable=False),
        pa.field("make_time", TIME, nullable=False),
        pa.field("answer_time", TIME),
        # accepted, declined, timed_out, withdrawn.
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("pay_minor", pa.int64(), nullable=False),
        pa.field("pickup_s", pa.float64(), nullable=False),
        pa.field("trip_s", pa.float64(), nullable=False),
        # Since the courier became free.
        pa.field("waited_s", pa.float64(), nullable=False),
    ]
)


@dataclass(slots=True)
class Tally:
    """Rows of the source, why rows were dropped, and what was noted: values left out, read otherwise, or estimated."""

    rows: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)

    def drop(self, why: str, count: int) -> None:
        if count:
            self.dropped[why] += int(count)

    def note(self, what: str, count: int) -> None:
        if count:
            self.noted[what] += int(count)

    @property
    def kept(self) -> int:
        return self.rows - sum(self.dropped.values())


def requests_table(columns: Mapping[str, Any]) -> pa.Table:
    """A table of requests from the columns that a source has; the others are null, or none."""
    return table_of(REQUESTS, columns)


def shifts_table(columns: Mapping[str, Any]) -> pa.Table:
    return table_of(SHIFTS, columns)


def offers_table(columns: Mapping[str, Any]) -> pa.Table:
    return table_of(OFFERS, columns)


def table_of_rows(schema: pa.Schema, rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows in the order of the schema's columns; times as microseconds since the epoch."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    return table_of(schema, dict(zip(schema.names, map(list, columns), strict=True)))


def table_of(schema: pa.Schema, columns: Mapping[str, Any]) -> pa.Table:
    length = len(next(iter(columns.values()))) if columns else 0
    arrays = []
    for wanted in schema:
        given = columns.get(wanted.name)
        if given is not None:
            arrays.append(_cast(given, wanted.type))
        elif wanted.name == "persons":
            arrays.append(pa.array([0] * length, wanted.type))
        else:
            arrays.append(pa.nulls(length, wanted.type))
    return pa.table(arrays, schema=schema)


def _cast(given: Any, wanted: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if isinstance(given, pa.Array | pa.ChunkedArray):
        return given if given.type == wanted else given.cast(wanted)
    # Microseconds since the epoch become times.
    return pa.array(given, pa.int64()).cast(wanted) if wanted == TIME else pa.array(given, wanted)
