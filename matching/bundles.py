"""Jobs that go together, for couriers without a plan: which bundles, and with whom, is asked where prices promise gain.

Each bundle is routed for the courier who suits it best. For all others its cost follows nearly from what its jobs cost
one by one, and the linear relaxation's prices tell which of them are worth a route of their own (column generation;
Desaulniers, Desrosiers, Solomon, 2005). So the work grows with the choices that matter, not with all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from geo.units import Floats, Ints
from matching.costs import unmatched_cost
from matching.edges import NEVER, Edges
from matching.groups import first_of_each
from matching.problem import NOBODY, Bools, Problem
from matching.relaxation import Relaxation, Relaxed, columns_of

# Of a job's possible companions, the nearest in space and time are tried.
COMPANIONS = 12
# Of all bundles of three and more that a job could be in, the most promising.
BUNDLES_PER_JOB = 12
# Rounds of pricing, and how many routes each may ask for: a bundle's, and a courier's.
PRICING_ROUNDS = 4
ROUTES_PER_BUNDLE, ROUTES_PER_COURIER = 3, 15
# No further round after so much of the time that the choice may take, on top of it.
PRICING_TIME = 0.5


def add_bundles(problem: Problem, edges: Edges) -> None:
    """Edges of several new jobs, added to those of single jobs."""
    singles = Singles(problem, edges)
    pairs, gain = np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    families: list[Family] = []
    bundles = companions(problem)
    while len(bundles):
        family = Family.of(singles, edges, bundles)
        if family is None:
            break
        families.append(family)
        if family.jobs.shape[1] == 2:
            pairs, gain = family.jobs, family.gain
        if family.jobs.shape[1] == problem.sharing.jobs_per_offer:
            break
        bundles = _grown(family.jobs, pairs, gain)
    if families:
        _price(problem, edges, families)


def _price(problem: Problem, edges: Edges, families: list[Family]) -> None:
    """Route bundles with those couriers for whom it may pay at the prices of the relaxation, until none is left."""
    unmatched, width = unmatched_cost(problem), problem.sharing.jobs_per_offer
    columns = [
        columns_of(jobs, courier, routes.terms.sum(axis=1), unmatched, width) for jobs, courier, routes in edges.parts
    ]
    joined = columns[0]
    for more in columns[1:]:
        joined = joined.joined(more)
    relaxation = Relaxation(joined, len(problem.jobs), len(problem.couriers))
    until = perf_counter() + PRICING_TIME * problem.budget_s
    for _ in range(PRICING_ROUNDS):
        if perf_counter() > until:
            return
        relaxed, found = relaxation.solve(), 0
        for family in families:
            pick = family.promising(unmatched, relaxed)
            if pick.size:
                jobs, courier = family.jobs[family.row[pick]], family.courier[pick]
                more = columns_of(jobs, courier, edges.add(jobs, courier), unmatched, width)
                found += len(more)
                relaxation.join(more)
        if not found:
            return


class Singles:
    """Single jobs that couriers without a plan could take, and at what cost.

    Without jobs of the queue in which a courier stands: these are offered one by one, so that nobody in line is passed
    over because somebody behind takes two.
    """

    def __init__(self, problem: Problem, edges: Edges) -> None:
        from scipy.sparse import csr_array

        idle = problem.couriers.plans.lengths == 0
        self._shape = (len(problem.jobs), len(problem.couriers))
        nothing = np.zeros(0, np.int64)
        job = np.concatenate([nothing, *(jobs[:, 0] for jobs, _, _ in edges.parts)])
        courier = np.concatenate([nothing, *(couriers for _, couriers, _ in edges.parts)])
        cost = np.concatenate([nothing, *(routes.terms.sum(axis=1) for _, _, routes in edges.parts)])
        zone = problem.jobs.queue_zone[job]
        in_line = (zone != NOBODY) & (problem.couriers.queue_zone[courier] == zone)
        keep = idle[courier] & ~in_line
        job, courier, cost = job[keep], courier[keep], cost[keep]
        order = np.lexsort((courier, job))
        self._keys = job[order] * self._shape[1] + courier[order]
        self._cost = cost[order]
        self._able = csr_array((np.ones(job.size, np.int8), (job, courier)), shape=self._shape)

    def able(self, bundles: Ints) -> tuple[Ints, Ints]:
        """(row of the bundle, courier): who could take each of the bundle's jobs alone; by row, then courier."""
        together = self._able[bundles[:, 0]]
        for member in range(1, bundles.shape[1]):
            together = together.multiply(self._able[bundles[:, member]])
        found = together.tocsr()
        found.sort_indices()
        row = np.repeat(np.arange(len(bundles)), np.diff(found.indptr))
        return row, found.indices.astype(np.int64)

    def cost(self, jobs: Ints, courier: Ints) -> Ints:
        """Shape (P,): what the jobs (P, m) cost in sum, if the courier took each alone."""
        keys = jobs * self._shape[1] + courier[:, None]
        total: Ints = self._cost[np.searchsorted(self._keys, keys)].sum(axis=1)
        return total


