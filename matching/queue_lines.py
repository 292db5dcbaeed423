"""Queue zones: the couriers who are first in line and can take the jobs of the zone.

As many couriers are chosen as jobs can be served by the line. A courier whom a filter removes for every job is passed
over, and keeps the place. Of all sets of couriers who can serve these jobs together, the chosen set has the first in
line: whether a courier joins it is decided in the order of the line, by an augmenting path (transversal matroid;
Edmonds and Fulkerson, "Transversals and matroid partition", 1965).
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from geo.units import Floats, Ints
from matching.edges import Edges
from matching.eligibility import PASSES, Codes
from matching.problem import NOBODY, Bools, Gate, Problem
from matching.search import Pairs, Search
from matching.widening import LARGEST_STEP

# Couriers of a line that are looked at together, at least.
FEWEST = 32
# In the place of a filter: what the job needs has removed the courier, and has been counted.
NOT_ABLE = np.int8(-2)


def ask_lines(search: Search) -> tuple[Pairs, Ints]:
    """Return the candidates of jobs in queue zones, and the jobs that are open to all couriers, in the order of turn.

    A job is open to all where nobody who stands in line can take it. Counts the filters of the other jobs.
    """
    problem = search.problem
    jobs = search.in_order(np.arange(len(problem.jobs)))
    zone_of = problem.jobs.queue_zone[jobs]
    pairs, is_open = [], np.ones(len(problem.jobs), bool)
    zones = set(zone_of.tolist()) & set(problem.couriers.queue_zone.tolist()) - {NOBODY}
    for zone in sorted(zones):
        line = Line(search, jobs[zone_of == zone], zone)
        line.walk()
        pairs.append(line.candidates())
        is_open[line.jobs[line.keeps]] = False
    return Pairs.joined(pairs), jobs[is_open[jobs]]


class Line:
    """The line of a zone beside the zone's jobs, walked until every job is served or the line ends."""

    def __init__(self, search: Search, jobs: Ints, zone: int) -> None:
        couriers = search.problem.couriers
        self._search = search
        self.jobs = jobs
        standing = np.flatnonzero(couriers.queue_zone == zone)
        self._line = standing[np.argsort(couriers.queue_rank[standing], kind="stable")]
        # By job and place in line, as far as was walked: the filter that removes the pair, and the way to the pickup.
        self._code: Codes = np.zeros((jobs.size, 0), np.int8)
        self._metres: Floats = np.zeros((jobs.size, 0))
        self._seconds: Floats = np.zeros((jobs.size, 0))
        # By job: the place in line that serves it, or NOBODY.
        self._place = np.full(jobs.size, NOBODY)
        # Jobs from which no path leads to a job without a courier; none ever will (see ``_join``).
        self._closed = np.zeros(jobs.size, bool)

    def walk(self) -> None:
        """Look at the couriers in the order of the line. Where the time ends first, the other jobs are cut off."""
        size = max(FEWEST, min(self.jobs.size, LARGEST_STEP // self.jobs.size))
        for start in range(0, self._line.size, size):
            if start and perf_counter() > self._search.until:
                self._search.truncated[self.jobs[self._place == NOBODY]] = True
                break
            self._look(self._line[start : start + size])
            for place in range(start, self._code.shape[1]):
                self._join(place)
            if (self._place != NOBODY).all():
                break

    @property
    def keeps(self) -> Bools:
        """Shape (jobs,): whether only couriers in line are asked, because one of them can take the job."""
        found: Bools = (self._code == PASSES).any(axis=1) | self._search.truncated[self.jobs]
        return found

    def candidates(self) -> Pairs:
        """Return the pairs of each job with the chosen couriers who can take it, and count the others by filter."""
        keeps = np.flatnonzero(self.keeps)
        chosen = np.unique(self._place[self._place != NOBODY])
        code = self._code[keeps]
        passes = code[:, chosen] == PASSES
        far = np.where(passes, self._seconds[keeps][:, chosen], np.inf)
        # The courier by whom the job is served is always compared, so that all jobs can be served together.
        far[chosen == self._place[keeps][:, None]] = -1.0
        nearest = np.argsort(far, axis=1, kind="stable")[:, : self._search.problem.candidates_per_job]
        row, rank = np.nonzero(np.take_along_axis(passes, nearest, axis=1))
        place = chosen[nearest[row, rank]]
        job = self.jobs[keeps]
        gates = self._search.gates
        for gate in Gate:
            gates[job, gate] += (code == gate).sum(axis=1)
        behind = passes.sum(axis=1) - np.bincount(row, minlength=keeps.size)
        rest = self._search.able.count[job] - (code >= 0).sum(axis=1) - passes.sum(axis=1)
        gates[job, Gate.NEAREST] += behind
        cut_off = self._search.truncated[job]
        gates[job, Gate.QUEUE] += np.where(cut_off, 0, rest)
        gates[job, Gate.TRUNCATED] += np.where(cut_off, rest, 0)
        at = keeps[row], place
        return Pairs(job[row], self._line[place], self._metres[at], self._seconds[at])

    def _look(self, couriers: Ints) -> None:
        """Evaluate all jobs with the next couriers of the line."""
        search, shape = self._search, (self.jobs.size, couriers.size)
        row, column = np.nonzero(search.able.has(self.jobs[:, None], couriers))
        checked = search.filters.check(self.jobs[row], couriers[column])
        code = _with_routes(search.problem, self.jobs[row], couriers[column], checked.code)
        grid, metres, seconds = np.full(shape, NOT_ABLE), np.zeros(shape), np.zeros(shape)
        grid[row, column], metres[row, column], seconds[row, column] = code, checked.metres, checked.seconds
        self._code = np.concatenate([self._code, grid], axis=1)
        self._metres = np.concatenate([self._metres, metres], axis=1)
        self._seconds = np.concatenate([self._seconds, seconds], axis=1)

    def _join(self, place: int) -> None:
        """Let the courier at a place serve a job, where the couriers before can change jobs so that all still serve.

        A search by breadth for a job without a courier. All jobs that a search without success reaches are served by
        couriers who can take only these jobs: no later search needs to look at them.
        """
        came_from: dict[int, int] = {}
        places = [place]
        for here in places:
            for job in np.flatnonzero((self._code[:, here] == PASSES) & ~self._closed).tolist():
                if job in came_from:
                    continue
                came_from[job] = here
                if self._place[job] == NOBODY:
                    self._change(job, place, came_from)
                    return
                places.append(int(self._place[job]))
        self._closed[list(came_from)] = True

    def _change(self, job: int, place: int, came_from: dict[int, int]) -> None:
        """Give the job to the courier from whom it was reached, that courier's job to the next, up to ``place``."""
        while True:
            here = came_from[job]
            before = np.flatnonzero(self._place == here)
            self._place[job] = here
            if here == place:
                return
            job = int(before[0])


def _with_routes(problem: Problem, job: Ints, courier: Ints, code: Codes) -> Codes:
    """Evaluate the routes of couriers with a plan as well."""
    planned = np.flatnonzero((code == PASSES) & (problem.couriers.plans.lengths[courier] > 0))
    if planned.size:
        _, code[planned] = Edges(problem).evaluate(job[planned, None], courier[planned])
    return code
