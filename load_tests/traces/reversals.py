"""Rows that reverse the fare of another row: a trip and its reversal are one trip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
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
        negative = [keys[fares < 0] for keys, fares in _trips(tables(), names)]
        wanted = np.unique(np.concatenate(negative)) if negative else none.keys
        if not wanted.size:
            return none
        positive = [keys[(fares > 0) & np.isin(keys, wanted)] for keys, fares in _trips(tables(), names)]
        return cls(np.unique(np.concatenate(positive)))

    def among(self, table: pa.Table, names: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return which rows are the reversal of another, shape (n,)."""
        found = np.zeros(table.num_rows, bool)
        if self.keys.size:
            for keys, fares in _trips(iter([table]), names):
                found = (fares < 0) & np.isin(keys, self.keys)
        return found


def _trips(tables: Iterator[pa.Table], names: Sequence[str]) -> Iterator[tuple[Keys, Floats]]:
    """Yield a key for each row, of what names its trip and of the amount of its fare; and the fare, signed."""
    *named, fare = names
    for table in tables:
        if not set(names) <= set(table.column_names) or not table.num_rows:
            return
        fares = floats(table[fare])
        frame = pd.DataFrame({name: table[name].to_pandas() for name in named})
        with np.errstate(invalid="ignore", over="ignore"):
            frame["cents"] = np.rint(np.abs(fares) * 100)
        yield pd.util.hash_pandas_object(frame, index=False).to_numpy(np.uint64), fares
