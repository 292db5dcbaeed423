"""Columns of whole numbers, built with checks: no value wraps around, and an error names the column and the row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geo.units import Ints

INT64 = np.iinfo(np.int64)


class ColumnError(ValueError):
    """A value that its column cannot hold. ``row`` is its index among the values that were given."""

    def __init__(self, column: str, row: int, value: object, low: int, high: int) -> None:
        super().__init__(f"{column}, row {row}: {value!r} is not a whole number from {low} to {high}")
        self.column = column
        self.row = row
        self.value = value


def whole_numbers(column: str, values: Sequence[int], low: int = INT64.min, high: int = INT64.max) -> Ints:
    """Return the values as int64, shape (n,). Raises ColumnError for the first one outside of ``low`` to ``high``."""
    made = np.array(values) if len(values) else np.zeros(0, np.int64)
    if made.dtype == np.int64 and (not made.size or (int(made.min()) >= low and int(made.max()) <= high)):
        return made
    for row, value in enumerate(values):
        if not isinstance(value, int | np.integer) or not low <= value <= high:
            raise ColumnError(column, row, value, low, high)
    return np.array(values, np.int64)
