"""The surge multiplier of every H3 cell, from demand and supply: spread, smoothed, stepped, bounded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np

from dispatcher.times import span
from geo.cells import NEIGHBOURS, CellGrid
from geo.units import Floats, Ints
from gig.v1 import events_pb2 as events_pb
from gig.v1 import policy_pb2 as policy_pb

# Smoothed counts are kept in thousandths, so that the log holds them exactly.
SCALE = 1000
NONE_PERCENT = 100


def _no_cells() -> Ints:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class SurgeField:
    """int64 columns, row by row one cell, ascending: smoothed ``demand`` and ``supply`` in thousandths, ``percent``.

    Cells that are missing have none of either, and 100 %. ``time_us`` and ``sequence`` are those of the last tick.
    """

    cells: Ints = field(default_factory=_no_cells)
    demand: Ints = field(default_factory=_no_cells)
    supply: Ints = field(default_factory=_no_cells)
    percent: Ints = field(default_factory=_no_cells)
    time_us: int = 0
    sequence: int = 0
    # The cells whose percent is another than 100, for a look at one of them.
    surging: dict[int, int] = field(default_factory=dict)

    def counts_of(self, cell: int) -> tuple[float, float]:
        """Smoothed demand and supply of a cell that has either, in jobs and couriers."""
        row = int(np.searchsorted(self.cells, cell))
        return int(self.demand[row]) / SCALE, int(self.supply[row]) / SCALE

    def percent_of(self, cell: int) -> int:
        return self.surging.get(cell, NONE_PERCENT)

    def without(self, cells: Collection[int]) -> SurgeField:
        """The field without these cells, which then have no demand, no supply and 100 %."""
        if not cells:
            return self
        kept = ~np.isin(self.cells, list(cells))
        return replace(
            self,
            cells=self.cells[kept],
            demand=self.demand[kept],
            supply=self.supply[kept],
            percent=self.percent[kept],
            surging={cell: percent for cell, percent in self.surging.items() if cell not in cells},
        )


def counted(cells: Ints) -> tuple[Ints, Ints]:
    """Distinct cells, ascending, and how often each occurs."""
    found, counts = np.unique(cells, return_counts=True)
    return found, counts.astype(np.int64)


def tick(
    before: SurgeField,
    demand: tuple[Ints, Ints],
    supply: tuple[Ints, Ints],
    policy: policy_pb.SurgePolicy,
    now_us: int,
    grid: CellGrid,
    set_aside: Collection[int] = (),
) -> events_pb.SurgeUpdated:
    """The next field, as the event that the log keeps. ``demand`` and ``supply``: (cells, counts) as of ``counted``.
    Cells that are set aside get no share of their neighbours' counts.

    With D and S spread to the neighbours and smoothed exponentially in time, the multiplier is
    1 + sensitivity x (D / (S + prior_couriers) - balance), rounded to steps, kept between floor and cap, and no further
    from the one before than max_change. (A ratio of demand to supply shrunk by a prior, as for any small sample; the
    limits follow what surge pricing audits ask for, see docs/policy.md.)
    """
    spreads = bool(policy.spread_basis_points)
    cells = _cells(before.cells, np.union1d(demand[0], supply[0]), grid, spreads)
    if set_aside:
        cells = np.setdiff1d(cells, np.array(list(set_aside), np.int64))
    nearby = grid.places(cells) if spreads and cells.size else None
    kept = _kept(before, policy, now_us)
    raw = [_at(cells, *column) for column in (demand, supply)]
    smooth = []
    for column, old in zip(raw, (before.demand, before.supply), strict=True):
        now = _spread(column.astype(np.float64), nearby, policy.spread_basis_points / 10_000) * SCALE
        smooth.append(np.rint(now + (_at(cells, before.cells, old) - now) * kept).astype(np.int64))
    percent = _percent(smooth[0], smooth[1], _at(cells, before.cells, before.percent, NONE_PERCENT), policy)
    alive = (raw[0] > 0) | (raw[1] > 0) | (smooth[0] > 0) | (smooth[1] > 0) | (percent != NONE_PERCENT)
    return events_pb.SurgeUpdated(
        cell_deltas=np.diff(cells[alive], prepend=0),
        demand=raw[0][alive],
        supply=raw[1][alive],
        smoothed_demand=smooth[0][alive],
        smoothed_supply=smooth[1][alive],
        multiplier_percent=percent[alive],
    )


def field_of(event: events_pb.SurgeUpdated, time_us: int, sequence: int) -> SurgeField:
    """What a tick left behind."""
    cells, percent = np.cumsum(np.array(event.cell_deltas, np.int64)), np.array(event.multiplier_percent, np.int64)
    rows = percent != NONE_PERCENT
    return SurgeField(
        cells,
        np.array(event.smoothed_demand, np.int64),
        np.array(event.smoothed_supply, np.int64),
        percent,
        time_us,
        sequence,
        dict(zip(cells[rows].tolist(), percent[rows].tolist(), strict=True)),
    )


def save(field: SurgeField) -> events_pb.SurgeUpdated:
    """The field as a tick would have left it; field_of is its reverse."""
    return events_pb.SurgeUpdated(
        cell_deltas=np.diff(field.cells, prepend=0),
        smoothed_demand=field.demand,
        smoothed_supply=field.supply,
        multiplier_percent=field.percent,
    )


def _cells(known: Ints, seen: Ints, grid: CellGrid, spreads: bool) -> Ints:
    """All cells that a tick must hold: the known ones, those seen, and, where counts spread, their neighbours."""
    if known.size:
        rows = np.minimum(np.searchsorted(known, seen), known.size - 1)
        held = bool((known[rows] == seen).all())
        if held and (not spreads or bool((grid.places(known)[rows] < known.size).all())):
            return known
    if spreads and seen.size:
        around = np.unique(grid.neighbours(seen))
        seen = np.union1d(seen, around[around != 0])
    together: Ints = np.union1d(known, seen)
    return together


def _kept(before: SurgeField, policy: policy_pb.SurgePolicy, now_us: int) -> float:
    """Share of the smoothed counts that is still the old."""
    if not policy.HasField("half_life") or not before.time_us:
        return 0.0
    # A clock that has gone back counts as one that stands still.
    return float(0.5 ** (max(now_us - before.time_us, 0) / max(span(policy.half_life), 1)))


def _at(cells: Ints, known: Ints, values: Ints, missing: int = 0) -> Ints:
    """``values`` of the ``known`` cells, all of which are among ``cells``, as a column of ``cells``."""
    column = np.full(cells.size, missing, np.int64)
    column[np.searchsorted(cells, known)] = values
    return column


def _spread(column: Floats, nearby: Ints | None, share: float) -> Floats:
    """Each cell keeps 1 - share of its count, and gives the rest in equal parts to its six neighbours."""
    if nearby is None:
        return column
    padded = np.append(column, 0.0)
    spread: Floats = (1 - share) * column + share / NEIGHBOURS * padded[nearby].sum(axis=1)
    return spread


def _percent(demand: Ints, supply: Ints, before: Ints, policy: policy_pb.SurgePolicy) -> Ints:
    imbalance = (demand / SCALE) / (supply / SCALE + policy.prior_couriers)
    wanted = 100 * policy.sensitivity * (imbalance - policy.balance)
    step = policy.step_percent
    stepped = NONE_PERCENT + step * np.floor(wanted / step + 0.5)
    bounded = np.clip(stepped, policy.floor_percent, policy.cap_percent)
    slow = np.clip(bounded, before - policy.max_change_percent, before + policy.max_change_percent)
    # A cap that a new policy lowers binds at once, whatever the limit of change.
    bound = np.clip(slow, policy.floor_percent, policy.cap_percent)
    # What is not a number (nobody and no prior, or a policy without bounds) is no surge.
    percent: Ints = np.nan_to_num(bound, nan=NONE_PERCENT).astype(np.int64)
    return percent
