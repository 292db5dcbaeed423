"""Which pairs are possible, and what each costs: candidates of every job, found as far out as needed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from geo.units import Ints
from matching.assignment import Candidates
from matching.bundles import add_bundles
from matching.costs import pair_terms
from matching.crowds import with_crowds_served
from matching.edges import Edges
from matching.eligibility import PASSES
from matching.problem import Bools, Gate, Problem, Solver
from matching.queue_lines import ask_lines
from matching.search import Pairs, Search, rank_in_job
from matching.widening import LARGEST_STEP, Look, widen

# How many times as many couriers who pass the filters each further step evaluates.
GROWTH = 4
# A pair with a route takes as long as some twenty without.
LARGEST_STEP_OF_ROUTES = LARGEST_STEP // 20


@dataclass(frozen=True, slots=True)
class Found:
    """What the filters leave that need no routes: ``lined_up`` of jobs whose queue zone has a line, and ``search`` of
    all other jobs, ``jobs``, in the order of their turn."""

    search: Search
    jobs: Ints
    lined_up: Pairs


def eligible_pairs(problem: Problem) -> Candidates:
    """The sparse candidate graph: for each job the nearest couriers who can take it, and the routes to share."""
    return with_costs(problem, nearest_pairs(problem))


def nearest_pairs(problem: Problem) -> Found:
    """Find the nearest couriers of each job who pass the filters that need no routes."""
    search = Search(problem)
    lined_up, jobs = ask_lines(search)
    search.extend(jobs, problem.candidates_per_job)
    return Found(search, jobs, lined_up)


def with_costs(problem: Problem, found: Found) -> Candidates:
    """Evaluate routes and costs. For a job without a courier who could be offered it now, couriers further away are
    looked at until there is one."""
    return _shared(problem, found) if problem.has_routes else _alone(problem, found)


def _alone(problem: Problem, found: Found) -> Candidates:
    """One job a courier; sorted by job, then cost."""
    search, later = found.search, problem.couriers.later
    if later.any():

        def look(jobs: Ints, wanted: int) -> tuple[Ints, int]:
            search.extend(jobs, wanted)
            return jobs[lacks(jobs)], wanted * GROWTH

        def lacks(jobs: Ints) -> Bools:
            pairs = search.found(jobs)
            now: Bools = _of_each(problem, pairs.job[~later[pairs.courier]])[jobs] > 0
            return search.may_have_more(jobs) & ~now

        _look_further(found, found.jobs[lacks(found.jobs)], look, LARGEST_STEP)
    pairs = search.found()
    if problem.solver is not Solver.GREEDY_NEAREST:
        pairs = with_crowds_served(search, found.jobs, pairs, found.lined_up)
    search.count(_of_each(problem, pairs.job))
    pairs = Pairs.joined([pairs, found.lined_up]) if found.lined_up.job.size else pairs
    terms = pair_terms(problem, pairs.job, pairs.courier, pairs.seconds)
    cost = terms.sum(axis=1)
    order = _by_cost(pairs.job, cost)
    return Candidates(
        pairs.job[order, None],
        pairs.courier[order],
        pairs.metres[order],
        pairs.seconds[order],
        terms[order],
        cost[order],
        search.gates,
        truncated=search.in_order(np.flatnonzero(search.truncated)),
    )


def _shared(problem: Problem, found: Found) -> Candidates:
    """All feasible edges, each with its cheapest route; sorted by first job, then cost."""
    search, routed = found.search, Routed(problem)
    routed.add(search.found())

    def look(jobs: Ints, wanted: int) -> tuple[Ints, int]:
        search.extend(jobs, wanted)
        routed.add(search.found(jobs))
        return jobs[lacks(jobs)], wanted * GROWTH

    def lacks(jobs: Ints) -> Bools:
        return search.may_have_more(jobs) & ~routed.served[jobs]

    _look_further(found, found.jobs[lacks(found.jobs)], look, LARGEST_STEP_OF_ROUTES)
    if problem.solver is not Solver.GREEDY_NEAREST:
        routed.add(with_crowds_served(search, found.jobs, routed.passing(), found.lined_up))
    search.count(routed.count)
    routed.add(found.lined_up)
    gates = search.gates + routed.refused
    # The baseline puts no jobs together: what a round falls back to must not spend time on bundles.
    if problem.sharing.jobs_per_offer > 1 and problem.solver is not Solver.GREEDY_NEAREST:
        add_bundles(problem, routed.edges)
    return replace(routed.edges.candidates(gates), truncated=search.in_order(np.flatnonzero(search.truncated)))


def _look_further(found: Found, lacking: Ints, look: Look, largest: int) -> None:
    search, wanted = found.search, found.search.problem.candidates_per_job * GROWTH
    search.truncated[widen(lacking, wanted, look, search.until, largest)] = True


class Routed:
    """Pairs with their routes. By job: ``served``, whether a courier with a feasible route can be offered it now;
    ``count`` of pairs; ``refused`` (jobs, filters), how many each filter of routes removed."""

    def __init__(self, problem: Problem) -> None:
        jobs = len(problem.jobs)
        self._problem = problem
        self.edges = Edges(problem)
        self.served = np.zeros(jobs, bool)
        self.count = np.zeros(jobs, np.int64)
        self.refused = np.zeros((jobs, len(Gate)), np.int64)
        self._keys = np.zeros(0, np.int64)
        self._passing: list[Pairs] = []

    def passing(self) -> Pairs:
        """Return the pairs so far for which there is a feasible route."""
        return Pairs.joined(self._passing)

    def add(self, pairs: Pairs) -> None:
        """Evaluate the pairs that are new."""
        keys = pairs.job * len(self._problem.couriers) + pairs.courier
        if self._keys.size:
            new = ~np.isin(keys, self._keys)
            pairs, keys = pairs.part(new), keys[new]
        if not keys.size:
            return
        self._keys = np.concatenate([self._keys, keys])
        _, code = self.edges.evaluate(pairs.job[:, None], pairs.courier)
        passes = code == PASSES
        self._passing.append(pairs.part(passes))
        self.served[pairs.job[passes & ~self._problem.couriers.later[pairs.courier]]] = True
        self.count += _of_each(self._problem, pairs.job)
        np.add.at(self.refused, (pairs.job[~passes], code[~passes]), 1)


def _of_each(problem: Problem, job: Ints) -> Ints:
    """Shape (jobs,): how many pairs each job has."""
    return np.bincount(job, minlength=len(problem.jobs))


def _by_cost(job: Ints, cost: Ints) -> Ints:
    """Return the order by job, then cost, then nearness, in which the pairs of each job come."""
    if not job.size:
        return job
    order = np.argsort(job, kind="stable")
    sorted_job = job[order]
    rank = rank_in_job(sorted_job)
    table = np.full((int(sorted_job[-1]) + 1, int(rank.max()) + 1), np.iinfo(np.int64).max)
    table[sorted_job, rank] = cost[order]
    ranks = np.argsort(table, axis=1, kind="stable")
    starts = np.searchsorted(sorted_job, np.arange(table.shape[0]))
    places: Ints = (starts[:, None] + ranks)[np.take_along_axis(table, ranks, axis=1) < np.iinfo(np.int64).max]
    return order[places]
