"""Edges with routes: a job in the plan of a courier, and several jobs together."""

from __future__ import annotations

import numpy as np

from geo.units import Ints
from matching.assignment import TERMS, Candidates, Routes
from matching.eligibility import PASSES, Codes
from matching.problem import NOBODY, Insertion, Problem
from matching.routes import BestRoutes, best_routes

# The cost of what cannot be done.
NEVER = np.iinfo(np.int64).max


class Edges:
    """Edges in portions, each of equal numbers of jobs and stops."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        # jobs (P, m), courier (P,), routes
        self.parts: list[tuple[Ints, Ints, BestRoutes]] = []

    def add(self, jobs: Ints, courier: Ints) -> Ints:
        """Evaluate sets of new jobs (P, m) with couriers (P,), and keep what is feasible: what each costs, or NEVER."""
        cost, _ = self.evaluate(jobs, courier)
        return cost

    def evaluate(self, jobs: Ints, courier: Ints) -> tuple[Ints, Codes]:
        """As ``add``; also return the filter that each route fails, or PASSES."""
        cost, code = np.full(courier.size, NEVER), np.full(courier.size, PASSES, np.int8)
        plans, sharing = self.problem.couriers.plans, self.problem.sharing
        length = plans.lengths[courier]
        may_reorder = plans.reorder[courier] & (length > 0) & (sharing.insertion is Insertion.REORDER)
        for key in np.unique(2 * length + may_reorder).tolist():
            of_key = np.flatnonzero(2 * length + may_reorder == key)
            insertion = sharing.insertion
            if insertion is Insertion.REORDER and not key % 2:
                insertion = Insertion.INSERT
            routes = best_routes(self.problem, courier[of_key], jobs[of_key], insertion)
            code[of_key] = routes.code
            good = np.flatnonzero(routes.code == PASSES)
            if good.size:
                kept = _chosen(routes, good)
                self.parts.append((jobs[of_key[good]], courier[of_key[good]], kept))
                cost[of_key[good]] = kept.terms.sum(axis=1)
        return cost, code

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
        routes.code[rows],
        routes.stop[rows],
        routes.moment_s[rows],
        routes.terms[rows],
        routes.metres[rows],
        routes.seconds[rows],
    )


def _routes(parts: list[BestRoutes], order: Ints) -> Routes:
    """The parts' routes, one after the other, in the order of the edges."""
    lengths = np.concatenate([np.full(len(part.code), part.stop.shape[1]) for part in parts])
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
