"""Rows that reverse the fare of another row: a trip and its reversal are one trip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from geo.units import Floats
from load_tests.traces.columns import floats

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Reversals:
    """``keys``: of the trips that have both a fare and its reversal, sorted."""

    keys: Keys

    @classmethod
    def of(cls, tables: Callable[[], Iterator[pa.Table]], names: Sequence[str]) -> Reversals:
        """Find them in two passes over a file. ``names``: the columns that name a trip, then its fare; ``tables``
        yields these columns."""
        none = cls(np.zeros(0, np.uint64))
        negative = [_keys(table, names, fares < 0) for table, fares in _with_fares(tables(), names)]
        wanted = np.unique(np.concatenate(negative)) if negative else none.keys
        if not wanted.size:
            return none
        positive = [_keys(table, names, fares > 0) for table, fares in _with_fares(tables(), names)]
        return cls(np.intersect1d(np.concatenate(positive), wanted))

    def among(self, table: pa.Table, names: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return which rows are the reversal of another, shape (n,)."""
        found = np.zeros(table.num_rows, bool)
        if self.keys.size:
            for _, fares in _with_fares(iter([table]), names):
                rows = fares < 0
                found[rows] = np.isin(_keys(table, names, rows), self.keys)
        return found


def _with_fares(tables: Iterator[pa.Table], names: Sequence[str]) -> Iterator[tuple[pa.Table, Floats]]:
    """Yield the tables and their fares, signed; none where a file lacks one of the columns."""
    for table in tables:
        if not set(names) <= set(table.column_names):
            return
        yield table, floats(table[names[-1]])


def _keys(table: pa.Table, names: Sequence[str], rows: npt.NDArray[np.bool_]) -> Keys:
    """Return a key for each of the ``rows``, of what names its trip and of the amount of its fare."""
    if not rows.any():
        return np.zeros(0, np.uint64)
    import polars as pl

    chosen = table.filter(pa.array(rows))
    with np.errstate(invalid="ignore", over="ignore"):
        cents = np.rint(np.abs(floats(chosen[names[-1]])) * 100)
    named = {name: pl.Series(_comparable(chosen[name])) for name in names[:-1]}
    return pl.DataFrame(named | {"cents": cents}).hash_rows().to_numpy()


def _comparable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers, or text, so that equal values get equal keys in every batch. Raises pa.ArrowException for a type
    that has no text, such as a list."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return column.cast(pa.float64(), safe=False)
    return column.cast(pa.large_string())
