"""Orders in which stops can be served: every one for small sets, insertions beyond."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations

import numpy as np

from geo.units import Ints
from matching.problem import Insertion

# Up to this many stops that may move, all orders are tried; above, new stops are inserted between the accepted ones.
ALL_ORDERS = 6
# So many new jobs come from near one another: all are picked up before the first is dropped off.
TOGETHER = 3


@lru_cache(maxsize=256)
def orders(old: int, new_jobs: int, insertion: Insertion, frozen: int) -> Ints:
    """Shape (Q, old + 2 x new_jobs), int64: each row an order of the points.

    Points 0 to old - 1 are the courier's accepted stops, then pickup and drop-off of each new job. A new job's pickup
    comes before its drop-off; whether accepted stops keep that rule too is left to the caller.
    """
    length = old + 2 * new_jobs
    frozen = old if insertion is Insertion.APPEND else min(frozen, old)
    free = insertion is Insertion.REORDER or old == frozen
    if free and length - frozen <= ALL_ORDERS:
        tails = permutations(range(frozen, length))
        rows = [(*range(frozen), *tail) for tail in tails if _picks_first(tail, old, new_jobs)]
        if new_jobs >= TOGETHER:
            rows = [row for row in rows if all((point - old) % 2 == 0 for point in row[old : old + new_jobs])]
    else:
        rows = [tuple(range(old))]
        for job in range(new_jobs):
            rows = [longer for row in rows for longer in _inserted(row, old + 2 * job, frozen)]
    return np.array(rows, np.int64).reshape(-1, length)


def _picks_first(tail: tuple[int, ...], old: int, new_jobs: int) -> bool:
    return all(tail.index(old + 2 * job) < tail.index(old + 2 * job + 1) for job in range(new_jobs))


def _inserted(row: tuple[int, ...], pickup: int, frozen: int) -> list[tuple[int, ...]]:
    """All ways to put a pickup and, after it, its drop-off behind the frozen stops."""
    return [
        (*row[:first], pickup, *row[first:second], pickup + 1, *row[second:])
        for first in range(frozen, len(row) + 1)
        for second in range(first, len(row) + 1)
    ]
