"""This project's own form of a trace: a folder of Parquet tables, as `gig trace convert` writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from load_tests.traces.columns import BATCH_ROWS
from load_tests.traces.errors import TraceError
from load_tests.traces.schema import OFFERS, REQUESTS, SHIFTS, Tally
from load_tests.traces.source import About, Choices, Plane, Source, Told

ABOUT, REQUEST_FILE, SHIFT_FILE, OFFER_FILE = "about.json", "requests.parquet", "shifts.parquet", "offers.parquet"


class ParquetFormat:
    name = "parquet"
    title = "a trace that gig trace convert has written"
    mapping = f"The schema itself: {REQUEST_FILE}, {SHIFT_FILE}, {OFFER_FILE}, and {ABOUT} on where they are from."

    def recognises(self, path: Path) -> bool:
        return (path / REQUEST_FILE).is_file() and (path / ABOUT).is_file()

    def open(self, path: Path, choices: Choices, told: Told) -> Source:  # noqa: ARG002 - it names no zones
        tally = Tally()
        return Source(
            read_about(path / ABOUT),
            _batches(path / REQUEST_FILE, tally, told),
            tally,
            shifts=partial(_whole, path / SHIFT_FILE, SHIFTS),
            offers=partial(_whole, path / OFFER_FILE, OFFERS),
        )


UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)


def read_about(path: Path) -> About:
    try:
        found = json.loads(path.read_text("utf-8"))
        plane = found.pop("plane")
        return About(**found, plane=Plane(**plane) if plane else None)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        raise TraceError(f"{path}: {fault}") from fault


def write_about(about: About, path: Path) -> None:
    path.write_text(json.dumps(asdict(about), indent=2) + "\n", "utf-8")


def _batches(path: Path, tally: Tally, told: Told) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(REQUESTS):
                raise TraceError(f"{path}: its columns are not those of this version; convert the trace again")
            total = file.metadata.num_rows
            for batch in file.iter_batches(BATCH_ROWS):
                tally.rows += batch.num_rows
                told(tally.rows, total)
                yield pa.Table.from_batches([batch], schema=REQUESTS)
    except UNREADABLE as fault:
        raise TraceError(f"{path}: cannot be read as Parquet: {fault}") from fault


def _whole(path: Path, schema: pa.Schema) -> pa.Table:
    try:
        table = pq.read_table(path)
    except UNREADABLE as fault:
        raise TraceError(f"{path}: cannot be read as Parquet: {fault}") from fault
    if not table.schema.equals(schema):
        raise TraceError(f"{path}: its columns are not those of this version; convert the trace again")
    return table
