"""What readers of tables share: batches of a Parquet or CSV file with the columns that are needed, or a plain fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from dispatcher.times import SECOND
from geo.units import Floats, Ints
from load_tests.traces.errors import TraceError
from load_tests.traces.schema import TIME, Tally
from load_tests.traces.source import Told

BATCH_ROWS = 65_536
MISSING_US = np.iinfo(np.int64).min
LONGEST_US = 12 * 3600 * SECOND
METRES_A_MILE = 1609.344
PLACES = ("pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude")


def parquet_batches(path: Path, wanted: Sequence[str], told: Told) -> Iterator[pa.Table]:
    """The columns in ``wanted`` that the file has, whatever the case of their names, under the names as wanted."""
    try:
        with pq.ParquetFile(path) as file:
            names = {name.lower(): name for name in file.schema_arrow.names}
            read = [names[name.lower()] for name in wanted if name.lower() in names]
            total, seen = file.metadata.num_rows, 0
            for batch in file.iter_batches(BATCH_ROWS, columns=read):
                seen += batch.num_rows
                told(seen, total)
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


def csv_names(path: Path) -> list[str]:
    """Of a CSV file's header, as ``csv_batches`` gives them; empty where there is none."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return [_plain(name) for name in file.readline().rstrip("\r\n").split(",")]
    except (OSError, UnicodeDecodeError):
        return []


def csv_batches(path: Path, told: Told) -> Iterator[pa.Table]:
    """All columns as text, named in lower case with underscores for spaces. A row of another width ends the reading."""
    names = csv_names(path)
    if not any(names):
        raise TraceError(f"{path}: has no header of names in UTF-8")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TraceError(f"{path}: columns are there twice: {', '.join(twice)}")
    types = {name: pa.string() for name in names}
    seen = 0
    try:
        with pa_csv.open_csv(
            path,
            read_options=pa_csv.ReadOptions(column_names=names, skip_rows=1, block_size=1 << 22),
            convert_options=pa_csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""]),
        ) as file:
            for batch in file:
                seen += batch.num_rows
                told(seen, 0)
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError, UnicodeDecodeError) as fault:
        raise TraceError(f"{path}: cannot be read as CSV, after row {seen}: {fault}") from fault


def _plain(name: str) -> str:
    return name.strip().strip('"').strip().lower().replace(" ", "_")


def need(path: Path, table: pa.Table, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise TraceError(f"{path}: no column {', '.join(missing)}; found: {', '.join(table.column_names)}")


def local_us(column: pa.ChunkedArray, zone: str) -> Ints:
    """UTC microseconds of wall-clock times in a time zone, MISSING_US where there is none. Of an hour that occurs twice
    the first is meant; one that does not occur is moved past the gap."""
    if not pa.types.is_timestamp(column.type):
        raise TraceError(f"a column of times holds {column.type}")
    aware = column.cast(pa.timestamp("us", column.type.tz))
    if column.type.tz is None:
        aware = pc.assume_timezone(aware, zone, ambiguous="earliest", nonexistent="latest")
    return utc_us(aware)


def utc_us(column: pa.ChunkedArray) -> Ints:
    """UTC microseconds of aware times, MISSING_US where there is none."""
    found: Ints = column.cast(TIME).cast(pa.int64()).fill_null(MISSING_US).to_numpy()
    return found


def floats(column: pa.ChunkedArray) -> Floats:
    """NaN where there is none, or no number."""
    if pa.types.is_string(column.type):
        column = pc.if_else(pc.match_substring_regex(column, r"^\s*-?\d+(\.\d*)?([eE]-?\d+)?\s*$"), column, None)
        column = pc.utf8_trim_whitespace(column)
    found: Floats = column.cast(pa.float64()).fill_null(np.nan).to_numpy()
    return found


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


def minor(amounts: Floats) -> pa.Array:
    """Minor units of amounts in hundreds of them; null for NaN."""
    known = np.isfinite(amounts)
    return pa.array(np.rint(np.where(known, amounts, 0.0) * 100).astype(np.int64), mask=~known)


def times(us: Ints) -> pa.Array:
    """Null for MISSING_US."""
    return pa.array(us, mask=us == MISSING_US).cast(TIME)


def nullable(values: Floats) -> pa.Array:
    return pa.array(values, mask=~np.isfinite(values))
