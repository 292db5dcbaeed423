"""The baseline: jobs in order of age, each to the nearest courier still free. Also what a round falls back to."""

from __future__ import annotations

import numpy as np

from geo.units import Floats, Ints
from matching.assignment import Candidates
from matching.problem import NOBODY


def solve(candidates: Candidates, age_s: Floats, couriers: int) -> Ints:
    """The chosen edge of each job, or NOBODY; shape (jobs,), int64. Jobs are not put together."""
    jobs = int(age_s.size)
    edge_of = np.full(jobs, NOBODY, np.int64)
    taken = np.zeros(couriers, bool)
    nearest = np.lexsort((candidates.courier, candidates.seconds, ~candidates.single(), candidates.job))
    alone = candidates.single()
    bounds = np.searchsorted(candidates.job, np.arange(jobs + 1))
    for job in np.argsort(-age_s, kind="stable"):
        edges = nearest[bounds[job] : bounds[job + 1]]
        free = edges[~taken[candidates.courier[edges]] & alone[edges]]
        if free.size:
            edge_of[job] = free[0]
            taken[candidates.courier[free[0]]] = True
    return edge_of
