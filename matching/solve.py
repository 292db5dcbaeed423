"""One round: candidates, costs, a first choice, a better one, answer. A pure function of the problem."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from geo.units import Ints
from matching import greedy, min_cost_flow
from matching.assignment import NOBODY, Assignment, Candidates
from matching.candidates import nearest_pairs, with_costs
from matching.commitment import held
from matching.components import components, portions
from matching.leaving import leaving_cost
from matching.lookahead import with_chains
from matching.prices import courier_prices
from matching.problem import Problem, Solver
from matching.relaxation import Relaxation, columns_of
from matching.set_partition import select

# Smaller rounds are not worth the way to other processes: edges, of one job each and of several.
SPLIT_FROM, SPLIT_SHARED_FROM = 50_000, 2_000


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


@dataclass(frozen=True, slots=True)
class Prepared:
    """A round before its best choice: ``first`` is one that will do, or None where each portion is yet to be solved;
    ``portions`` of edges that can be improved apart from one another, none where the first choice is the best."""

    candidates: Candidates
    unmatched: Ints
    first: Choice | None
    portions: list[Ints]
    stages_s: dict[str, float]


def solve(problem: Problem) -> Assignment:
    """Decide a round. Deterministic as long as the budget suffices: the same problem gives the same assignment."""
    prepared = prepare(problem)
    began = perf_counter()
    choices = [improve(problem, prepared.candidates, prepared.unmatched) for _ in prepared.portions]
    choice = merged(prepared, choices)
    return conclude(problem, prepared, choice, perf_counter() - began)


def fall_back(problem: Problem) -> Assignment:
    """The greedy answer to the same problem, for a round whose solver died or ran out of time."""
    return replace(solve(replace(problem, solver=Solver.GREEDY_NEAREST)), fell_back=True)


def prepare(problem: Problem, processes: int = 1) -> Prepared:
    """Candidates, costs and a first choice; in up to ``processes`` portions, where the round is large."""
    began = perf_counter()
    pairs = nearest_pairs(problem)
    found = perf_counter()
    candidates = with_costs(problem, pairs)
    unmatched = leaving_cost(problem, candidates)
    ready = perf_counter()
    one_job_each = bool(candidates.single().all())
    ahead = problem.sharing.lookahead_loads > 1
    parts = [np.arange(len(candidates))]
    if processes > 1 and not ahead and len(candidates) >= (SPLIT_FROM if one_job_each else SPLIT_SHARED_FROM):
        parts = portions(components(candidates, len(problem.jobs), len(problem.couriers)), processes)
    first = None
    if problem.solver is Solver.GREEDY_NEAREST:
        first, parts = greedily(problem, candidates, unmatched), []
    elif not one_job_each or ahead or len(parts) == 1:
        first = one_each(candidates, unmatched, len(problem.couriers))
        parts = [] if one_job_each and not ahead else parts
    chosen = perf_counter()
    if first is not None and not parts and problem.solver is Solver.MIN_COST_FLOW:
        first = with_prices(candidates, unmatched, first)
    moments = (began, found, ready, chosen, perf_counter())
    stages = dict(zip(("nearest", "costs", "flow", "prices"), np.diff(moments).tolist(), strict=True))
    return Prepared(candidates, unmatched, first, parts, stages)


def improve(problem: Problem, candidates: Candidates, unmatched: Ints) -> Choice:
    """The best choice among all edges, or among those of a portion."""
    if problem.sharing.lookahead_loads > 1:
        return choose_ahead(problem, candidates, unmatched)
    return choose(candidates, unmatched, len(problem.couriers), problem.budget_s)


def choose(candidates: Candidates, unmatched: Ints, couriers: int, budget_s: float) -> Choice:
    """Least total cost: as a flow over single jobs, and from there by set partitioning where some edges are more."""
    flow = one_each(candidates, unmatched, couriers)
    if candidates.single().all():
        return with_prices(candidates, unmatched, flow)
    columns = columns_of(candidates.jobs, candidates.courier, candidates.cost, unmatched, candidates.jobs.shape[1])
    return _partitioned(candidates, Relaxation(columns, unmatched.size, couriers), unmatched, flow, budget_s)


def choose_ahead(problem: Problem, candidates: Candidates, unmatched: Ints) -> Choice:
    """As ``choose``, with what each courier could do after the next load in mind."""
    began = perf_counter()
    relaxation = with_chains(problem, candidates, unmatched)
    flow = one_each(candidates, unmatched, len(problem.couriers))
    return _partitioned(candidates, relaxation, unmatched, flow, problem.budget_s - (perf_counter() - began))


def one_each(candidates: Candidates, unmatched: Ints, couriers: int) -> Choice:
    """The least-cost choice of single jobs, one a courier; without prices."""
    single = np.flatnonzero(candidates.single())
    job, courier, cost = candidates.job[single], candidates.courier[single], candidates.cost[single]
    edge_of = min_cost_flow.solve(job, courier, cost, unmatched)
    total = np.where(edge_of == NOBODY, unmatched, cost[edge_of] if cost.size else 0).sum()
    chosen = np.where(edge_of == NOBODY, NOBODY, single[edge_of] if single.size else NOBODY)
    return Choice(chosen, np.zeros(couriers, np.int64), int(total), _nobody(unmatched), unmatched)


def with_prices(candidates: Candidates, unmatched: Ints, flow: Choice) -> Choice:
    """The prices of couriers at a least-cost choice of single jobs, of which all candidates are."""
    edges = candidates.job, candidates.courier, candidates.cost
    return replace(flow, price=courier_prices(*edges, unmatched, flow.edge_of, flow.price.size))


def greedily(problem: Problem, candidates: Candidates, unmatched: Ints) -> Choice:
    """The baseline's choice; it has no prices, and proves nothing."""
    couriers = len(problem.couriers)
    edge_of = greedy.solve(candidates, problem.jobs.age_s, couriers)
    return Choice(edge_of, np.zeros(couriers, np.int64), -int(np.iinfo(np.int64).max), _nobody(unmatched), unmatched)


