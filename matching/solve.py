"""One round: candidates, costs, solver, answer. A pure function of the problem."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from time import perf_counter

import numpy as np

from geo.units import Ints
from matching import greedy, min_cost_flow
from matching.assignment import NOBODY, Assignment, Candidates
from matching.candidates import eligible_pairs
from matching.costs import unmatched_cost
from matching.problem import Problem, Solver


def solve(problem: Problem) -> Assignment:
    """Decide a round. Deterministic: the same problem gives the same assignment and digest."""
    began = perf_counter()
    candidates = eligible_pairs(problem)
    unmatched = unmatched_cost(problem)
    prepared = perf_counter()
    if problem.solver is Solver.GREEDY_NEAREST:
        edge = greedy.solve(candidates, problem.jobs.age_s, len(problem.couriers))
    else:
        edge = min_cost_flow.solve(candidates, unmatched, len(problem.couriers))
    solved = perf_counter()
    chosen = edge[edge != NOBODY]
    job = np.full(len(problem.couriers), NOBODY, np.int64)
    job[candidates.courier[chosen]] = candidates.job[chosen]
    return Assignment(
        courier=_at(candidates.courier, edge, np.full(edge.size, NOBODY, np.int64)),
        job=job,
        edge=edge,
        cost=_at(candidates.cost, edge, unmatched),
        candidates=candidates,
        digest=_digest(candidates),
        stages_s={"candidates": prepared - began, "solver": solved - prepared},
    )


def fall_back(problem: Problem) -> Assignment:
    """The greedy answer to the same problem, for a round whose solver died or ran out of time."""
    return replace(solve(replace(problem, solver=Solver.GREEDY_NEAREST)), fell_back=True)


def _at(values: Ints, edge: Ints, otherwise: Ints) -> Ints:
    """``values`` of each job's edge, and ``otherwise`` for jobs without one."""
    chosen = otherwise.copy()
    matched = edge != NOBODY
    chosen[matched] = values[edge[matched]]
    return chosen


def _digest(candidates: Candidates) -> int:
    """64 bits over the eligible pairs and their costs: two rounds with the same digest had the same choice."""
    state = hashlib.blake2b(digest_size=8)
    for column in (candidates.job, candidates.courier, candidates.cost):
        state.update(np.ascontiguousarray(column).tobytes())
    return int.from_bytes(state.digest(), "big")
