"""Rows in groups."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geo.units import Ints


def first_of_each(most: int, group: Ints, *keys: npt.NDArray[np.int64] | npt.NDArray[np.float64]) -> Ints:
    """Rows, by group, of which each group keeps at most so many: those with the least keys, the first key first."""
    order = np.lexsort((*reversed(keys), group))
    of = group[order]
    first: Ints = order[np.arange(order.size) - np.searchsorted(of, of) < most]
    return first


def values_in(numbers: Ints) -> list[int]:
    """Return the different values, ascending; for small numbers from 0 on."""
    found: list[int] = np.flatnonzero(np.bincount(numbers)).tolist()
    return found
