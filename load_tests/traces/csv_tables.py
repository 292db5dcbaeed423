"""CSV files as batches of text columns, whatever separates them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from load_tests.traces.errors import TraceError
from load_tests.traces.source import ReportRows

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
COMMA_NUMBER = r"^\s*[+-]?\d+,\d+\s*$"
# Of a header line, in characters.
LONGEST_HEADER = 1 << 16
# Bytes that are parsed at a time; a smaller file gets a smaller buffer.
BLOCK_BYTES = 1 << 22


def csv_names(path: Path) -> list[str]:
    """Names of a CSV file's header in lower case, with underscores for spaces; empty where there is none."""
    header = _header(path)
    return [_plain(name) for name in header.split(_separator(header))] if header else []


def csv_batches(path: Path, report: ReportRows) -> Iterator[pa.Table]:
    """Yield all columns as text, named as by ``csv_names``; empty cells are null.

    Columns are separated by commas, semicolons, tabs or vertical bars. Raises TraceError; a row of another width ends
    the reading.
    """
    names = csv_names(path)
    if not any(names):
        raise TraceError(f"{path}: has no header of names in UTF-8")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TraceError(f"{path}: columns are there twice: {', '.join(twice)}")
    types = {name: pa.string() for name in names}
    separator = _separator(_header(path))
    seen = 0
    try:
        block = min(BLOCK_BYTES, path.stat().st_size + 1)
        with pa_csv.open_csv(
            path,
            read_options=pa_csv.ReadOptions(column_names=names, skip_rows=1, block_size=block),
            parse_options=pa_csv.ParseOptions(delimiter=separator),
            convert_options=pa_csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""]),
        ) as file:
            for batch in file:
                seen += batch.num_rows
                report(seen, 0)
                table = pa.Table.from_batches([batch])
                yield table if separator == "," else _with_points(table)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as fault:
        raise TraceError(
            f"{path}: cannot be read as CSV separated by {SEPARATORS[separator]}, after row {seen}: {fault}"
        ) from fault


def _with_points(table: pa.Table) -> pa.Table:
    """Return the table with decimal points: where commas do not separate columns, they may be in numbers."""
    columns = []
    for column in table.columns:
        numbers = pc.match_substring_regex(column, COMMA_NUMBER)
        columns.append(pc.if_else(numbers, pc.replace_substring(column, ",", "."), column))
    return pa.table(columns, names=table.column_names)


def _header(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.readline(LONGEST_HEADER).rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return ""


def _separator(header: str) -> str:
    """Return the separator that the header has most of: the comma where it has none."""
    return max(SEPARATORS, key=header.count)


def _plain(name: str) -> str:
    return name.strip().strip('"').strip().lower().replace(" ", "_")
