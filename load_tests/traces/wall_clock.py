"""Times by the clock on the wall of a city, in which one hour a year occurs twice and one not at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from geo.units import Ints
from load_tests.traces.columns import MISSING_US, utc_us
from load_tests.traces.errors import TraceError

NOTATIONS = (
    *("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.000", "%m/%d/%Y %I:%M:%S %p"),
    *("%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M"),
)
# Seconds since the epoch: ten digits from 2001 to 2286, nine before.
EPOCH_SECONDS = r"^\d{9,10}(\.0*)?$"


@dataclass(frozen=True, slots=True)
class Moments:
    """UTC microseconds, shape (n,): the first and the second time that the clock shows what was recorded. They differ
    in the hour that occurs twice; MISSING_US where there is none."""

    first: Ints
    second: Ints

    @property
    def ambiguous(self) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = self.first != self.second
        return found


def moments(column: pa.ChunkedArray, zone: str) -> Moments:
    """Read a column of wall-clock times: timestamps, texts in one of NOTATIONS, or seconds since the epoch by that
    clock. A time that the clock skips is moved past the gap. Raises TraceError for a column of another type."""
    naive = _naive(column)
    if naive.type.tz is not None:
        aware = utc_us(naive)
        return Moments(aware, aware)
    first, second = (
        utc_us(pc.assume_timezone(naive, zone, ambiguous=which, nonexistent="latest"))
        for which in ("earliest", "latest")
    )
    return Moments(first, second)


def _naive(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _parsed(pc.utf8_trim_whitespace(column.cast(pa.string())))
    if pa.types.is_null(column.type):
        return column.cast(pa.timestamp("us"))
    raise TraceError(f"a column of times holds {column.type}")


def _parsed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times in the first notation that fits each text, null where none does."""
    seconds = pc.if_else(pc.match_substring_regex(texts, EPOCH_SECONDS), texts, None).cast(pa.float64())
    found = pc.multiply(seconds, 1e6).cast(pa.int64()).cast(pa.timestamp("us"))
    for notation in NOTATIONS:
        if found.null_count:
            found = pc.coalesce(found, pc.strptime(texts, format=notation, unit="us", error_is_null=True))
    return found


def trips(start: Moments, end: Moments) -> tuple[Ints, Ints]:
    """Return the times of trips such that each takes the shortest positive time that the clock allows.

    Where neither reading is positive, both times are the first.
    """
    best_start, best_end = start.first.copy(), end.first.copy()
    longest = np.iinfo(np.int64).max
    best = np.full(start.first.size, longest)
    known = (start.first != MISSING_US) & (end.first != MISSING_US)
    for begins, ends in ((start.first, end.first), (start.second, end.second), (start.first, end.second)):
        taken = np.where(known, ends - begins, 0)
        shorter = known & (taken > 0) & (taken < best)
        best_start[shorter], best_end[shorter], best[shorter] = begins[shorter], ends[shorter], taken[shorter]
    return best_start, best_end


def before(moment: Moments, limit: Ints) -> Ints:
    """Return the later reading of each time where it is no later than the limit, else the earlier one."""
    return np.where(moment.second <= limit, moment.second, moment.first)
