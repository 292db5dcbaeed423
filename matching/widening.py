"""Look further and further for some jobs, the first jobs first, until each has enough or the time is over."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from geo.units import Ints

# Pairs of one step, so that the clock is read often enough: some 20 ms.
LARGEST_STEP = 100_000


Look = Callable[[Ints, int], tuple[Ints, int]]


def widen(jobs: Ints, size: int, look: Look, until: float, largest: int) -> Ints:
    """Call ``look(jobs, size)``, and again with the jobs and the size that it returns. Return the jobs cut off.

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
        lacking, larger = look(jobs, size)
        if lacking.size:
            waiting.append((lacking, larger))
    return np.zeros(0, np.int64)
