"""A plain CSV of requests, for data of one's own: the columns of the schema by their names, most of them optional."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geo.units import Floats, Ints
from load_tests.traces.columns import MISSING_US, PLACES, csv_batches, csv_names, floats, kept, need, nullable, times
from load_tests.traces.errors import TraceError
from load_tests.traces.schema import REQUESTS, TIME, Tally, requests_table, shifts_table
from load_tests.traces.source import About, Choices, Source, Told, silent

NEEDED = ("request_time", *PLACES)
SHIFT_COLUMNS = ("courier_id", "online_time", "offline_time", "latitude", "longitude")
KINDS = ("ride", "delivery")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


LARGEST = 2.0**31 - 1


class PlainCsvFormat:
    name = "csv"
    title = "a CSV with the columns of the schema"
    mapping = f"""\
Needed: {", ".join(NEEDED)}; times as ISO 8601 with offset or Z, places in WGS 84 degrees. Optional: request_id (else
the row), kind (ride or delivery, else ride), client_id (else one a row), persons, pickup_after, and every recorded_
column of the schema, amounts in minor units. Shifts: a file beside it, NAME.shifts.csv, with
{", ".join(SHIFT_COLUMNS)} and optionally vehicle (else car)."""

    def recognises(self, path: Path) -> bool:
        return path.suffix.lower() == ".csv" and set(NEEDED) <= set(csv_names(path))

    def open(self, path: Path, choices: Choices, told: Told) -> Source:  # noqa: ARG002 - it names no zones
        tally = Tally()
        about = About(path.stem, self.name, f"{path.name}, a CSV of one's own")
        return Source(about, self._batches(path, tally, told), tally, shifts=partial(_shifts, path))

    def _batches(self, path: Path, tally: Tally, told: Told) -> Iterator[pa.Table]:
        for table in csv_batches(path, told):
            need(path, table, NEEDED)
            first = tally.rows
            tally.rows += table.num_rows
            try:
                yield self._mapped(table, first, tally)
            except pa.ArrowException as fault:
                raise TraceError(f"{path}, rows from {first + 1}: {fault}") from fault

    def _mapped(self, table: pa.Table, first: int, tally: Tally) -> pa.Table:
        asked = _times(table["request_time"])
        places = np.column_stack([floats(table[name]) for name in PLACES])
        kinds = table["kind"].fill_null("ride") if "kind" in table.column_names else None
        keep = kept(asked.size, _wrong(asked, places, kinds), tally)
        number = (first + 1 + np.flatnonzero(keep)).tolist()
        rows = [str(row) for row in number]
        columns: dict[str, object] = {
            "request_id": [f"row-{row}" for row in rows],
            "client_id": [f"client-{row}" for row in rows],
            "kind": ["ride"] * len(rows),
        }
        mask = pa.array(keep)
        for wanted in REQUESTS:
            if wanted.name in table.column_names:
                columns[wanted.name] = _typed(table[wanted.name].filter(mask), wanted.type, wanted.name)
        columns |= {name: places[keep, at] for at, name in enumerate(PLACES)}
        columns["request_time"] = asked[keep]
        for name in ("request_id", "client_id", "kind"):
            given = columns[name]
            if isinstance(given, pa.ChunkedArray) and given.null_count:
                spare = {"request_id": "row-", "client_id": "client-"}
                filled = [f"{spare[name]}{row}" for row in rows] if name in spare else ["ride"] * len(rows)
                columns[name] = pc.coalesce(given, pa.array(filled))
        return requests_table(columns)


def _times(column: pa.ChunkedArray) -> Ints:
    """Microseconds of ISO 8601 texts with a zone; MISSING_US where it cannot be read."""
    text = pc.utf8_trim_whitespace(column)
    return np.array([_moment(value) for value in text.to_pylist()], np.int64)


def _moment(text: str | None) -> int:
    if not text:
        return MISSING_US
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return MISSING_US
    if moment.tzinfo is None:
        return MISSING_US
    return (moment - EPOCH) // timedelta(microseconds=1)


def _typed(column: pa.ChunkedArray, wanted: pa.DataType, name: str) -> object:
    if wanted == TIME:
        return times(_times(column))
    if pa.types.is_string(wanted):
        return column
    numbers = floats(column)
    if pa.types.is_floating(wanted):
        return nullable(numbers)
    # What no amount and no count can be is as good as empty.
    known = np.abs(numbers) <= LARGEST
    if name == "persons":
        return np.where(known, numbers, 0).astype(np.int32)
    return pa.array(np.where(known, numbers, 0).astype(np.int64), mask=~known)


def _wrong(asked: Ints, places: Floats, kinds: pa.ChunkedArray | None) -> Iterator[tuple[str, Any]]:
    """What cannot be replayed, and why."""
    latitude, longitude = places[:, [0, 2]], places[:, [1, 3]]
    yield "request_time is missing, or no ISO 8601 time with its zone", asked == MISSING_US
    yield "a place is missing, or no number", ~np.isfinite(places).all(axis=1)
    yield "a place is outside the globe", (abs(latitude) > 90).any(axis=1) | (abs(longitude) > 180).any(axis=1)
    if kinds is not None:
        known = pc.is_in(kinds, value_set=pa.array(KINDS)).to_numpy(zero_copy_only=False)
        yield "kind is neither ride nor delivery", ~known


def _shifts(path: Path) -> pa.Table:
    """Of the file beside the requests; none without it."""
    beside = path.with_suffix(".shifts.csv")
    if not beside.exists():
        return shifts_table({})
    found = []
    for table in csv_batches(beside, silent):
        need(beside, table, SHIFT_COLUMNS)
        begins, ends = _times(table["online_time"]), _times(table["offline_time"])
        wrong = np.flatnonzero((begins == MISSING_US) | (ends == MISSING_US) | (ends <= begins))
        if wrong.size:
            raise TraceError(f"{beside}, row {int(wrong[0]) + 1}: online_time and offline_time are no span of time")
        columns = {"courier_id": table["courier_id"], "online_time": begins, "offline_time": ends}
        columns |= {name: floats(table[name]) for name in ("latitude", "longitude")}
        vehicles = table["vehicle"].fill_null("car") if "vehicle" in table.column_names else ["car"] * table.num_rows
        found.append(shifts_table(columns | {"vehicle": vehicles}))
    return pa.concat_tables(found) if found else shifts_table({})
