"""Whether a chosen pair is offered now, or may still wait for a better one."""

from __future__ import annotations

import numpy as np

from geo.units import Ints
from matching.assignment import Candidates
from matching.problem import NOBODY, Bools, Problem


def held(problem: Problem, candidates: Candidates, edge: Ints) -> Bools:
    """Shape (jobs,): chosen, but not to be offered yet.

    Either the courier is still at work, or leaving with the next round still brings them to the (first) pickup before
    the last of the jobs is ready, less the policy's slack.
    """
    chosen = edge != NOBODY
    result = np.zeros(edge.size, bool)
    mine = edge[chosen]
    courier = candidates.courier[mine]
    couriers, rule = problem.couriers, problem.commitment
    waits = couriers.later[courier].copy()
    if rule.wait_while_safe:
        members = candidates.jobs[mine]
        ready = np.where(members == NOBODY, -np.inf, problem.jobs.ready_in_s[members]).max(axis=1)
        there = couriers.starts_in_s[courier] + candidates.seconds[mine] + problem.travel.half_pickup_service_s
        waits |= there + rule.next_round_s <= ready - rule.slack_s
    result[chosen] = waits
    return result
