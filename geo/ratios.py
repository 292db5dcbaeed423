"""A ratio of observed to expected values that a minority of wrong rows cannot move far."""

from __future__ import annotations

import numpy as np

from geo.units import Floats

# Share of the rows that is left out at each end.
LEFT_OUT = 0.25


def middle_ratio(observed: Floats, expected: Floats, rows: Floats | None = None) -> float:
    """Return the ratio of sums over the middle half of the rows, in the order of their own ratios.

    This is the interquartile mean, a trimmed mean (Tukey and McLaughlin, Sankhya A 25, 1963): up to a quarter of the
    rows may be anything at all, and the result stays among the ratios of the others.

    ``observed``, ``expected``: shape (n,), n >= 1, ``expected`` above 0. ``rows``: how many rows each entry stands for;
    an entry then holds their sums. The order of the entries does not matter.
    """
    counts = np.ones(observed.size) if rows is None else rows
    order = np.argsort(observed / expected, kind="stable")
    ends = np.cumsum(counts[order])
    low, high = LEFT_OUT * ends[-1], (1 - LEFT_OUT) * ends[-1]
    kept = np.minimum(ends, high) - np.maximum(ends - counts[order], low)
    share = np.maximum(kept, 0.0) / counts[order]
    return float((observed[order] * share).sum() / (expected[order] * share).sum())
