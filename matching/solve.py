"""One round: candidates, costs, solver, answer. A pure function of the problem."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from geo.units import Ints
from matching import greedy, min_cost_flow, set_partition
from matching.assignment import NOBODY, Assignment, Candidates
from matching.candidates import eligible_pairs
from matching.commitment import held
from matching.costs import unmatched_cost
from matching.prices import courier_prices
from matching.problem import Problem, Solver


@dataclass(frozen=True, slots=True)
class Choice:
    """Which edges were taken, the couriers' prices, and a proved lower bound of the total cost."""

    edge_of: Ints
    price: Ints
    bound: int


def solve(problem: Problem) -> Assignment:
    """Decide a round. Deterministic as long as the budget suffices: the same problem gives the same assignment."""
    began = perf_counter()
    candidates = eligible_pairs(problem)
    unmatched = unmatched_cost(problem)
    prepared = perf_counter()
    if problem.solver is Solver.GREEDY_NEAREST:
        choice = greedily(problem, candidates)
    else:
        choice = choose(candidates, unmatched, len(problem.couriers), problem.budget_s)
    solved = perf_counter()
    answer = conclude(problem, candidates, unmatched, choice)
    stages = {"candidates": prepared - began, "solver": solved - prepared, "answer": perf_counter() - solved}
    return replace(answer, stages_s=stages)


def fall_back(problem: Problem) -> Assignment:
    """The greedy answer to the same problem, for a round whose solver died or ran out of time."""
    return replace(solve(replace(problem, solver=Solver.GREEDY_NEAREST)), fell_back=True)


def choose(candidates: Candidates, unmatched: Ints, couriers: int, budget_s: float) -> Choice:
    """Least total cost: as a flow over single jobs, and from there by set partitioning where some edges are more."""
    single = np.flatnonzero(candidates.single())
    job, courier, cost = candidates.job[single], candidates.courier[single], candidates.cost[single]
    edge_of = min_cost_flow.solve(job, courier, cost, unmatched)
    if single.size == len(candidates):
        total = np.where(edge_of == NOBODY, unmatched, cost[edge_of] if cost.size else 0).sum()
        return Choice(edge_of, courier_prices(job, courier, cost, unmatched, edge_of, couriers), int(total))
    first = single[edge_of[edge_of != NOBODY]]
    selection = set_partition.select(candidates, unmatched, couriers, first, budget_s)
    chosen = np.full(unmatched.size, NOBODY, np.int64)
    members = candidates.jobs[selection.chosen]
    which, slot = np.nonzero(members != NOBODY)
    chosen[members[which, slot]] = selection.chosen[which]
    return Choice(chosen, selection.price, selection.bound)


def greedily(problem: Problem, candidates: Candidates) -> Choice:
    """The baseline's choice; it has no prices, and proves nothing."""
    edge_of = greedy.solve(candidates, problem.jobs.age_s, len(problem.couriers))
    return Choice(edge_of, np.zeros(len(problem.couriers), np.int64), -int(np.iinfo(np.int64).max))


def conclude(problem: Problem, candidates: Candidates, unmatched: Ints, choice: Choice) -> Assignment:
    """The choice seen from jobs and from couriers."""
    edge = choice.edge_of
    matched = edge != NOBODY
    taken = np.full(len(problem.couriers), NOBODY, np.int64)
    taken[candidates.courier[edge[matched]]] = edge[matched]
    courier = np.full(edge.size, NOBODY, np.int64)
    courier[matched] = candidates.courier[edge[matched]]
    return Assignment(
        courier=courier,
        edge=edge,
        taken=taken,
        cost=_shares(candidates, unmatched, edge),
        held=held(problem, candidates, edge),
        price=choice.price,
        candidates=candidates,
        digest=digest(candidates),
        bound=choice.bound,
    )


def _shares(candidates: Candidates, unmatched: Ints, edge: Ints) -> Ints:
    """Each job's part of its edge's cost (the first job bears the rest of the division), or of being left."""
    cost = unmatched.copy()
    matched = np.flatnonzero(edge != NOBODY)
    size = np.count_nonzero(candidates.jobs[edge[matched]] != NOBODY, axis=1)
    whole = candidates.cost[edge[matched]]
    share = whole // np.maximum(size, 1)
    first = candidates.job[edge[matched]] == matched
    cost[matched] = np.where(first, whole - share * (size - 1), share)
    return cost


def digest(candidates: Candidates) -> int:
    """64 bits over the eligible edges and their costs: two rounds with the same digest had the same choice."""
    state = hashlib.blake2b(digest_size=8)
    for column in (candidates.jobs, candidates.courier, candidates.cost):
        state.update(np.ascontiguousarray(column).tobytes())
    return int.from_bytes(state.digest(), "big")
