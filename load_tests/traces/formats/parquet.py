"""This project's own form of a trace: a folder of Parquet tables, as `gig trace convert` writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from load_tests.traces.columns import BATCH_ROWS, MOST_PERSONS, kept, places_of
from load_tests.traces.errors import TraceError
from load_tests.traces.repeats import Repeats
from load_tests.traces.schema import OFFERS, REQUESTS, SHIFTS, Tally
from load_tests.traces.source import About, Choices, Plane, ReportRows, Source

ABOUT, REQUEST_FILE, SHIFT_FILE, OFFER_FILE = "about.json", "requests.parquet", "shifts.parquet", "offers.parquet"


# Metres in a plane, more than any instance has; also bounds degrees.
FARTHEST = 1e9


class ParquetFormat:
    name = "parquet"
    title = "a trace that gig trace convert has written"
    mapping = f"The schema itself: {REQUEST_FILE}, {SHIFT_FILE}, {OFFER_FILE}, and {ABOUT} on where they are from."

    needed: tuple[str, ...] = ()

    def names_in(self, path: Path) -> set[str]:  # noqa: ARG002 - it is no table
        return set()

    def recognises(self, path: Path) -> bool:
        return (path / REQUEST_FILE).is_file() and (path / ABOUT).is_file()

    def open(self, path: Path, choices: Choices, report: ReportRows) -> Source:  # noqa: ARG002 - it names no zones
        tally = Tally()
        return Source(
            read_about(path / ABOUT),
            _batches(path / REQUEST_FILE, tally, report),
            tally,
            shifts=partial(_whole, path / SHIFT_FILE, SHIFTS),
            offers=partial(_whole, path / OFFER_FILE, OFFERS),
        )


UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)


def read_about(path: Path) -> About:
    try:
        found = json.loads(path.read_text("utf-8-sig"))
        plane = found.pop("plane")
        return About(**found, plane=Plane(**plane) if plane else None)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        raise TraceError(f"{path}: {fault}") from fault


def write_about(about: About, path: Path) -> None:
    path.write_text(json.dumps(asdict(about), indent=2) + "\n", "utf-8")


def _batches(path: Path, tally: Tally, report: ReportRows) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(REQUESTS):
                raise TraceError(f"{path}: its columns are not those of this version; convert the trace again")
            total = file.metadata.num_rows
            repeats = Repeats()
            for batch in file.iter_batches(BATCH_ROWS):
                tally.rows += batch.num_rows
                report(tally.rows, total)
                table = pa.Table.from_batches([batch], schema=REQUESTS)
                table.validate(full=True)
                keep = kept(table.num_rows, _wrong(table), tally)
                keep = repeats.without(table["request_id"], keep, tally)
                yield table if keep.all() else table.filter(pa.array(keep))
    except UNREADABLE as fault:
        raise TraceError(f"{path}: cannot be read as Parquet: {fault}") from fault


def _wrong(table: pa.Table) -> Iterator[tuple[str, Any]]:
    """What cannot be replayed, and why. Places may be metres in a plane."""
    required = [field.name for field in REQUESTS if not field.nullable]
    nulls = np.any([table[name].is_null().to_numpy(zero_copy_only=False) for name in required], axis=0)
    yield "a required value is missing", nulls
    yield "a place is no number", ~(np.abs(places_of(table)) <= FARTHEST).all(axis=1)
    persons = table["persons"].fill_null(0).to_numpy()
    yield f"persons is not a whole number from 0 to {MOST_PERSONS}", (persons < 0) | (persons > MOST_PERSONS)
    kinds = pc.is_in(table["kind"], value_set=pa.array(("ride", "delivery")))
    yield "kind is neither ride nor delivery", ~kinds.to_numpy(zero_copy_only=False)


def _whole(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        table = pq.read_table(path)
    except UNREADABLE as fault:
        raise TraceError(f"{path}: cannot be read as Parquet: {fault}") from fault
    if not table.schema.equals(schema):
        raise TraceError(f"{path}: its columns are not those of this version; convert the trace again")
    return table
