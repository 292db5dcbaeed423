"""The best choice among columns of several jobs: a linear relaxation for bound and start, then branch and bound."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from geo.units import Ints
from matching.branch_and_bound import best_columns
from matching.problem import Bools
from matching.relaxation import Relaxation, Relaxed

# While diving, columns above LIKELY are taken at once; those above WHOLE are taken by the relaxation itself.
LIKELY, WHOLE = 0.7, 1 - 1e-6
# Cuts join the relaxation in so many turns.
CUT_TURNS = 4
# Branch and bound first looks at so many columns, those that lose least, for at the most this part of the time left;
# columns of which the relaxation takes this share stay meanwhile.
NEAREST_COLUMNS, NEAREST_TIME, SURE = 400, 0.7, 0.999


@dataclass(frozen=True, slots=True)
class Selection:
    """``chosen`` columns, the most that any choice among them ``saves`` (proved), ``price`` (couriers,)."""

    chosen: Ints
    saves: int
    price: Ints


def select(relaxation: Relaxation, couriers: int, start: Bools, budget_s: float) -> Selection:
    """The best set of columns, no job and no courier twice; never worse than ``start`` (E,), which to start from.

    The relaxation, with cuts, gives a bound and prices; diving into it gives a good answer; columns whose reduced cost
    exceeds the gap between the two are in no better answer (reduced cost fixing; Nemhauser and Wolsey, Integer and
    Combinatorial Optimization, 1988). Branch and bound looks at the others: first around what is sure, at those that
    lose least, whose best answer makes the gap smaller for the whole. After ``budget_s`` wall seconds the best answer
    so far counts.
    """
    until = perf_counter() + budget_s
    columns = relaxation.columns
    if not len(columns):
        return Selection(np.zeros(0, np.int64), 0, np.zeros(couriers, np.int64))
    saved = columns.saved
    relaxed = first = relaxation.solve()
    for _ in range(CUT_TURNS):
        if until - perf_counter() < budget_s / 2 or not relaxation.cut(relaxed.share):
            break
        relaxed = relaxation.solve()
    limit = int(np.floor(relaxed.saved * (1 + 1e-9) + 1))
    best = max((start, _dive(relaxation, relaxed)), key=lambda taken: int(saved[taken].sum()))
    best = _around_the_sure(relaxation, relaxed, best, limit, until)
    gap = limit - int(saved[best].sum())
    if gap > 1 and perf_counter() < until:
        open_ = np.flatnonzero((relaxed.reduced <= gap + 1) | best)
        rows = relaxation.rows()[:, open_]
        taken, limit = best_columns(rows, saved[open_], best[open_], limit, until - perf_counter())
        best = np.zeros(len(columns), bool)
        best[open_[taken]] = True
    return Selection(np.flatnonzero(best), limit, np.rint(first.courier_price).astype(np.int64))


def _around_the_sure(relaxation: Relaxation, relaxed: Relaxed, best: Bools, limit: int, until: float) -> Bools:
    """A better answer among the columns that lose least, where those stay that the relaxation takes whole.

    Relaxation enforced neighbourhood search (Berthold, "RENS", Mathematical Programming Computation 6, 2014).
    """
    sure = relaxed.share > SURE
    saved = relaxation.columns.saved
    gap = limit - int(saved[best].sum())
    if gap <= 1 or perf_counter() >= until or not best[sure].all():
        return best
    rows = relaxation.rows()
    taken_rows = (rows @ sure.astype(np.float64)) > 0
    free = np.flatnonzero((rows.T @ taken_rows.astype(np.float64) == 0) & (relaxed.reduced <= gap + 1))
    nearest = free[np.argsort(relaxed.reduced[free], kind="stable")[:NEAREST_COLUMNS]]
    open_ = np.union1d(nearest, np.flatnonzero(best & ~sure))
    rest = limit - int(saved[sure].sum())
    found, _ = best_columns(rows[:, open_], saved[open_], best[open_], rest, (until - perf_counter()) * NEAREST_TIME)
    better = sure.copy()
    better[open_[found]] = True
    return better


def _dive(relaxation: Relaxation, relaxed: Relaxed) -> Bools:
    """An answer near the relaxation: take what it is nearly sure of, solve again with that, until all is sure."""
    taken = np.zeros(len(relaxation.columns), bool)
    saved = relaxation.columns.saved
    share = relaxed.share
    while True:
        undecided = np.flatnonzero((share > 1e-6) & ~taken)
        if (share[undecided] > WHOLE).all():
            taken[undecided] = True
            relaxation.release()
            return taken
        sure = undecided[share[undecided] > LIKELY]
        if not sure.size:
            sure = undecided[np.lexsort((saved[undecided], share[undecided]))[-1:]]
        taken[sure] = True
        relaxation.take(sure)
        share = relaxation.settled()
