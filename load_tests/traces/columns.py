"""What readers of tables share: batches of a Parquet file with the columns that are needed, and their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dispatcher.times import SECOND
from geo.units import Floats, Ints
from load_tests.traces.errors import TraceError
from load_tests.traces.schema import TIME, Tally
from load_tests.traces.source import ReportRows

BATCH_ROWS = 65_536
MISSING_US = np.iinfo(np.int64).min
LONGEST_US = 12 * 3600 * SECOND
METRES_A_MILE = 1609.344
# What a job may ask for.
MOST_PERSONS = 100
# Of an amount: more than any trip costs.
LARGEST_MINOR = 2**31 - 1
NUMBER = r"^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$"
NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
PLACES = ("pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude")


def parquet_batches(path: Path, wanted: Sequence[str], report: ReportRows) -> Iterator[pa.Table]:
    """Yield the columns in ``wanted`` that the file has, in any case of letters, under the names as wanted.

    A column without a type, in which a writer found nothing but nulls, is as if it were absent.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            fields = [field.name for field in schema if not pa.types.is_null(field.type)]
            present = {name.lower(): name for name in fields}
            read = [present[name.lower()] for name in wanted if name.lower() in present]
            folded = [name.lower() for name in schema.names]
            twice = [name for name in read if folded.count(name.lower()) > 1]
            if twice:
                raise TraceError(f"{path}: columns are there twice: {', '.join(twice)}")
            total, seen = file.metadata.num_rows, 0
            for batch in file.iter_batches(BATCH_ROWS, columns=read):
                seen += batch.num_rows
                report(seen, total)
                renamed = {name.lower(): batch.column(name) for name in read}
                yield pa.table({name: renamed[name.lower()] for name in wanted if name.lower() in renamed})
    except (pa.ArrowException, OSError) as fault:
        raise TraceError(f"{path}: cannot be read as Parquet: {fault}") from fault


def parquet_names(path: Path) -> set[str]:
    """Lower-case names of a Parquet file's columns; empty where it is none."""
    try:
        return {name.lower() for name in pq.read_schema(path).names}
    except (pa.ArrowException, OSError):
        return set()


def need(path: Path, table: pa.Table, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise TraceError(
            f"{path}: no column {', '.join(missing)}, or nothing in it; found: {', '.join(table.column_names)}"
        )


def utc_us(column: pa.ChunkedArray) -> Ints:
    """UTC microseconds of aware times, MISSING_US where there is none."""
    found: Ints = column.cast(TIME).cast(pa.int64()).fill_null(MISSING_US).to_numpy()
    return found


def floats(column: pa.ChunkedArray) -> Floats:
    """NaN where there is none, or no number."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.match_substring_regex(column, NUMBER), column, None)
    elif not any(kind(column.type) for kind in NUMBERS):
        raise TraceError(f"a column of numbers holds {column.type}")
    found: Floats = column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy()
    return found


def whole(column: pa.ChunkedArray, least: int, most: int) -> Ints:
    """Whole numbers from ``least`` to ``most``, and one less than ``least`` for anything else."""
    numbers = floats(column)
    inside = np.where((numbers >= least) & (numbers <= most), numbers, least - 1)
    return np.where(inside % 1 == 0, inside, least - 1).astype(np.int64)


def persons_of(column: pa.ChunkedArray, tally: Tally) -> Ints:
    """Persons of requests, 0 (as many as usual) and noted where the source has no number from 0 to MOST_PERSONS."""
    found = whole(column, 0, MOST_PERSONS)
    given = column.is_valid().to_numpy(zero_copy_only=False)
    tally.note("persons: no number of persons, read as unknown", int((given & (found < 0)).sum()))
    return np.maximum(found, 0).astype(np.int32)


def places_of(requests: pa.Table) -> Floats:
    """Shape (n, 4): pickup latitude and longitude, drop-off latitude and longitude."""
    return np.column_stack([requests[name].to_numpy() for name in PLACES])


def kept(rows: int, reasons: Iterable[tuple[str, Any]], tally: Tally) -> np.ndarray:
    """Which rows nothing is wrong with, shape (rows,); the others are counted under the first reason that applies."""
    keep = np.ones(rows, bool)
    for why, wrong in reasons:
        tally.drop(why, int((keep & wrong).sum()))
        keep &= ~wrong
    return keep


def minor(amounts: Floats, name: str, tally: Tally) -> pa.Array:
    """Minor units of amounts in hundreds of them; null for NaN, and noted for what no amount can be."""
    with np.errstate(over="ignore", invalid="ignore"):
        units = np.rint(amounts * 100)
    known = (units >= 0) & (units <= LARGEST_MINOR)
    tally.note(f"{name}: negative amounts left out", int((units < 0).sum()))
    tally.note(f"{name}: amounts above {LARGEST_MINOR // 100:,} left out", int((units > LARGEST_MINOR).sum()))
    return pa.array(np.where(known, units, 0.0).astype(np.int64), mask=~known)


def times(us: Ints) -> pa.Array:
    """Null for MISSING_US."""
    return pa.array(us, mask=us == MISSING_US).cast(TIME)


def nullable(values: Floats) -> pa.Array:
    return pa.array(values, mask=~np.isfinite(values))
