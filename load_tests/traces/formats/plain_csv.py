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
from load_tests.traces.columns import (
    LARGEST_MINOR,
    MISSING_US,
    MOST_PERSONS,
    PLACES,
    floats,
    kept,
    need,
    nullable,
    times,
    whole,
)
from load_tests.traces.csv_tables import csv_batches, csv_names
from load_tests.traces.errors import TraceError
from load_tests.traces.repeats import Repeats
from load_tests.traces.schema import REQUESTS, TIME, Tally, requests_table, shifts_table
from load_tests.traces.source import About, Choices, ReportRows, Source, silent

NEEDED = ("request_time", *PLACES)
SHIFT_COLUMNS = ("courier_id", "online_time", "offline_time", "latitude", "longitude")
KINDS = ("ride", "delivery")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What other programs write for Z.
UTC_NAMES = ("UTC", "GMT")
VEHICLES = ("car", "van", "motorcycle", "bicycle", "foot")
OTHER_VEHICLES = {
    **dict.fromkeys(("scooter", "moped", "motorbike", "motor scooter", "motorscooter"), "motorcycle"),
    **dict.fromkeys(("bike", "cycle", "e-bike", "ebike", "cargo bike", "cargobike"), "bicycle"),
    **dict.fromkeys(("walk", "walker", "walking", "pedestrian", "on foot"), "foot"),
    **dict.fromkeys(("auto", "automobile", "sedan", "taxi", "suv"), "car"),
    **dict.fromkeys(("truck", "minivan", "minibus"), "van"),
}