@dataclass(slots=True)
class Family:
    """Bundles of equal size: ``jobs`` (B, m) ascending; ``gain`` (B,) what its best courier saves by serving the jobs
    together; ``row``, ``courier``, ``guess`` (P,) who could take which at about what cost; ``routed`` (P,) where it is
    known."""

    jobs: Ints
    gain: Ints
    row: Ints
    courier: Ints
    guess: Ints
    routed: Bools

    @classmethod
    def of(cls, singles: Singles, edges: Edges, bundles: Ints) -> Family | None:
        """With a route of each bundle for the courier who suits it best; None where no bundle can be served."""
        row, courier = singles.able(bundles)
        if not row.size:
            return None
        alone = singles.cost(bundles[row], courier)
        best = first_of_each(1, row, alone)
        cost = edges.add(bundles[row[best]], courier[best])
        best, cost = best[cost < NEVER], cost[cost < NEVER]
        if not best.size:
            return None
        # Bundles that nobody can serve are left out, and the others numbered anew.
        number = np.full(len(bundles), NOBODY)
        number[row[best]] = np.arange(best.size)
        gain = alone[best] - cost
        done = np.zeros(row.size, bool)
        done[best] = True
        kept = number[row] != NOBODY
        of_kept = number[row[kept]]
        return cls(bundles[row[best]], gain, of_kept, courier[kept], alone[kept] - gain[of_kept], done[kept])

    def promising(self, unmatched: Ints, relaxed: Relaxed) -> Ints:
        """Pairs without a route that seem worth one at these prices, the best of each bundle and each courier."""
        worth: Floats = (unmatched - relaxed.job_price)[self.jobs].sum(axis=1)
        reduced = worth[self.row] - self.guess - relaxed.courier_price[self.courier]
        pick = np.flatnonzero(~self.routed & (reduced > 0))
        for of, most in ((self.row, ROUTES_PER_BUNDLE), (self.courier, ROUTES_PER_COURIER)):
            pick = pick[first_of_each(most, of[pick], -reduced[pick])]
        pick = np.sort(pick)
        self.routed[pick] = True
        return pick


def companions(problem: Problem) -> Ints:
    """Shape (n, 2), ascending: pairs of jobs near enough in space and time, each with its nearest companions."""
    from scipy.spatial import cKDTree

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
    near = both[first_of_each(COMPANIONS, both[:, 0], np.concatenate([closeness, closeness]), both[:, 1])]
    companions: Ints = np.unique(np.sort(near, axis=1), axis=0).reshape(-1, 2)
    return companions


def _grown(bundles: Ints, pairs: Ints, gain: Ints) -> Ints:
    """Bundles with one more job, of which any two are companions; members ascending.

    Each job keeps those of its bundles in which the pairs gain most in sum.
    """
    row, more = _extensions(bundles, pairs)
    width = int(pairs.max()) + 1
    known = pairs[:, 0] * width + pairs[:, 1]
    total = np.zeros(row.size, np.int64)
    possible = np.ones(row.size, bool)
    for slot in range(bundles.shape[1]):
        key = bundles[row, slot] * width + more
        at = np.minimum(np.searchsorted(known, key), known.size - 1)
        possible &= known[at] == key
        total += gain[at]
    longer: Ints = np.concatenate([bundles[row], more[:, None]], axis=1)[possible]
    total = total[possible]
    kept = np.zeros(len(longer), bool)
    for slot in range(longer.shape[1]):
        kept[first_of_each(BUNDLES_PER_JOB, longer[:, slot], -total)] = True
    return longer[kept]


def _extensions(bundles: Ints, pairs: Ints) -> tuple[Ints, Ints]:
    """(row of the bundle, job): each bundle with each later companion of its last job; ``pairs`` ascending."""
    start = np.searchsorted(pairs[:, 0], bundles[:, -1])
    count = np.searchsorted(pairs[:, 0], bundles[:, -1], side="right") - start
    row = np.repeat(np.arange(len(bundles)), count)
    offset = np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    return row, pairs[np.repeat(start, count) + offset, 1]
