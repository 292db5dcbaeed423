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
from matching.nearest import Among, Nearest
from matching.problem import NOBODY, Bools, Gate, Problem
from matching.requirements import classes_of
from matching.widening import GROWTH, LARGEST_STEP, widen

# The share of the round's budget after which no further couriers are looked at.
SEARCH_TIME = 0.3


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
    """One pass: pairs, a job's side by side and nearest first, and the filter that removes each, or PASSES."""

    pairs: Pairs
    code: Codes


class Search:
    """Grows by job; ``gates`` (jobs, filters) counts whom each filter removes, complete after ``count``.

    ``truncated`` (jobs,): the time was over before enough couriers were looked at.
    """

    def __init__(self, problem: Problem) -> None:
        count = len(problem.jobs)
        self.problem = problem
        self.until = perf_counter() + SEARCH_TIME * problem.budget_s
        self.gates = np.zeros((count, len(Gate)), np.int64)
        self.filters = PairFilters(problem)
        self.classes = classes_of(problem, self.gates)
        self.truncated = np.zeros(count, bool)
        self._nearest = Nearest(problem)
        self._class_of = np.zeros(count, np.int64)
        for number, one in enumerate(self.classes):
            self._class_of[one.jobs] = number
        self._among: dict[int, Among] = {}
        # Place among the jobs that were cut off in the last round; all others come behind them.
        self._turn = np.full(count, problem.truncated.size)
        self._turn[problem.truncated] = np.arange(problem.truncated.size)
        self._passes: list[Looked] = []
        # Of each job: the pass that looked furthest, how many couriers it looked at, whether these were all within
        # reach, and how many passed; how many are wanted.
        self._pass_of = np.full(count, NOBODY)
        self._looked_at = np.zeros(count, np.int64)
        self._exhausted = np.zeros(count, bool)
        self._passing = np.zeros(count, np.int64)
        self._wanted = np.zeros(count, np.int64)

    def in_order(self, jobs: Ints) -> Ints:
        """Return the jobs in the order of their turn: those that were cut off in the last round, in their order then,
        and the others by age."""
        ordered: Ints = jobs[np.lexsort((-self.problem.jobs.age_s[jobs], self._turn[jobs]))]
        return ordered

    def extend(self, jobs: Ints, wanted: int) -> None:
        """Look for ``wanted`` couriers who pass, for each of the jobs; first for those that have none."""
        self._wanted[jobs] = wanted
        new = jobs[self._pass_of[jobs] == NOBODY]
        if new.size:
            excluded = int(self.filters.excluded.counts[new].max(initial=0))
            self._look(new, wanted + min(excluded, wanted))
        lacking = jobs[self._lacks(jobs)]
        lacking = lacking[np.lexsort((self._passing[lacking] > 0, self._turn[lacking]))]
        looked_at = self._looked_at[lacking]
        for count in np.unique(looked_at).tolist():
            of_count = lacking[looked_at == count]
            size = max(wanted, count * GROWTH)
            self.truncated[widen(of_count, size, self._look, self.until, LARGEST_STEP)] = True

    def may_have_more(self, jobs: Ints) -> Bools:
        """Return for which jobs more couriers than those found so far may pass, shape (n,)."""
        more: Bools = ~self._exhausted[jobs] | (self._passing[jobs] > self._wanted[jobs])
        return more

    def found(self, jobs: Ints | None = None) -> Pairs:
        """Return the pairs that pass, of all jobs or of some: of each job at most as many as wanted, the nearest."""
        of_jobs = np.ones(self._pass_of.size, bool)
        if jobs is not None:
            of_jobs[:] = False
            of_jobs[jobs] = True
        parts = []
        for number in np.unique(self._pass_of[of_jobs]).tolist():
            if number == NOBODY:
                continue
            looked = self._passes[number]
            keep = (looked.code == PASSES) & of_jobs[looked.pairs.job] & (self._pass_of[looked.pairs.job] == number)
            pairs = looked.pairs if keep.all() else looked.pairs.part(keep)
            near = rank_in_job(pairs.job) < self._wanted[pairs.job]
            parts.append(pairs if near.all() else pairs.part(near))
        return Pairs.joined(parts)

    def count(self, found: Ints) -> None:
        """Complete ``gates`` for the jobs that were looked for; ``found`` (jobs,): how many couriers were kept."""
        jobs, kinds = self.gates.shape
        able = np.zeros(jobs, np.int64)
        for one in self.classes:
            able[one.jobs] = one.able.size
        able[self._pass_of == NOBODY] = 0
        seen, removed = np.zeros(jobs, np.int64), np.zeros(jobs * kinds, np.int64)
        for number, looked in enumerate(self._passes):
            last = self._pass_of[looked.pairs.job] == number
            seen += np.bincount(looked.pairs.job[last], minlength=jobs)
            failed = last & (looked.code != PASSES)
            removed += np.bincount(looked.pairs.job[failed] * kinds + looked.code[failed], minlength=removed.size)
        counts = removed.reshape(jobs, kinds)
        counts[:, Gate.REACH] += np.where(self._exhausted, able - seen, 0)
        excluded = self._excluded_unseen()
        np.add.at(counts, (self.filters.excluded.job[excluded], self.filters.excluded.gate[excluded]), 1)
        rest = able - counts.sum(axis=1) - found
        counts[:, Gate.NEAREST] += np.where(self.truncated, 0, rest)
        counts[:, Gate.TRUNCATED] += np.where(self.truncated, rest, 0)
        self.gates += counts

    def _look(self, jobs: Ints, count: int) -> Ints:
        """Look at ``count`` couriers for each of the jobs; return the jobs that need more, in their order."""
        classes = self._class_of[jobs] if len(self.classes) > 1 else np.zeros(jobs.size, np.int64)
        found = []
        for number in np.unique(classes).tolist():
            mine = jobs[classes == number]
            if not self.classes[number].able.size:
                self._exhausted[mine] = True
                continue
            near = self._among_class(number).query(mine, count)
            self._exhausted[mine] = near.exhausted
            found.append(near)
        nothing = np.zeros(0, np.int64)
        job = np.concatenate([nothing, *(near.job for near in found)])
        courier = np.concatenate([nothing, *(near.courier for near in found)])
        checked = self.filters.check(job, courier)
        self._pass_of[jobs] = len(self._passes)
        self._passes.append(Looked(Pairs(job, courier, checked.metres, checked.seconds), checked.code))
        self._passing[jobs] = np.bincount(job[checked.code == PASSES], minlength=self._passing.size)[jobs]
        self._looked_at[jobs] = count
        lacking: Ints = jobs[self._lacks(jobs)]
        return lacking

    def _lacks(self, jobs: Ints) -> Bools:
        lacks: Bools = (self._passing[jobs] < self._wanted[jobs]) & ~self._exhausted[jobs]
        return lacks

    def _among_class(self, number: int) -> Among:
        if number not in self._among:
            self._among[number] = self._nearest.among(self.classes[number].able)
        return self._among[number]

    def _excluded_unseen(self) -> Ints:
        """Return which excluded pairs lie within reach and were not looked at, by number."""
        excluded, nearest = self.filters.excluded, self._nearest
        rows = np.flatnonzero(~self._exhausted[excluded.job] & (self._pass_of[excluded.job] != NOBODY))
        if not rows.size:
            return rows
        job, courier = excluded.job[rows], excluded.courier[rows]
        there = np.linalg.norm(nearest.places[courier] - nearest.points[job], axis=-1) <= nearest.radius
        for number in np.unique(self._class_of[job]).tolist():
            of_class = self._class_of[job] == number
            there[of_class] &= np.isin(courier[of_class], self.classes[number].able)
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
    starts = np.flatnonzero(np.r_[True, job[1:] != job[:-1]])
    rank: Ints = np.arange(job.size) - np.repeat(starts, np.diff(np.r_[starts, job.size]))
    return rank