def _nobody(unmatched: Ints) -> Ints:
    return np.full(unmatched.size, NOBODY, np.int64)


def _partitioned(
    candidates: Candidates, relaxation: Relaxation, unmatched: Ints, flow: Choice, budget_s: float
) -> Choice:
    """By set partitioning, from the flow's answer on."""
    columns = relaxation.columns
    alone = (columns.jobs != NOBODY).sum(axis=1) == 1
    start = alone & np.isin(columns.edge, flow.edge_of[flow.edge_of != NOBODY])
    selection = select(relaxation, flow.price.size, start, budget_s)
    edge_of, planned, left = _nobody(unmatched), _nobody(unmatched), unmatched.copy()
    for column in selection.chosen.tolist():
        edge = int(columns.edge[column])
        now = candidates.members(edge)
        then = [job for job in columns.jobs[column].tolist() if job != NOBODY and job not in now]
        edge_of[now] = edge
        if then:
            planned[then] = columns.courier[column]
            # What the jobs that follow cost together, in equal parts; the first bears the rest of the division.
            whole = int(unmatched[[*now, *then]].sum() - columns.saved[column] - candidates.cost[edge])
            left[then] = whole // len(then)
            left[then[0]] += whole % len(then)
    _serve_the_rest(candidates, unmatched, edge_of, planned)
    return Choice(edge_of, selection.price, int(unmatched.sum()) - selection.saves, planned, left)


def _serve_the_rest(candidates: Candidates, unmatched: Ints, edge_of: Ints, planned: Ints) -> None:
    """Match jobs that are left with couriers who are not chosen: a selection may end early, when its time is up."""
    taken = np.zeros(int(candidates.courier.max(initial=0)) + 1, bool)
    taken[candidates.courier[edge_of[edge_of != NOBODY]]] = True
    is_left = (edge_of == NOBODY) & (planned == NOBODY)
    open_ = np.flatnonzero(is_left[candidates.job] & ~taken[candidates.courier] & candidates.single())
    if open_.size:
        chosen = min_cost_flow.solve(
            candidates.job[open_], candidates.courier[open_], candidates.cost[open_], unmatched
        )
        found = chosen != NOBODY
        edge_of[found] = open_[chosen[found]]


def merged(prepared: Prepared, choices: list[Choice]) -> Choice:
    """The choices of all portions as one; the first choice where there are none."""
    if not choices:
        assert prepared.first is not None, "a round without portions has a first choice"
        return prepared.first
    if len(choices) == 1:
        return choices[0]
    edge_of, planned, left = _nobody(prepared.unmatched), _nobody(prepared.unmatched), prepared.unmatched.copy()
    price, bound = np.zeros_like(choices[0].price), int(prepared.unmatched.sum())
    for edges, choice in zip(prepared.portions, choices, strict=True):
        mine = choice.edge_of != NOBODY
        edge_of[mine] = edges[choice.edge_of[mine]]
        price = np.maximum(price, choice.price)
        bound += choice.bound - int(prepared.unmatched.sum())
    return Choice(edge_of, price, bound, planned, left)


def conclude(problem: Problem, prepared: Prepared, choice: Choice, improving_s: float = 0.0) -> Assignment:
    """The choice seen from jobs and from couriers."""
    began = perf_counter()
    candidates, edge = prepared.candidates, choice.edge_of
    matched = edge != NOBODY
    taken = np.full(len(problem.couriers), NOBODY, np.int64)
    taken[candidates.courier[edge[matched]]] = edge[matched]
    courier = np.full(edge.size, NOBODY, np.int64)
    courier[matched] = candidates.courier[edge[matched]]
    answer = Assignment(
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
    stages = {**prepared.stages_s, "best_choice": improving_s, "answer": perf_counter() - began}
    return replace(answer, stages_s=stages)


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
