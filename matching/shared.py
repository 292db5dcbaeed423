"""Edges of shared routes: a job into the plan of a courier under way, and several jobs together for an idle one."""

from __future__ import annotations

import numpy as np

from geo.units import Ints
from matching.assignment import TERMS, Candidates, Routes
from matching.bundles import NEVER, add_bundles
from matching.problem import NOBODY, Gate, Insertion, Problem, Solver
from matching.routes import BestRoutes, best_routes


def shared_edges(problem: Problem, job: Ints, courier: Ints, gates: Ints) -> Candidates:
    """All feasible edges over eligible pairs, each with its cheapest route; sorted by first job, then cost."""
    edges = Edges(problem)
    edges.add(job[:, None], courier)
    alone = edges.parts[:]
    kept = np.zeros(len(problem.jobs), np.int64)
    for jobs, _, _ in alone:
        kept += np.bincount(jobs[:, 0], minlength=len(problem.jobs))
    gates[:, Gate.PROMISE] += np.bincount(job, minlength=len(problem.jobs)) - kept
    # The baseline puts no jobs together: what a round falls back to must not spend time on bundles.
    if problem.sharing.jobs_per_offer > 1 and problem.solver is not Solver.GREEDY_NEAREST:
        add_bundles(problem, edges)
    return edges.candidates(gates)


class Edges:
    """Edges in portions, each of equal numbers of jobs and stops."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        # jobs (P, m), courier (P,), routes
        self.parts: list[tuple[Ints, Ints, BestRoutes]] = []

    def add(self, jobs: Ints, courier: Ints) -> Ints:
        """Evaluate sets of new jobs (P, m) with couriers (P,), and keep what is feasible: what each costs, or NEVER."""
        cost = np.full(courier.size, NEVER)
        plans, sharing = self.problem.couriers.plans, self.problem.sharing
        length = plans.lengths[courier]
        may_reorder = plans.reorder[courier] & (length > 0) & (sharing.insertion is Insertion.REORDER)
        for key in np.unique(2 * length + may_reorder).tolist():
            of_key = np.flatnonzero(2 * length + may_reorder == key)
            insertion = sharing.insertion
            if insertion is Insertion.REORDER and not key % 2:
                insertion = Insertion.INSERT
            routes = best_routes(self.problem, courier[of_key], jobs[of_key], insertion)
            good = np.flatnonzero(routes.feasible)
            if good.size:
                kept = _chosen(routes, good)
                self.parts.append((jobs[of_key[good]], courier[of_key[good]], kept))
                cost[of_key[good]] = kept.terms.sum(axis=1)
        return cost

    def candidates(self, gates: Ints) -> Candidates:
        width = max((jobs.shape[1] for jobs, _, _ in self.parts), default=1)
        wide = [np.pad(jobs, ((0, 0), (0, width - jobs.shape[1])), constant_values=NOBODY) for jobs, _, _ in self.parts]
        columns = [(courier, r.metres, r.seconds, r.terms) for _, courier, r in self.parts]
        if not columns:
            return _empty(gates)
        jobs = np.concatenate(wide)
        courier, metres, seconds, terms = (np.concatenate(column) for column in zip(*columns, strict=True))
        cost = terms.sum(axis=1)
        order = np.lexsort((*jobs.T[:0:-1], courier, cost, jobs[:, 0]))
        return Candidates(
            jobs[order],
            courier[order],
            metres[order],
            seconds[order],
            terms[order],
            cost[order],
            gates,
            _routes([r for _, _, r in self.parts], order),
        )


def _chosen(routes: BestRoutes, rows: Ints) -> BestRoutes:
    return BestRoutes(
        routes.feasible[rows],
        routes.stop[rows],
        routes.moment_s[rows],
        routes.terms[rows],
        routes.metres[rows],
        routes.seconds[rows],
    )


def _routes(parts: list[BestRoutes], order: Ints) -> Routes:
    """The parts' routes, one after the other, in the order of the edges."""
    lengths = np.concatenate([np.full(len(part.feasible), part.stop.shape[1]) for part in parts])
    flat_stop = np.concatenate([part.stop.ravel() for part in parts])
    flat_moment = np.concatenate([part.moment_s.ravel() for part in parts])
    begin = np.concatenate([[0], np.cumsum(lengths)])[:-1][order]
    lengths = lengths[order]
    first = np.concatenate([[0], np.cumsum(lengths)])
    at = np.repeat(begin - first[:-1], lengths) + np.arange(first[-1])
    return Routes(first, flat_stop[at], flat_moment[at])


def _empty(gates: Ints) -> Candidates:
    nothing, none = np.zeros(0, np.int64), np.zeros(0)
    routes = Routes(np.zeros(1, np.int64), nothing, none)
    terms = np.zeros((0, len(TERMS)), np.int64)
    return Candidates(np.zeros((0, 1), np.int64), nothing, none, none, terms, nothing, gates, routes)
