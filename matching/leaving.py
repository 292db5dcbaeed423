"""What it costs to leave a job for a later round: never less than to serve it by a courier who is free."""

from __future__ import annotations

import numpy as np

from geo.units import Ints
from matching.assignment import Candidates
from matching.costs import unmatched_cost
from matching.problem import NOBODY, Bools, Problem

# Leaving a job costs so much more, at least, than serving it: one thousandth of a second.
MARGIN = 1
# The most that the spread of a queue zone's costs adds, so that sums over a round stay below 63 bits.
MOST_SPREAD = 10**12


def leaving_cost(problem: Problem, candidates: Candidates) -> Ints:
    """Return what it costs to leave each job, shape (jobs,), int64: the policy's price, or more.

    Whatever the weights are, each pair of a job and a free courier costs less than leaving the job, so no job is left
    beside a free courier who is a candidate for it. Couriers under way, or free only later, do not raise the price: to
    wait for somebody else may be better than to make those wait who are served already.

    Jobs of a queue zone cost so much more that the couriers who are first in line serve as many of them as they can,
    whatever each pair costs: a chain of couriers who change jobs costs at most the spread of all costs in the zone.
    """
    price = unmatched_cost(problem)
    edges = np.flatnonzero(_free(problem)[candidates.courier] & candidates.single())
    if not edges.size:
        return price
    # Edges come by job, then cost.
    job, cost = candidates.job[edges], candidates.cost[edges]
    first = np.flatnonzero(np.r_[True, job[1:] != job[:-1]])
    last = np.r_[first[1:], job.size] - 1
    served = job[first]
    floor = cost[last] + MARGIN
    zone = problem.jobs.queue_zone[served]
    in_line = (zone != NOBODY) & (problem.couriers.queue_zone[candidates.courier[edges[first]]] == zone)
    if in_line.any():
        _, number = np.unique(zone[in_line], return_inverse=True)
        spread = np.zeros(int(number.max()) + 1, np.int64)
        np.add.at(spread, number, (cost[last] - cost[first])[in_line])
        floor[in_line] += np.minimum(spread, MOST_SPREAD)[number]
    price[served] = np.maximum(price[served], floor)
    return price


def _free(problem: Problem) -> Bools:
    """Shape (couriers,): whether each is free now."""
    couriers = problem.couriers
    free: Bools = (couriers.plans.lengths == 0) & ~couriers.later
    return free
