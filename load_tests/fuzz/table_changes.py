"""Changes of values, columns and types in sound Parquet files."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NUMBERS = (0.0, -1.0, 1e300, -1e300, float("nan"), float("inf"), 1e-300, 2.0**53, 999.0, 5.0)
INTEGERS = (0, -1, 1, 7, 100, 2**31 - 1, -(2**31), 2**40)
TEXTS = ("", " ", "é🚲", "x" * 300, "ride", "delivery", "1.0", "-5", "nan")
TIMES_US = (0, 1, 3600 * 10**6, -(10**6), 10 * 365 * 86_400 * 10**6, 2**62, -(2**62))
TYPES = (
    *(pa.string(), pa.large_string(), pa.float64(), pa.float32(), pa.int64(), pa.int32(), pa.bool_(), pa.date32()),
    *(pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("s", tz="UTC"), pa.binary(), pa.null()),
    pa.dictionary(pa.int32(), pa.string()),
)


def tables_changed(rng: np.random.Generator, data: bytes) -> bytes:
    """Change a Parquet file in one to three places; most changes are of values, which leave it readable."""
    tables = [pq.read_table(io.BytesIO(data))]
    for _ in range(int(rng.integers(1, 4))):
        change = _CHANGES[int(rng.integers(len(_CHANGES)))]
        with suppress(pa.ArrowException, OverflowError):
            tables.append(change(rng, tables[-1]))
    # Some tables that Arrow can hold cannot be written: the last one that can is.
    for table in reversed(tables):
        with suppress(pa.ArrowException):
            return _written(table)
    return data


def _written(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="none")
    return out.getvalue()


def _values(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    """Put odd values of the column's type into some rows."""
    column = int(rng.integers(table.num_columns))
    field = table.schema.field(column)
    values = table.column(column).cast(pa.int64()) if pa.types.is_timestamp(field.type) else table.column(column)
    rows = values.to_pylist()
    for row in range(len(rows)):
        if rng.random() < 0.5:
            odd = _odd(rng, field.type, rows[row])
            rows[row] = rows[row] if odd is None and not field.nullable else odd
    made = pa.array(rows, values.type).cast(field.type)
    return table.set_column(column, field, made)


def _odd(rng: np.random.Generator, kind: pa.DataType, value: object) -> object:
    if rng.random() < 0.2:
        return None
    if pa.types.is_timestamp(kind):
        moved = TIMES_US[int(rng.integers(len(TIMES_US)))]
        return (
            (value + moved if isinstance(value, int) and abs(moved) < 2**50 else moved) if rng.random() < 0.7 else value
        )
    if pa.types.is_floating(kind):
        return NUMBERS[int(rng.integers(len(NUMBERS)))] if rng.random() < 0.5 else float(rng.uniform(0, 40))
    if pa.types.is_integer(kind):
        return INTEGERS[int(rng.integers(len(INTEGERS)))]
    if pa.types.is_string(kind):
        return TEXTS[int(rng.integers(len(TEXTS)))]
    return value


def _type(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    """Give a column another type: nulls of it, where its values do not fit."""
    column = int(rng.integers(table.num_columns))
    kind = TYPES[int(rng.integers(len(TYPES)))]
    try:
        made = table.column(column).cast(kind)
    except pa.ArrowException:
        made = pa.nulls(table.num_rows, kind)
    return table.set_column(column, table.schema.field(column).name, made)


def _without(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    return table.remove_column(int(rng.integers(table.num_columns))) if table.num_columns > 1 else table


def _rows(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    """Take some rows, some of them twice; sometimes none."""
    return table.take(pa.array(rng.integers(0, max(table.num_rows, 1), int(rng.integers(0, 4)))))


def _twice(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    """Append a column a second time, under its own name or that of another."""
    column, other = rng.integers(0, table.num_columns, 2).tolist()
    return table.append_column(table.schema.field(other).name, table.column(column))


_CHANGES: tuple[Callable[[np.random.Generator, pa.Table], pa.Table], ...] = (
    *(_values,) * 8,
    *(_rows,) * 3,
    _type,
    _without,
    _twice,
)
