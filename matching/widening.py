"""Look further and further for some jobs, the first jobs first, until each is satisfied or the time is over."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from geo.units import Ints

# How many times as many couriers each further step looks at.
GROWTH = 4
# Pairs of one step, so that the clock is read often enough: some 20 ms.
LARGEST_STEP = 100_000


def widen(jobs: Ints, size: int, look: Callable[[Ints, int], Ints], until: float, largest: int) -> Ints:
    """Call ``look(jobs, size)`` with growing sizes on the jobs that it returns; return those that were cut off.

    ``look`` keeps the order of the jobs. Large steps are divided: the first jobs are looked at to the end before the
    others begin. ``until`` is a moment of perf_counter; from then on no further step starts. ``largest``: pairs of one
    step.
    """
    waiting = [(jobs, size)] if jobs.size else []
    while waiting:
        jobs, size = waiting.pop()
        most = max(largest // size, 1)
        if jobs.size > most:
            waiting.append((jobs[most:], size))
            jobs = jobs[:most]
        if perf_counter() > until:
            return np.concatenate([jobs, *(rest for rest, _ in reversed(waiting))])
        lacking = look(jobs, size)
        if lacking.size:
            waiting.append((lacking, size * GROWTH))
    return np.zeros(0, np.int64)
