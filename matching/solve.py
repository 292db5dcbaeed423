"""One round: candidates, costs, solver, answer. A pure function of the problem."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from geo.units import Ints
from matching import greedy, min_cost_flow
from matching.assignment import NOBODY, Assignment, Candidates
from matching.candidates import eligible_pairs
from matching.commitment import held
from matching.costs import unmatched_cost
from matching.lookahead import with_chains
from matching.prices import courier_prices
from matching.problem import Problem, Solver
from matching.set_partition import Columns, columns_of, select


@dataclass(frozen=True, slots=True)
class Choice:
    """Which edges were taken, the couriers' prices, and a proved lower bound of the total cost.

    ``planned`` (jobs,): who is to take a job after other work, or NOBODY; ``left`` (jobs,): what a job without an edge
    costs, planned or not.
    """

    edge_of: Ints
    price: Ints
    bound: int
    planned: Ints
    left: Ints


def solve(problem: Problem) -> Assignment:
    """Decide a round. Deterministic as long as the budget suffices: the same problem gives the same assignment."""
    began = perf_counter()
    candidates = eligible_pairs(problem)
    unmatched = unmatched_cost(problem)
    prepared = perf_counter()
    if problem.solver is Solver.GREEDY_NEAREST:
        choice = greedily(problem, candidates, unmatched)
    elif problem.sharing.lookahead_loads > 1:
        choice = choose_ahead(problem, candidates, unmatched)
    else:
        choice = choose(candidates, unmatched, len(problem.couriers), problem.budget_s)
    solved = perf_counter()
    answer = conclude(problem, candidates, choice)
    stages = {"candidates": prepared - began, "solver": solved - prepared, "answer": perf_counter() - solved}
    return replace(answer, stages_s=stages)


def fall_back(problem: Problem) -> Assignment:
    """The greedy answer to the same problem, for a round whose solver died or ran out of time."""
    return replace(solve(replace(problem, solver=Solver.GREEDY_NEAREST)), fell_back=True)


def choose(candidates: Candidates, unmatched: Ints, couriers: int, budget_s: float) -> Choice:
    """Least total cost: as a flow over single jobs, and from there by set partitioning where some edges are more."""
    flow = one_each(candidates, unmatched, couriers)
    if candidates.single().all():
        return flow
    columns = columns_of(candidates, unmatched, candidates.jobs.shape[1])
    return _partitioned(candidates, columns, unmatched, couriers, flow, budget_s)


def choose_ahead(problem: Problem, candidates: Candidates, unmatched: Ints) -> Choice:
    """As ``choose``, with what each courier could do after the next load in mind."""
    columns = with_chains(problem, candidates, unmatched)
    flow = one_each(candidates, unmatched, len(problem.couriers))
    return _partitioned(candidates, columns, unmatched, len(problem.couriers), flow, problem.budget_s)


def one_each(candidates: Candidates, unmatched: Ints, couriers: int) -> Choice:
    """The least-cost choice of single jobs, one a courier."""
    single = np.flatnonzero(candidates.single())
    job, courier, cost = candidates.job[single], candidates.courier[single], candidates.cost[single]
    edge_of = min_cost_flow.solve(job, courier, cost, unmatched)
    total = np.where(edge_of == NOBODY, unmatched, cost[edge_of] if cost.size else 0).sum()
    price = courier_prices(job, courier, cost, unmatched, edge_of, couriers)
    chosen = np.where(edge_of == NOBODY, NOBODY, single[edge_of] if single.size else NOBODY)
    return Choice(chosen, price, int(total), np.full(unmatched.size, NOBODY), unmatched)


def _partitioned(
    candidates: Candidates,
    columns: Columns,
    unmatched: Ints,
    couriers: int,
    flow: Choice,
    budget_s: float,
) -> Choice:
    """By set partitioning, from the flow's answer on."""
    alone = (columns.jobs != NOBODY).sum(axis=1) == 1
    start = alone & np.isin(columns.edge, flow.edge_of[flow.edge_of != NOBODY])
    selection = select(columns, unmatched.size, couriers, start, budget_s)
    edge_of, planned = np.full(unmatched.size, NOBODY, np.int64), np.full(unmatched.size, NOBODY, np.int64)
    later = unmatched.copy()
    for column in selection.chosen.tolist():
        edge = int(columns.edge[column])
        now = candidates.members(edge)
        then = [job for job in columns.jobs[column].tolist() if job != NOBODY and job not in now]
        edge_of[now] = edge
        if then:
            planned[then] = columns.courier[column]
            # What the jobs that follow cost together, in equal parts; the first bears the rest of the division.
            whole = int(unmatched[[*now, *then]].sum() - columns.saved[column] - candidates.cost[edge])
            later[then] = whole // len(then)
            later[then[0]] += whole % len(then)
    return Choice(edge_of, selection.price, int(unmatched.sum()) - selection.saves, planned, later)


def greedily(problem: Problem, candidates: Candidates, unmatched: Ints) -> Choice:
    """The baseline's choice; it has no prices, and proves nothing."""
    edge_of = greedy.solve(candidates, problem.jobs.age_s, len(problem.couriers))
    nobody = np.full(edge_of.size, NOBODY)
    return Choice(edge_of, np.zeros(len(problem.couriers), np.int64), -int(np.iinfo(np.int64).max), nobody, unmatched)


def conclude(problem: Problem, candidates: Candidates, choice: Choice) -> Assignment:
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
        cost=_shares(candidates, choice.left, edge),
        held=held(problem, candidates, edge),
        planned=choice.planned,
        price=choice.price,
        candidates=candidates,
        digest=digest(candidates),
        bound=choice.bound,
    )


def _shares(candidates: Candidates, left: Ints, edge: Ints) -> Ints:
    """Each job's part of its edge's cost (the first job bears the rest of the division), or of being left."""
    cost = left.copy()
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