class PlainCsvFormat:
    name = "csv"
    title = "a CSV with the columns of the schema"
    needed = NEEDED
    mapping = f"""\
Needed: {", ".join(NEEDED)}; times as ISO 8601 with offset, Z or UTC, places in WGS 84 degrees. Columns are separated by
commas, semicolons, tabs or bars. Optional: request_id (else the row; one that repeats is dropped), kind (ride or
delivery, else ride), client_id (else one a row), persons (0 to {MOST_PERSONS}), pickup_after, and every recorded_
column of the schema, amounts in minor units. Shifts: a file beside it, NAME.shifts.csv, with
{", ".join(SHIFT_COLUMNS)} and optionally vehicle (else car); where it is empty, nobody works."""

    def names_in(self, path: Path) -> set[str]:
        return set(csv_names(path)) if path.suffix.lower() == ".csv" else set()

    def recognises(self, path: Path) -> bool:
        return set(NEEDED) <= self.names_in(path)

    def open(self, path: Path, choices: Choices, report: ReportRows) -> Source:  # noqa: ARG002 - it names no zones
        tally = Tally()
        recorded = _beside(path).exists()
        about = About(path.stem, self.name, f"{path.name}, a CSV of one's own", shifts_recorded=recorded)
        return Source(about, self._batches(path, tally, report), tally, shifts=partial(_shifts, path, tally))

    def _batches(self, path: Path, tally: Tally, report: ReportRows) -> Iterator[pa.Table]:
        repeats = Repeats()
        for table in csv_batches(path, report):
            need(path, table, NEEDED)
            first = tally.rows
            tally.rows += table.num_rows
            try:
                yield self._mapped(table, first, tally, repeats)
            except pa.ArrowException as fault:
                raise TraceError(f"{path}, rows from {first + 1}: {fault}") from fault

    def _mapped(self, table: pa.Table, first: int, tally: Tally, repeats: Repeats) -> pa.Table:
        asked = _times(table["request_time"])
        places = np.column_stack([floats(table[name]) for name in PLACES])
        if "kind" in table.column_names:
            plain = pc.utf8_lower(pc.utf8_trim_whitespace(table["kind"]))
            table = table.set_column(table.column_names.index("kind"), "kind", plain)
        kinds = table["kind"].fill_null("ride") if "kind" in table.column_names else None
        persons = table["persons"] if "persons" in table.column_names else None
        keep = kept(asked.size, _wrong(asked, places, kinds, persons), tally)
        if "request_id" in table.column_names:
            keep = repeats.without(table["request_id"], keep, tally)
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
                columns[wanted.name] = _typed(table[wanted.name].filter(mask), wanted, tally)
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
    name = next((name for name in UTC_NAMES if text.upper().endswith(name)), "")
    try:
        moment = datetime.fromisoformat(
            f"{text.removesuffix(text[len(text) - len(name) :]).rstrip()}Z" if name else text
        )
        if moment.tzinfo is None:
            return MISSING_US
        return (moment - EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        return MISSING_US


def _typed(column: pa.ChunkedArray, wanted: pa.Field, tally: Tally) -> object:
    given = column.length() - column.null_count
    if wanted.type == TIME:
        found = times(_times(column))
    elif pa.types.is_string(wanted.type):
        return column
    elif pa.types.is_floating(wanted.type):
        found = nullable(floats(column))
    elif wanted.name == "persons":
        return np.maximum(whole(column, 0, MOST_PERSONS), 0).astype(np.int32)
    else:
        numbers = floats(column)
        known = np.abs(numbers) <= LARGEST_MINOR
        found = pa.array(np.where(known, numbers, 0).astype(np.int64), mask=~known)
    tally.note(f"{wanted.name}: values that cannot be read, left out", given - (len(found) - found.null_count))
    return found


def _wrong(
    asked: Ints, places: Floats, kinds: pa.ChunkedArray | None, persons: pa.ChunkedArray | None
) -> Iterator[tuple[str, Any]]:
    """What cannot be replayed, and why."""
    latitude, longitude = places[:, [0, 2]], places[:, [1, 3]]
    yield "request_time is missing, or no ISO 8601 time with its zone", asked == MISSING_US
    yield "a place is missing, or no number", ~np.isfinite(places).all(axis=1)
    yield "a place is outside the globe", (abs(latitude) > 90).any(axis=1) | (abs(longitude) > 180).any(axis=1)
    if kinds is not None:
        known = pc.is_in(kinds, value_set=pa.array(KINDS)).to_numpy(zero_copy_only=False)
        yield "kind is neither ride nor delivery", ~known
    if persons is not None:
        given = pc.is_valid(persons).to_numpy(zero_copy_only=False)
        yield f"persons is not a whole number from 0 to {MOST_PERSONS}", given & (whole(persons, 0, MOST_PERSONS) < 0)


def _beside(path: Path) -> Path:
    return path.with_suffix(".shifts.csv")


def _shifts(path: Path, tally: Tally) -> pa.Table:
    """Of the file beside the requests; none without it. Raises TraceError with the row of the first fault."""
    beside = _beside(path)
    found = []
    first = 0
    for table in csv_batches(beside, silent) if beside.exists() else ():
        need(beside, table, SHIFT_COLUMNS)
        begins, ends = _times(table["online_time"]), _times(table["offline_time"])
        latitude, longitude = floats(table["latitude"]), floats(table["longitude"])
        for fault, wrong in (
            ("courier_id is missing", pc.is_null(table["courier_id"]).to_numpy(zero_copy_only=False)),
            (
                "online_time and offline_time are no span of time",
                (begins == MISSING_US) | (ends == MISSING_US) | (ends <= begins),
            ),
            ("latitude must be a number from -90 to 90", ~(np.abs(latitude) <= 90)),
            ("longitude must be a number from -180 to 180", ~(np.abs(longitude) <= 180)),
        ):
            if wrong.any():
                raise TraceError(f"{beside}, row {first + int(np.argmax(wrong)) + 1}: {fault}")
        first += table.num_rows
        columns = {"courier_id": table["courier_id"], "online_time": begins, "offline_time": ends}
        columns |= {"latitude": latitude, "longitude": longitude}
        given = table["vehicle"].to_pylist() if "vehicle" in table.column_names else [None] * table.num_rows
        found.append(shifts_table(columns | {"vehicle": [_vehicle(name, tally) for name in given]}))
    return pa.concat_tables(found) if found else shifts_table({})


def _vehicle(given: str | None, tally: Tally) -> str:
    """Return one of VEHICLES; what a file calls otherwise is mapped, and noted."""
    if given is None:
        return "car"
    name = given.strip().lower()
    if name in VEHICLES:
        return name
    known = OTHER_VEHICLES.get(name, "car")
    tally.note(f"shifts: vehicle {given.strip()[:40]!r} read as {known}", 1)
    return known
