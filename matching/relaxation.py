"""The linear relaxation of a choice among columns, solved again from where it stood as columns and cuts join it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import highspy
import numpy as np

from geo.units import Floats, Ints
from matching.groups import first_of_each
from matching.highs import Highs
from matching.min_cost_flow import SolverFailed
from matching.problem import NOBODY, Bools

if TYPE_CHECKING:
    from scipy.sparse import csc_array, csr_array

# The solver counts in thousands of the integer costs, which keeps its tolerances far below one.
SCALE = 1e-3
# Columns to begin with, of each courier and of each job; columns that join the solver at a time, if they gain so much.
LIKELY_EACH, GIVEN_AT_A_TIME, GAIN = 8, 2_000, 1.0
# A cut must be broken by this much to be worth its row, and so many join at a time.
BROKEN_BY, CUTS_AT_A_TIME = 0.05, 60
# Jobs that fractional columns share: beyond so many, cuts are sought among those shared most.
JOBS_IN_CUTS = 80


@dataclass(frozen=True, slots=True)
class Columns:
    """What can be chosen: E columns. ``jobs`` (E, G), NOBODY where unused; ``courier``; the ``edge`` that is offered
    where a column is chosen; ``saved``: what that costs less than leaving its jobs."""

    jobs: Ints
    courier: Ints
    edge: Ints
    saved: Ints

    def __len__(self) -> int:
        return int(self.courier.size)

    def joined(self, more: Columns) -> Columns:
        return Columns(
            np.concatenate([self.jobs, more.jobs]),
            np.concatenate([self.courier, more.courier]),
            np.concatenate([self.edge, more.edge]),
            np.concatenate([self.saved, more.saved]),
        )

    def rows(self, jobs: int, couriers: int) -> csc_array:
        """Shape (jobs + couriers, columns): what each column takes."""
        from scipy.sparse import csc_array

        column, slot = np.nonzero(self.jobs != NOBODY)
        row = np.concatenate([self.jobs[column, slot], jobs + self.courier])
        column = np.concatenate([column, np.arange(len(self))])
        return csc_array((np.ones(row.size), (row, column)), shape=(jobs + couriers, len(self)))


def columns_of(jobs: Ints, courier: Ints, cost: Ints, unmatched: Ints, width: int) -> Columns:
    """A column, with room for ``width`` jobs, for each edge that costs less than leaving its jobs."""
    saved = np.where(jobs != NOBODY, unmatched[jobs], 0).sum(axis=1) - cost
    edge = np.flatnonzero(saved > 0)
    wide = np.pad(jobs[edge], ((0, 0), (0, width - jobs.shape[1])), constant_values=NOBODY)
    return Columns(wide, courier[edge], edge, saved[edge])


@dataclass(frozen=True, slots=True)
class Relaxed:
    """``share`` (E,) of each column, ``saved`` in all; ``job_price``, ``courier_price``: what one more of each would
    save; ``reduced`` (E,): what a column loses against the prices."""

    share: Floats
    saved: float
    job_price: Floats
    courier_price: Floats
    reduced: Floats


class Relaxation:
    """Greatest saving where each job and each courier is taken at most once, in shares.

    Most columns never matter: the solver is given those that its prices ask for (sifting).
    """

    def __init__(self, columns: Columns, jobs: int, couriers: int) -> None:
        from scipy.sparse import csr_array

        self.columns = columns
        self._jobs, self._couriers = jobs, couriers
        # Jobs, three by three, of which no two columns can take two or more.
        self._cuts: list[Ints] = []
        # Columns that the solver has, in its order.
        self._given = np.zeros(0, np.int64)
        self._rows: csr_array | None = None
        # The optimum over all columns, until columns or cuts join.
        self._optimum: Relaxed | None = None
        self._solver = Highs(presolve="off")
        self._add_rows(csr_array((jobs + couriers, 0)))
        self._give(_likely(columns))

    def solve(self) -> Relaxed:
        """The optimum over all columns. Raises SolverFailed if the solver finds none."""
        if self._optimum is None:
            self._optimum = self._solved()
        return self._optimum

    def _solved(self) -> Relaxed:
        rows = self.rows()
        while True:
            share, dual, saved = self._run()
            reduced = rows.T @ dual - self.columns.saved
            missing = np.flatnonzero(reduced < -GAIN)
            missing = missing[~np.isin(missing, self._given)]
            if not missing.size:
                return Relaxed(
                    share,
                    saved,
                    dual[: self._jobs],
                    dual[self._jobs : self._jobs + self._couriers],
                    np.maximum(reduced, 0.0),
                )
            self._give(missing[np.argsort(reduced[missing], kind="stable")[:GIVEN_AT_A_TIME]])

    def settled(self) -> Floats:
        """Shares with what is taken, among the columns that the solver has: for a quick look."""
        return self._run()[0]

    def join(self, more: Columns) -> None:
        """More columns to choose among."""
        self.columns = self.columns.joined(more)
        self._rows = self._optimum = None

    def take(self, columns: Ints) -> None:
        """These columns, of which the solver has shares, are chosen from now on."""
        place = np.flatnonzero(np.isin(self._given, columns)).astype(np.int32)
        one = np.ones(place.size)
        self._solver.changeColsBounds(place.size, place, one, one)

    def release(self) -> None:
        """None is, again."""
        count = self._given.size
        self._solver.changeColsBounds(count, np.arange(count, dtype=np.int32), np.zeros(count), np.full(count, np.inf))

    def cut(self, share: Floats) -> int:
        """Add the subset-row inequalities that ``share`` breaks most, and say how many there were.

        Of three jobs at most one column can take two or more (Jepsen, Petersen, Spoorendonk, Pisinger, "Subset-Row
        Inequalities Applied to the Vehicle-Routing Problem with Time Windows", Operations Research 56, 2008).
        """
        triples = _broken(self.columns.jobs, share, self._jobs)
        if len(triples):
            self._cuts.append(triples)
            self._rows = self._optimum = None
            self._add_rows(self._takes_two(triples)[:, self._given])
        return len(triples)

    def _run(self) -> tuple[Floats, Floats, float]:
        """Shares of all columns, duals of all rows, and the saving."""
        if not self._given.size:  # the solver refuses a model without columns
            return np.zeros(len(self.columns)), np.zeros(self.rows().shape[0]), 0.0
        self._solver.run()
        if self._solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise SolverFailed(f"the relaxation has no optimum: {self._solver.getModelStatus()}")
        solution = self._solver.getSolution()
        share = np.zeros(len(self.columns))
        share[self._given] = solution.col_value
        dual = np.array(solution.row_dual, np.float64) / -SCALE
        return share, dual, -self._solver.getInfo().objective_function_value / SCALE

    def _give(self, columns: Ints) -> None:
        """Hand columns to the solver."""
        new = self.rows()[:, columns].tocsc()
        self._solver.addCols(
            columns.size,
            self.columns.saved[columns] * -SCALE,
            np.zeros(columns.size),
            np.full(columns.size, np.inf),
            new.nnz,
            new.indptr[:-1].astype(np.int32),
            new.indices.astype(np.int32),
            new.data,
        )
        self._given = np.concatenate([self._given, columns])

    def _add_rows(self, rows: csr_array) -> None:
        """Rows over the columns that the solver has: of each, at most one."""
        count = rows.shape[0]
        self._solver.addRows(
            count,
            np.full(count, -np.inf),
            np.ones(count),
            rows.nnz,
            rows.indptr[:-1].astype(np.int32),
            rows.indices.astype(np.int32),
            rows.data.astype(np.float64),
        )

    def rows(self) -> csr_array:
        """Shape (rows, columns): of the columns of each row at most one can be chosen; with all cuts so far."""
        if self._rows is None:
            from scipy.sparse import vstack

            own = self.columns.rows(self._jobs, self._couriers).tocsr()
            cuts = (self._takes_two(triples) for triples in self._cuts)
            self._rows = vstack([own, *cuts], format="csr")
        return self._rows

    def _takes_two(self, triples: Ints) -> csr_array:
        """Shape (triples, columns): 1 where a column takes two or three of the jobs."""
        from scipy.sparse import csr_array

        taken = self.columns.rows(self._jobs, self._couriers)[: self._jobs]
        member = csr_array(
            (np.ones(triples.size), (np.repeat(np.arange(len(triples)), 3), triples.ravel())),
            shape=(len(triples), self._jobs),
        )
        return csr_array((member @ taken >= 2).astype(np.float64))


def _likely(columns: Columns) -> Ints:
    """Columns to begin with: for each courier and for each job some that save most."""
    likely = np.zeros(len(columns), bool)
    for of in (columns.courier, columns.jobs[:, 0]):
        likely[first_of_each(LIKELY_EACH, of, -columns.saved)] = True
    return np.flatnonzero(likely)


def _broken(members: Ints, share: Floats, jobs: int) -> Ints:
    """Shape (n, 3): the triples of jobs of which columns with two or more add up to most above one."""
    part = np.flatnonzero((share > 1e-6) & (share < 1 - 1e-6) & ((members != NOBODY).sum(axis=1) > 1))
    if part.size < 3:
        return np.zeros((0, 3), np.int64)
    column, slot = np.nonzero(members[part] != NOBODY)
    job = members[part][column, slot]
    weight = np.bincount(job, share[part][column], minlength=jobs)
    used = np.argsort(-weight, kind="stable")[: min(JOBS_IN_CUTS, int((weight > 0).sum()))]
    place = np.full(jobs, NOBODY)
    place[used] = np.arange(used.size)
    takes = np.zeros((part.size, used.size))
    known = place[job] != NOBODY
    takes[column[known], place[job[known]]] = 1.0
    pairs = (takes * share[part][:, None]).T @ takes
    both = pairs[:, :, None] + pairs[:, None, :] + pairs[None, :, :]
    # Columns of all three count in each of the three pairs: once is enough.
    value = both - 2 * _of_three(np.append(place, NOBODY)[members[part]], share[part], used.size)
    index = np.arange(used.size)
    ordered: Bools = (index[:, None, None] < index[None, :, None]) & (index[None, :, None] < index[None, None, :])
    excess = np.where(ordered, value - 1, 0.0)
    found = np.flatnonzero(excess.ravel() > BROKEN_BY)
    best = found[np.argsort(-excess.ravel()[found], kind="stable")[:CUTS_AT_A_TIME]]
    triples: Ints = used[np.stack(np.unravel_index(best, excess.shape), axis=-1)]
    return triples


def _of_three(members: Ints, share: Floats, jobs: int) -> Floats:
    """Shape (jobs, jobs, jobs): the share of columns that take all three, at their ascending indices."""
    found = np.zeros((jobs, jobs, jobs))
    for slots in combinations(range(members.shape[1]), 3):
        three = np.sort(members[:, slots], axis=1)
        known = (three != NOBODY).all(axis=1)
        np.add.at(found, tuple(three[known].T), share[known])
    return found
