"""Edges of shared routes: a job into the plan of a courier under way, and several jobs together for an idle one."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from geo.units import Ints
from matching.assignment import TERMS, Candidates, Routes
from matching.problem import NOBODY, Gate, Insertion, Problem
from matching.routes import BestRoutes, best_routes

# Of a job's possible companions, the nearest in space and time are tried.
COMPANIONS = 12
# And of a bundle's possible couriers, the best.
COURIERS_PER_BUNDLE = 6


def shared_edges(problem: Problem, job: Ints, courier: Ints, gates: Ints) -> Candidates:
    """All feasible edges over eligible pairs, each with its cheapest route; sorted by first job, then cost."""
    edges = _Edges(problem)
    edges.add(job[:, None], courier)
    alone = edges.parts[:]
    kept = np.zeros(len(problem.jobs), np.int64)
    for jobs, _, _ in alone:
        kept += np.bincount(jobs[:, 0], minlength=len(problem.jobs))
    gates[:, Gate.PROMISE] += np.bincount(job, minlength=len(problem.jobs)) - kept
    if problem.sharing.jobs_per_offer > 1:
        _add_bundles(problem, edges)
    return edges.candidates(gates)


class _Edges:
    """Edges in portions, each of equal numbers of jobs and stops."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        # jobs (P, m), courier (P,), routes
        self.parts: list[tuple[Ints, Ints, BestRoutes]] = []

    def add(self, jobs: Ints, courier: Ints) -> None:
        """Evaluate pairs, and keep the feasible ones."""
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
                self.parts.append((jobs[of_key[good]], courier[of_key[good]], _chosen(routes, good)))

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


def _add_bundles(problem: Problem, edges: _Edges) -> None:
    """Jobs that fit together, for the couriers without a plan who are the best for them one by one."""
    pairs = _companions(problem)
    able = _IdleEdges(problem, edges)
    bundles = pairs
    while len(bundles):
        row, courier = able.best(bundles)
        edges.add(bundles[row], courier)
        if bundles.shape[1] == problem.sharing.jobs_per_offer:
            return
        bundles = _grown(bundles, pairs)


class _IdleEdges:
    """Single jobs that couriers without a plan could take, and at what cost."""

    def __init__(self, problem: Problem, edges: _Edges) -> None:
        idle = problem.couriers.plans.lengths == 0
        self._shape = (len(problem.jobs), len(problem.couriers))
        nothing = np.zeros(0, np.int64)
        job = np.concatenate([nothing, *(jobs[:, 0] for jobs, _, _ in edges.parts)])
        courier = np.concatenate([nothing, *(couriers for _, couriers, _ in edges.parts)])
        cost = np.concatenate([nothing, *(routes.terms.sum(axis=1) for _, _, routes in edges.parts)])
        keep = idle[courier]
        job, courier, cost = job[keep], courier[keep], cost[keep]
        order = np.lexsort((courier, job))
        self._keys = job[order] * self._shape[1] + courier[order]
        self._cost = cost[order]
        self._able = csr_array((np.ones(job.size, np.int8), (job, courier)), shape=self._shape)

    def best(self, bundles: Ints) -> tuple[Ints, Ints]:
        """(row of the bundle, courier): for each bundle the couriers for whom its jobs alone cost least in sum."""
        together = self._able[bundles[:, 0]]
        for member in range(1, bundles.shape[1]):
            together = together.multiply(self._able[bundles[:, member]])
        found = together.tocoo()
        row, courier = found.row.astype(np.int64), found.col.astype(np.int64)
        keys = bundles[row] * self._shape[1] + courier[:, None]
        cost = self._cost[np.searchsorted(self._keys, keys)].sum(axis=1)
        order = np.lexsort((courier, cost, row))
        row, courier = row[order], courier[order]
        near = np.arange(row.size) - np.searchsorted(row, row) < COURIERS_PER_BUNDLE
        return row[near], courier[near]


def _companions(problem: Problem) -> Ints:
    """Shape (n, 2), ascending: pairs of jobs near enough in space and time, each with its nearest companions."""
    jobs, sharing = problem.jobs, problem.sharing
    points = problem.travel.embed(jobs.latitude, jobs.longitude)
    radius = problem.travel.radius(sharing.pickup_spread_s, problem.at_s)
    pairs = cKDTree(points).query_pairs(radius, output_type="ndarray").astype(np.int64)
    if not len(pairs):
        return np.zeros((0, 2), np.int64)
    apart = np.abs(jobs.ready_in_s[pairs[:, 0]] - jobs.ready_in_s[pairs[:, 1]])
    pairs, apart = pairs[apart <= sharing.ready_spread_s], apart[apart <= sharing.ready_spread_s]
    _, way = problem.travel.legs(
        jobs.to_latitude[pairs[:, 0]],
        jobs.to_longitude[pairs[:, 0]],
        jobs.to_latitude[pairs[:, 1]],
        jobs.to_longitude[pairs[:, 1]],
        problem.at_s,
    )
    closeness = apart + way
    both = np.concatenate([pairs, pairs[:, ::-1]])
    order = np.lexsort((both[:, 1], np.concatenate([closeness, closeness]), both[:, 0]))
    starts = np.searchsorted(both[order, 0], both[order, 0])
    near = both[order][np.arange(len(order)) - starts < COMPANIONS]
    companions: Ints = np.unique(np.sort(near, axis=1), axis=0).reshape(-1, 2)
    return companions


def _grown(bundles: Ints, pairs: Ints) -> Ints:
    """Bundles with one more job, of which any two are companions; members ascending."""
    known = {tuple(pair) for pair in pairs.tolist()}
    after: dict[int, list[int]] = {}
    for first, second in pairs.tolist():
        after.setdefault(first, []).append(second)
    rows = [
        (*bundle, more)
        for bundle in bundles.tolist()
        for more in after.get(bundle[-1], ())
        if all((member, more) in known for member in bundle)
    ]
    return np.array(rows, np.int64).reshape(-1, bundles.shape[1] + 1)
