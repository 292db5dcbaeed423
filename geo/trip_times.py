"""What completed trips took against the straight line: by pair of H3 cells, by pair of coarse cells, by hour."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

import h3.api.basic_int as h3
import numpy as np

from geo.ratios import middle_ratio
from geo.units import Floats, Ints, position_keys

HOURS = 24
# Coarse cells hold 49 fine ones.
COARSER = 2
UNKNOWN = -1
# Lower edges of the bins of ratios, in thousandths: eight bins for each doubling, from 1/16 to 16. Whole numbers, so
# that the sums of a bin's trips lie in that bin again.
EDGES = tuple(round(1000 * 2 ** (step / 8)) for step in range(-32, 33))


def bin_of(observed_ms: int, straight_ms: int) -> int:
    """Return the bin of a trip, or of the sums of several trips of one bin."""
    return bisect_right(EDGES, 1000 * observed_ms // max(straight_ms, 1))


@dataclass(slots=True)
class Sums:
    """By key: trips, milliseconds that they took, and that the straight line says. Columns grow by doubling.

    Whole numbers, so that the sums are the same in whatever order the trips come.
    """

    row_of: dict[int, int] = field(default_factory=dict)
    columns: Ints = field(default_factory=lambda: np.zeros((16, 3), np.int64))
    _keys: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    _rows: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, key: int, trips: int, observed_ms: int, straight_ms: int) -> None:
        """Count trips that took ``observed_ms`` in sum."""
        self.columns[self._row(key)] += (trips, observed_ms, straight_ms)

    def _row(self, key: int) -> int:
        row = self.row_of.setdefault(key, len(self.row_of))
        if row == len(self.columns):
            self.columns = np.concatenate([self.columns, np.zeros_like(self.columns)])
        return row

    def kept(self, key: int) -> Iterator[tuple[int, int, int]]:
        """Yield the sums to restore this key from: trips, milliseconds taken, by the straight line."""
        trips, observed_ms, straight_ms = self.columns[self.row_of[key]].tolist()
        yield trips, observed_ms, straight_ms

    def at(self, keys: Ints) -> Ints:
        """Return the columns of each key, zeros where there are none; shape (n, columns)."""
        if self._keys.size != len(self.row_of):
            known = np.fromiter(self.row_of, np.int64, len(self.row_of))
            self._rows = np.argsort(known)
            self._keys = known[self._rows]
        if not self._keys.size:
            return np.zeros((keys.size, self.columns.shape[1]), self.columns.dtype)
        place = np.minimum(np.searchsorted(self._keys, keys), self._keys.size - 1)
        found = self._keys[place] == keys
        return np.where(found[:, None], self.columns[self._rows[place]], 0)


@dataclass(slots=True)
class Middles(Sums):
    """By key: trips, and the ratio of the middle half of them to the straight line (``geo.ratios``).

    ``bins``: by row, the sums of trips by bin of their ratio, from which the ratio follows in whatever order the trips
    come. ``columns``: shape (rows, 2), float64: trips, ratio.
    """

    columns: Floats = field(default_factory=lambda: np.zeros((16, 2)))  # type: ignore[assignment]
    bins: list[dict[int, list[int]]] = field(default_factory=list)

    def add(self, key: int, trips: int, observed_ms: int, straight_ms: int) -> None:
        """Count trips whose ratios lie in one bin."""
        row = self._row(key)
        if row == len(self.bins):
            self.bins.append({})
        sums = self.bins[row].setdefault(bin_of(observed_ms, straight_ms), [0, 0, 0])
        for place, more in enumerate((trips, observed_ms, straight_ms)):
            sums[place] += more
        known = np.array([self.bins[row][place] for place in sorted(self.bins[row])], np.float64)
        ratio = middle_ratio(known[:, 1], np.maximum(known[:, 2], 1.0), known[:, 0])
        self.columns[row] = known[:, 0].sum(), ratio

    def kept(self, key: int) -> Iterator[tuple[int, int, int]]:
        bins = self.bins[self.row_of[key]]
        for place in sorted(bins):
            trips, observed_ms, straight_ms = bins[place]
            yield trips, observed_ms, straight_ms


class TripTimes:
    """``sums``: the kind of sums that a travel model reads: Middles, or Sums for policies of earlier versions."""

    def __init__(self, resolution: int, sums: type[Sums] = Middles) -> None:
        self.resolution = resolution
        self.sums = sums
        self.cells: dict[int, int] = {}
        self.pairs, self.coarse, self.hours, self.all = sums(), sums(), sums(), sums()

    def add(self, start: int, end: int, hour: int, trips: int, observed_ms: int, straight_ms: int) -> None:
        """Count trips. ``start`` and ``end``: H3 cells of the resolution; ``hour`` 0 to 23, UTC."""
        self.add_pair(start, end, trips, observed_ms, straight_ms)
        self.hours.add(hour, trips, observed_ms, straight_ms)

    def add_pair(self, start: int, end: int, trips: int, observed_ms: int, straight_ms: int) -> None:
        """All but the hour."""
        parent = self.resolution - COARSER
        for sums, key in (
            (self.pairs, _pair(self._number(start), self._number(end))),
            (
                self.coarse,
                _pair(self._number(h3.cell_to_parent(start, parent)), self._number(h3.cell_to_parent(end, parent))),
            ),
            (self.all, 0),
        ):
            sums.add(key, trips, observed_ms, straight_ms)

    def known_pairs(self) -> list[tuple[int, int, int, int, int]]:
        """(start cell, end cell, trips, milliseconds taken, by the straight line), oldest pair first."""
        cell_of = list(self.cells)
        return [
            (cell_of[key >> 32], cell_of[key & 0xFFFFFFFF], *sums)
            for key in self.pairs.row_of
            for sums in self.pairs.kept(key)
        ]

    def known_hours(self) -> list[tuple[int, int, int, int]]:
        """(hour, trips, milliseconds taken, by the straight line)."""
        return [(hour, *sums) for hour in self.hours.row_of for sums in self.hours.kept(hour)]

    def cell_at(self, latitude: float, longitude: float) -> int:
        return int(h3.latlng_to_cell(latitude, longitude, self.resolution))

    def numbers_at(self, latitude: Floats, longitude: Floats) -> tuple[Ints, Ints]:
        """Numbers of the fine and the coarse cells of points, any shape; UNKNOWN where no trip has been."""
        keys = position_keys(latitude, longitude)
        _, first, place = np.unique(keys.ravel(), return_index=True, return_inverse=True)
        points = zip(latitude.ravel()[first].tolist(), longitude.ravel()[first].tolist(), strict=True)
        cells = [h3.latlng_to_cell(lat, lng, self.resolution) for lat, lng in points]
        parent, known = self.resolution - COARSER, self.cells
        fine = np.array([known.get(cell, UNKNOWN) for cell in cells], np.int64)
        coarse = np.array([known.get(h3.cell_to_parent(cell, parent), UNKNOWN) for cell in cells], np.int64)
        return fine[place].reshape(keys.shape), coarse[place].reshape(keys.shape)

    def _number(self, cell: int) -> int:
        return self.cells.setdefault(cell, len(self.cells))


def _pair(start: int, end: int) -> int:
    return (start << 32) + end


def pair_keys(start: Ints, end: Ints) -> Ints:
    """Return keys of pairs, shapes broadcast and flat; UNKNOWN where one of the cells is."""
    keys = np.where((start == UNKNOWN) | (end == UNKNOWN), UNKNOWN, (start << 32) + end)
    return np.asarray(keys).ravel()
