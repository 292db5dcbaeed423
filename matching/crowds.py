"""Jobs that are more than the couriers compared for them: after a concert, all have the same nearest couriers.

A largest matching of jobs and couriers shows how many jobs would be left, whatever the choice. While these are more
than the next round can serve by the couriers that it compares, the search looks further for them. Fewer jobs wait for
that round: until then, couriers who are nearer may be free.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from geo.units import Ints
from matching.problem import NOBODY, Bools, Problem
from matching.search import Pairs, Search, rank_in_job
from matching.widening import LARGEST_STEP, widen

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# How many times as many couriers each further step looks at.
GROWTH = 2
# Pairs that one step looks at, at most: some 200 MB.
MOST_PAIRS = 2_000_000


def with_crowds_served(search: Search, jobs: Ints, pairs: Pairs, others: Pairs) -> Pairs:
    """Return ``pairs``, and the pairs of crowded jobs with couriers further away who can serve them in this round.

    ``pairs`` are the candidates of ``jobs``, which come in the order of their turn; ``others`` those of jobs that look
    no further. Each courier counts for one job, and none who is free only later; of those further away, only couriers
    without a plan, for whom the filters of pairs are complete. Jobs that the time cuts off are marked in
    ``search.truncated``.
    """
    if not _may_be_crowded(jobs, search.problem):
        return pairs
    crowds = Crowds(search, jobs, pairs, others)
    while (left := crowds.left()).size:
        if perf_counter() > search.until or not crowds.look_further(left):
            search.truncated[crowds.cut_off()] = True
            break
    return crowds.candidates()


def _may_be_crowded(jobs: Ints, problem: Problem) -> bool:
    """Return whether the jobs are more than the next round can serve by the couriers that it compares for one job."""
    return jobs.size > problem.candidates_per_job


class Crowds:
    """``place``, shape (jobs,): the courier who serves each job in a largest matching, or NOBODY."""

    def __init__(self, search: Search, jobs: Ints, pairs: Pairs, others: Pairs) -> None:
        count = len(search.problem.jobs)
        self._search, self._jobs, self._first, self._others = search, jobs, pairs, others
        couriers = search.problem.couriers
        self._now = ~couriers.later
        self._idle = self._now & (couriers.plans.lengths == 0)
        # Whether the search has looked further for each job than at first.
        self._further = np.zeros(count, bool)
        self._wide = Pairs.joined([])
        self.place = np.full(count, NOBODY)
        self._paths = np.zeros(count, bool)
        self._match()

    def left(self) -> Ints:
        """Return the jobs of crowds to look further for. Of these, the ones for which the search looked least far."""
        left = self._jobs[self.place[self._jobs] == NOBODY]
        more = left[self._search.may_have_more(left)]
        if not _may_be_crowded(more, self._search.problem):
            return np.zeros(0, np.int64)
        wanted = self._search.wanted[more]
        least: Ints = more[wanted == wanted.min()]
        return least

    def look_further(self, jobs: Ints) -> bool:
        """Look for more couriers of each of the jobs; return whether the bounds allow it."""
        wanted = GROWTH * int(self._search.wanted[jobs[0]])
        if jobs.size * wanted > MOST_PAIRS:
            return False

        def look(part: Ints, size: int) -> tuple[Ints, int]:
            self._search.extend(part, size)
            return part[:0], size

        cut_off = widen(jobs, wanted, look, self._search.until, LARGEST_STEP)
        self._further[jobs] = True
        wide = self._search.found(np.flatnonzero(self._further))
        self._wide = wide.part(self._idle[wide.courier])
        self._match()
        return not cut_off.size

    def cut_off(self) -> Ints:
        """Return the jobs that are left, and those who take their couriers, where the search could look further."""
        near = self._jobs[self._paths[self._jobs]]
        more: Ints = near[self._search.may_have_more(near)]
        return more

    def candidates(self) -> Pairs:
        """Return the first candidates of each job, and those further away that the matching needs.

        These are the courier who serves the job, and the nearest of the couriers that only the wider search has found.
        """
        if not self._further.any():
            return self._first
        width, first = self._now.size, self._first
        known, needed = np.zeros(width, bool), np.zeros(width, bool)
        known[first.courier] = known[self._others.courier] = True
        needed[self.place[self.place != NOBODY]] = True
        serves = self.place[self._wide.job] == self._wide.courier
        more = self._wide.part((needed & ~known)[self._wide.courier] | serves)
        more = more.part(~np.isin(more.job * width + more.courier, first.job * width + first.courier))
        near = rank_in_job(more.job) < self._search.problem.candidates_per_job
        return Pairs.joined([first, more.part(near | (self.place[more.job] == more.courier))])

    # --- the matching

    def _match(self) -> None:
        """Extend the matching to a largest one: first by couriers who serve nobody, then along alternating paths."""
        job, courier = self._edges()
        self._rematch(job, courier, self.place == NOBODY)
        self._paths, is_largest = self._on_paths(job, courier)
        if not is_largest:
            self._rematch(job, courier, self._paths)
            self._paths, _ = self._on_paths(job, courier)

    def _edges(self) -> tuple[Ints, Ints]:
        """Return (jobs, couriers) of all pairs with couriers who are free now."""
        joined = Pairs.joined([self._first, self._wide, self._others])
        now = self._now[joined.courier]
        return joined.job[now], joined.courier[now]

    def _rematch(self, job: Ints, courier: Ints, jobs: Bools) -> None:
        """Match some jobs with the couriers who serve none of the others."""
        free = np.ones(self._now.size, bool)
        free[self.place[~jobs & (self.place != NOBODY)]] = False
        rows = np.flatnonzero(jobs[job] & free[courier])
        if rows.size:
            from scipy.sparse.csgraph import maximum_bipartite_matching

            graph = _graph(job[rows], courier[rows], (jobs.size, free.size))
            self.place[jobs] = maximum_bipartite_matching(graph, perm_type="column")[jobs]

    def _on_paths(self, job: Ints, courier: Ints) -> tuple[Bools, bool]:
        """Return the jobs on alternating paths from those that are left, and whether the matching is a largest one."""
        count = self.place.size
        left = np.flatnonzero(self.place == NOBODY)
        found = np.zeros(count + 1, bool)
        if not left.size:
            return found[:count], True
        from scipy.sparse.csgraph import breadth_first_order

        serves = np.full(self._now.size, NOBODY)
        served = np.flatnonzero(self.place != NOBODY)
        serves[self.place[served]] = served
        to = serves[courier]
        taken = to != NOBODY
        # One more node leads to all jobs that are left.
        start, end = np.r_[job[taken], np.full(left.size, count)], np.r_[to[taken], left]
        found[breadth_first_order(_graph(start, end, (count + 1,) * 2), count, return_predecessors=False)] = True
        return found[:count], not (found[job] & ~taken).any()


def _graph(rows: Ints, columns: Ints, shape: tuple[int, int]) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((np.ones(rows.size, np.int8), (rows, columns)), shape=shape)
