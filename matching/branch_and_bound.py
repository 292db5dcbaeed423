"""The exact choice among a few thousand columns, by HiGHS's branch and bound, from the best answer known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import highspy
import numpy as np

from geo.units import Ints
from matching.highs import Highs
from matching.problem import Bools
from matching.relaxation import SCALE

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def best_columns(rows: csr_array, saved: Ints, start: Bools, limit: int, budget_s: float) -> tuple[Bools, int]:
    """What to take so that ``saved`` (E,) is greatest in sum, of each row of ``rows`` (R, E) at most one column.

    Never worse than ``start``. With it the most that any answer saves, as far as that is proved; ``limit`` is what is
    known of that already. After ``budget_s`` wall seconds the best so far counts.
    """
    solver = Highs(time_limit=max(budget_s, 0.01), mip_rel_gap=0.0, mip_abs_gap=0.5 * SCALE)
    solver.passModel(_model(rows, saved))
    known = highspy.HighsSolution()
    known.col_value = start.astype(np.float64).tolist()
    solver.setSolution(known)
    solver.run()
    taken = np.array(solver.getSolution().col_value, np.float64) > 0.5
    bound = -solver.getInfo().mip_dual_bound / SCALE
    proved = min(limit, int(np.floor(bound + 0.5))) if np.isfinite(bound) else limit
    if taken.size != saved.size or (rows @ taken > 1).any() or saved[taken].sum() < saved[start].sum():
        return start, proved
    return taken, proved


def _model(rows: csr_array, saved: Ints) -> highspy.HighsLp:
    columns = rows.tocsc()
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = rows.shape
    model.col_cost_ = (saved * -SCALE).tolist()
    model.col_lower_ = np.zeros(saved.size)
    model.col_upper_ = np.ones(saved.size)
    model.row_lower_ = np.full(rows.shape[0], -np.inf)
    model.row_upper_ = np.ones(rows.shape[0])
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = columns.indptr
    model.a_matrix_.index_ = columns.indices
    model.a_matrix_.value_ = columns.data
    model.integrality_ = [highspy.HighsVarType.kInteger] * saved.size
    return model
