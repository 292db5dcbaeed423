"""The nearest couriers of each job who pass the eligibility filters, looked for as far as needed.

A first pass looks at as many couriers as the policy compares. Jobs for which too few of them pass look at more, until
enough pass, every courier within reach is looked at, or the time is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from geo.units import Floats, Ints
from matching.eligibility import PASSES, Codes, PairFilters
from matching.groups import values_in
from matching.nearest import Among, Nearest
from matching.problem import NOBODY, Bools, Gate, Problem
from matching.requirements import Able
from matching.widening import LARGEST_STEP, widen

# The share of the round's budget after which no further couriers are looked at.
SEARCH_TIME = 0.3
# How many times as many couriers each further pass looks at: so many that enough should pass, with a margin.
LEAST_GROWTH, MOST_GROWTH, MARGIN = 2.0, 8.0, 1.25
# A rank above all others.
BEYOND = 2**62


@dataclass(frozen=True, slots=True)
class Pairs:
    """Shape (E,) each: jobs with couriers who pass the filters; ``metres`` and ``seconds`` from where the courier is to
    the pickup."""

    job: Ints
    courier: Ints
    metres: Floats
    seconds: Floats

    def part(self, rows: Ints | Bools) -> Pairs:
        return Pairs(self.job[rows], self.courier[rows], self.metres[rows], self.seconds[rows])

    @classmethod
    def joined(cls, parts: list[Pairs]) -> Pairs:
        if len(parts) == 1:
            return parts[0]
        nothing, none = np.zeros(0, np.int64), np.zeros(0)
        return cls(
            np.concatenate([nothing, *(part.job for part in parts)]),
            np.concatenate([nothing, *(part.courier for part in parts)]),
            np.concatenate([none, *(part.metres for part in parts)]),
            np.concatenate([none, *(part.seconds for part in parts)]),
        )


@dataclass(frozen=True, slots=True)
class Looked:
    """One pass: pairs, a job's side by side and nearest first, and the filter that removes each, or PASSES.

    ``rank`` of each pair among those of its job that pass; BEYOND for the others.
    """

    pairs: Pairs
    code: Codes
    rank: Ints


class Search:
    """Grows by job; ``gates`` (jobs, filters) counts whom each filter removes, complete after ``count``.

    ``truncated`` (jobs,): the time was over before enough couriers were looked at; ``wanted`` (jobs,): how many who
    pass were asked for.
    """

    def __init__(self, problem: Problem) -> None:
        count = len(problem.jobs)
        self.problem = problem
        self.until = perf_counter() + SEARCH_TIME * problem.budget_s
        self.gates = np.zeros((count, len(Gate)), np.int64)
        self.filters = PairFilters(problem)
        self.able = Able.of(problem, self.gates)
        self.truncated = np.zeros(count, bool)
        self._nearest = Nearest(problem)
        self._among: dict[int, Among] = {}
        # Place among the jobs that were cut off in the last round; all others come behind them.
        self._turn = np.full(count, problem.truncated.size)
        self._turn[problem.truncated] = np.arange(problem.truncated.size)
        self._passes: list[Looked] = []
        # Of each job: the pass that looked furthest, how many couriers it looked at, whether these were all within
        # reach, and how many passed.
        self._pass_of = np.full(count, NOBODY)
        self._looked_at = np.zeros(count, np.int64)
        self._exhausted = np.zeros(count, bool)
        self._passing = np.zeros(count, np.int64)
        self.wanted = np.zeros(count, np.int64)

    def in_order(self, jobs: Ints) -> Ints:
        """Return the jobs in the order of their turn: those that were cut off in the last round, in their order then,
        and the others by age."""
        ordered: Ints = jobs[np.lexsort((-self.problem.jobs.age_s[jobs], self._turn[jobs]))]
        return ordered

    def extend(self, jobs: Ints, wanted: int) -> None:
        """Look for ``wanted`` couriers who pass, for each of the jobs; first for those that have none."""
        self.wanted[jobs] = wanted
        new = jobs[self._pass_of[jobs] == NOBODY]
        if new.size:
            self._look(new, self._first_size(new, wanted))
        lacking = jobs[self._lacks(jobs)]
        if not lacking.size:
            return
        lacking = lacking[np.lexsort((self._passing[lacking] > 0, self._turn[lacking]))]
        looked_at = self._looked_at[lacking]
        for count in values_in(looked_at):
            of_count = lacking[looked_at == count]
            size = self._next_size(of_count, count)
            self.truncated[widen(of_count, size, self._look, self.until, LARGEST_STEP)] = True

    def _first_size(self, jobs: Ints, wanted: int) -> int:
        """Return at how many couriers to look first, so that about as many as wanted pass."""
        excluded = float(self.filters.excluded.counts[jobs].mean())
        return int(np.ceil(wanted / (1 - self.filters.expected_removal) + excluded))

    def _next_size(self, jobs: Ints, count: int) -> int:
        """Return at how many couriers to look next, by the share of those that passed among ``count``."""
        passing, wanted = float(self._passing[jobs].mean()), float(self.wanted[jobs].max(initial=0))
        growth = MARGIN * wanted / max(passing, 1e-9)
        return int(np.ceil(count * min(max(growth, LEAST_GROWTH), MOST_GROWTH)))

    def may_have_more(self, jobs: Ints) -> Bools:
        """Return for which jobs more couriers than those found so far may pass, shape (n,)."""
        more: Bools = ~self._exhausted[jobs] | (self._passing[jobs] > self.wanted[jobs])
        return more

    def found(self, jobs: Ints | None = None) -> Pairs:
        """Return the pairs that pass, of all jobs or of some: of each job at most as many as wanted, the nearest."""
        passes = self._pass_of if jobs is None else self._pass_of[jobs]
        # By job: how many to keep of the pass in question.
        wanted = np.zeros(self._pass_of.size, np.int64)
        parts = []
        for number in values_in(passes[passes != NOBODY]):
            of_pass = passes == number
            mine = np.flatnonzero(of_pass) if jobs is None else jobs[of_pass]
            wanted[mine] = self.wanted[mine]
            looked = self._passes[number]
            keep = looked.rank < wanted[looked.pairs.job]
            wanted[mine] = 0
            parts.append(looked.pairs if keep.all() else looked.pairs.part(keep))
        return Pairs.joined(parts)

    def count(self, found: Ints) -> None:
        """Complete ``gates`` for the jobs that were looked for; ``found`` (jobs,): how many couriers were kept."""
        jobs, kinds = self.gates.shape
        able = np.where(self._pass_of == NOBODY, 0, self.able.count)
        seen, removed = np.zeros(jobs, np.int64), np.zeros(jobs * kinds, np.int64)
        for number, looked in enumerate(self._passes):
            job, code = looked.pairs.job, looked.code
            if len(self._passes) > 1:
                last = self._pass_of[job] == number
                job, code = job[last], code[last]
            seen += np.bincount(job, minlength=jobs)
            failed = np.flatnonzero(code != PASSES)
            removed += np.bincount(job[failed] * kinds + code[failed], minlength=removed.size)
        counts = removed.reshape(jobs, kinds)
        counts[:, Gate.REACH] += np.where(self._exhausted, able - seen, 0)
        excluded = self._excluded_unseen()
        np.add.at(counts, (self.filters.excluded.job[excluded], self.filters.excluded.gate[excluded]), 1)
        rest = able - counts.sum(axis=1) - found
        counts[:, Gate.NEAREST] += np.where(self.truncated, 0, rest)
        counts[:, Gate.TRUNCATED] += np.where(self.truncated, rest, 0)
        self.gates += counts

    def _look(self, jobs: Ints, count: int) -> tuple[Ints, int]:
        """Look at ``count`` couriers for each of the jobs; return the jobs that need more, in their order, and at how
        many to look then."""
        job, courier = self._nearest_of(jobs, count)
        checked = self.filters.check(job, courier)
        passes = np.flatnonzero(checked.code == PASSES)
        rank = np.full(job.size, BEYOND)
        rank[passes] = rank_in_job(job[passes])
        self._pass_of[jobs] = len(self._passes)
        self._passes.append(Looked(Pairs(job, courier, checked.metres, checked.seconds), checked.code, rank))
        self._passing[jobs] = np.bincount(job[passes], minlength=self._passing.size)[jobs]
        self._looked_at[jobs] = count
        lacking = jobs[self._lacks(jobs)]
        return lacking, self._next_size(lacking, count) if lacking.size else 0

    def _nearest_of(self, jobs: Ints, count: int) -> tuple[Ints, Ints]:
        """Return pairs of each job with its nearest couriers who have what it needs, nearest first."""
        group = self.able.group_of[jobs]
        found = []
        for number in values_in(group):
            mine = jobs[group == number]
            if self.able.groups[number].size:
                near = self._among_group(number).query(mine, count)
                self._exhausted[mine] = near.exhausted
                found.append(near)
            else:
                self._exhausted[mine] = True
        if len(found) == 1:
            return found[0].job, found[0].courier
        nothing = np.zeros(0, np.int64)
        return (
            np.concatenate([nothing, *(near.job for near in found)]),
            np.concatenate([nothing, *(near.courier for near in found)]),
        )

    def _lacks(self, jobs: Ints) -> Bools:
        lacks: Bools = (self._passing[jobs] < self.wanted[jobs]) & ~self._exhausted[jobs]
        return lacks

    def _among_group(self, number: int) -> Among:
        if number not in self._among:
            self._among[number] = self._nearest.among(self.able.groups[number])
        return self._among[number]

    def _excluded_unseen(self) -> Ints:
        """Return which excluded pairs lie within reach and were not looked at, by number."""
        excluded, nearest = self.filters.excluded, self._nearest
        rows = np.flatnonzero(~self._exhausted[excluded.job] & (self._pass_of[excluded.job] != NOBODY))
        if not rows.size:
            return rows
        job, courier = excluded.job[rows], excluded.courier[rows]
        there = np.linalg.norm(nearest.places[courier] - nearest.points[job], axis=-1) <= nearest.radius
        there &= self.able.has(job, courier)
        width = len(self.problem.couriers)
        seen = [np.zeros(0, np.int64)]
        for number, looked in enumerate(self._passes):
            last = (excluded.counts[looked.pairs.job] > 0) & (self._pass_of[looked.pairs.job] == number)
            seen.append(looked.pairs.job[last] * width + looked.pairs.courier[last])
        unseen: Ints = rows[there & ~np.isin(job * width + courier, np.concatenate(seen))]
        return unseen


def rank_in_job(job: Ints) -> Ints:
    """Return the position of each pair among the pairs of its job; ``job`` holds equal values side by side."""
    if not job.size:
        return job
    begins = np.empty(job.size, bool)
    begins[0] = True
    np.not_equal(job[1:], job[:-1], out=begins[1:])
    starts = np.flatnonzero(begins)
    rank: Ints = np.arange(job.size) - starts[np.cumsum(begins) - 1]
    return rank
