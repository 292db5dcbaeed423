"""The best choice among columns of several jobs: a linear relaxation for bound and start, CP-SAT for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csc_array, csr_array

from geo.units import Floats, Ints
from matching.assignment import Candidates
from matching.problem import NOBODY, Bools

# A variable this close to 0 or 1 is one.
INTEGRAL = 1e-6
# While diving, variables above this are taken at once.
LIKELY = 0.7


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


@dataclass(frozen=True, slots=True)
class Selection:
    """``chosen`` columns, the most that any choice among them ``saves`` (proved), ``price`` (couriers,)."""

    chosen: Ints
    saves: int
    price: Ints


def columns_of(candidates: Candidates, unmatched: Ints, width: int) -> Columns:
    """A column for each edge that is worth it, with room for ``width`` jobs."""
    members = candidates.jobs != NOBODY
    saved = np.where(members, unmatched[candidates.jobs], 0).sum(axis=1) - candidates.cost
    edge = np.flatnonzero(saved > 0)
    spare = width - candidates.jobs.shape[1]
    jobs = np.pad(candidates.jobs[edge], ((0, 0), (0, spare)), constant_values=NOBODY)
    return Columns(jobs, candidates.courier[edge], edge, saved[edge])


def select(columns: Columns, jobs: int, couriers: int, start: Bools, budget_s: float) -> Selection:
    """The best set of columns, no job and no courier twice; never worse than ``start`` (E,), which to start from.

    The relaxation gives a bound and prices; diving into it gives a good answer; columns whose reduced cost exceeds
    the gap between the two are in no better answer (reduced cost fixing; Nemhauser and Wolsey, Integer and
    Combinatorial Optimization, 1988), and CP-SAT looks at the others. After ``budget_s`` wall seconds the best answer
    so far counts.
    """
    until = perf_counter() + budget_s
    if not len(columns):
        return Selection(np.zeros(0, np.int64), 0, np.zeros(couriers, np.int64))
    saved, rows = columns.saved, _rows(columns, jobs, couriers)
    relaxed = _relaxed(saved, rows)
    limit = int(np.floor(relaxed.saved * (1 + 1e-9) + 1))
    price = np.rint(relaxed.dual[jobs:]).astype(np.int64)
    best = max((start, _dive(saved, rows, relaxed.share)), key=lambda taken: int(saved[taken].sum()))
    gap = limit - int(saved[best].sum())
    if gap > 1:
        open_ = np.flatnonzero((relaxed.reduced <= gap + 1) | best)
        taken, proved = _exact(rows[:, open_], saved[open_], best[open_], max(until - perf_counter(), 0.02))
        limit = min(limit, proved)
        best = np.zeros(len(columns), bool)
        best[open_[taken]] = True
    return Selection(np.flatnonzero(best), limit, price)


def relax(columns: Columns, jobs: int, couriers: int) -> Relaxed:
    """The linear relaxation of the choice among ``columns``."""
    return _relaxed(columns.saved, _rows(columns, jobs, couriers))


@dataclass(frozen=True, slots=True)
class Relaxed:
    """``share`` (E,) of each column, ``saved`` in all, ``dual`` of each row (jobs, then couriers), ``reduced`` (E,)
    what a column loses."""

    share: Floats
    saved: float
    dual: Floats
    reduced: Floats


def _rows(columns: Columns, jobs: int, couriers: int) -> csc_array:
    """Shape (jobs + couriers, columns): what each column takes."""
    column, slot = np.nonzero(columns.jobs != NOBODY)
    row = np.concatenate([columns.jobs[column, slot], jobs + columns.courier])
    column = np.concatenate([column, np.arange(len(columns))])
    return csc_array((np.ones(row.size), (row, column)), shape=(jobs + couriers, len(columns)))


def _relaxed(saved: Ints, rows: csc_array) -> Relaxed:
    answer = linprog(-saved.astype(float), A_ub=rows, b_ub=np.ones(rows.shape[0]), bounds=(0, None), method="highs-ds")
    if answer.status != 0:
        raise RuntimeError(f"the relaxation has no optimum: {answer.message}")
    return Relaxed(answer.x, -answer.fun, -answer.ineqlin.marginals, answer.lower.marginals)


def _dive(saved: Ints, rows: csc_array, share: Floats) -> np.ndarray:
    """An answer near the relaxation: take what it is nearly sure of, solve again without what that excludes."""
    taken = np.zeros(saved.size, bool)
    left = np.arange(saved.size)
    while left.size:
        sure = np.flatnonzero(share > LIKELY)
        if not sure.size:
            sure = np.array([int(np.lexsort((saved[left], share))[-1])])
        taken[left[sure]] = True
        blocked = np.asarray(rows[:, left[sure]].sum(axis=1)).ravel() > 0
        free = np.asarray(rows[:, left].T @ blocked.astype(float)).ravel() == 0
        left = left[free]
        if left.size:
            share = _relaxed(saved[left], rows[:, left]).share
    return taken


def _exact(rows: csc_array, saved: Ints, best: np.ndarray, budget_s: float) -> tuple[np.ndarray, int]:
    """CP-SAT over the edges that are still open, from the best answer known: what is taken, and the most that any
    answer saves."""
    from ortools.sat.python import cp_model  # half a second to import, and most rounds need it not

    model = cp_model.CpModel()
    take = [model.new_bool_var("") for _ in range(saved.size)]
    by_row = csr_array(rows)
    for row in range(by_row.shape[0]):
        mine = by_row.indices[by_row.indptr[row] : by_row.indptr[row + 1]]
        if mine.size > 1:
            model.add_at_most_one([take[column] for column in mine.tolist()])
    model.maximize(cp_model.LinearExpr.weighted_sum(take, saved.tolist()))
    for variable, value in zip(take, best.tolist(), strict=True):
        model.add_hint(variable, value)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = budget_s
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    status = solver.solve(model)
    proved = int(np.floor(solver.best_objective_bound + 0.5))
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return best, int(np.iinfo(np.int64).max)
    found = np.array([solver.boolean_value(variable) for variable in take], bool)
    return (found if int(saved[found].sum()) >= int(saved[best].sum()) else best), proved
