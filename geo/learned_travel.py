"""Travel times learned from completed trips, cell to cell, shrunk to the straight line where trips are few."""

from __future__ import annotations

from dataclasses import dataclass, field

import h3.api.basic_int as h3
import numpy as np

from geo.travel import StraightLine, one_leg
from geo.units import Floats, Ints, position_keys

HOURS = 24
# Coarse cells hold 49 fine ones.
COARSER = 2
UNKNOWN = -1


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
        row = self.row_of.setdefault(key, len(self.row_of))
        if row == len(self.columns):
            self.columns = np.concatenate([self.columns, np.zeros_like(self.columns)])
        self.columns[row] += (trips, observed_ms, straight_ms)

    def at(self, keys: Ints) -> Ints:
        """Shape (n, 3): the sums of each key, zeros where there are none."""
        if self._keys.size != len(self.row_of):
            known = np.fromiter(self.row_of, np.int64, len(self.row_of))
            self._rows = np.argsort(known)
            self._keys = known[self._rows]
        if not self._keys.size:
            return np.zeros((keys.size, 3), np.int64)
        place = np.minimum(np.searchsorted(self._keys, keys), self._keys.size - 1)
        found = self._keys[place] == keys
        return np.where(found[:, None], self.columns[self._rows[place]], 0)


class TripTimes:
    """What completed trips took, against the straight line: by pair of H3 cells, by pair of coarse cells, by hour."""

    def __init__(self, resolution: int) -> None:
        self.resolution = resolution
        self.cells: dict[int, int] = {}
        self.pairs, self.coarse, self.hours, self.all = Sums(), Sums(), Sums(), Sums()

    def add(self, start: int, end: int, hour: int, trips: int, observed_ms: int, straight_ms: int) -> None:
        """``start`` and ``end``: H3 cells of the resolution; ``hour`` 0 to 23, UTC."""
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
            (cell_of[key >> 32], cell_of[key & 0xFFFFFFFF], *self.pairs.columns[row].tolist())
            for key, row in self.pairs.row_of.items()
        ]

    def known_hours(self) -> list[tuple[int, int, int, int]]:
        """(hour, trips, milliseconds taken, by the straight line)."""
        return [(hour, *self.hours.columns[row].tolist()) for hour, row in self.hours.row_of.items()]

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


@dataclass(frozen=True, slots=True)
class LearnedTravel:
    """The straight line, times what trips like this one took against it.

    The ratio of a pair of cells is (seconds taken + w t r) / (straight seconds + w t), with w ``prior_trips``, t the
    straight line's seconds for the leg in question, and r the same ratio of the pair of coarse cells, which shrinks in
    turn to that of all trips, and that to 1: the ratio estimator with a prior of w trips (Gelman et al., Bayesian Data
    Analysis, 2013, on partial pooling). The hour of departure has a factor of its own, shrunk to 1 likewise.
    """

    straight: StraightLine
    trips: TripTimes
    prior_trips: float
    half_pickup_service_s: float = 0.0
    half_dropoff_service_s: float = 0.0

    def legs(
        self, from_lat: Floats, from_lng: Floats, to_lat: Floats, to_lng: Floats, at_s: float
    ) -> tuple[Floats, Floats]:
        metres, seconds = self.straight.legs(from_lat, from_lng, to_lat, to_lng, at_s)
        start, start_coarse = self.trips.numbers_at(np.asarray(from_lat), np.asarray(from_lng))
        end, end_coarse = self.trips.numbers_at(np.asarray(to_lat), np.asarray(to_lng))
        flat = seconds.ravel()
        general = self._all()
        ratio = self._shrunk(self.trips.coarse, _keys(start_coarse, end_coarse), flat, np.full(flat.size, general))
        ratio = self._shrunk(self.trips.pairs, _keys(start, end), flat, ratio)
        return metres, (flat * ratio).reshape(seconds.shape) * self._hour(at_s)

    def leg(self, from_lat: float, from_lng: float, to_lat: float, to_lng: float, at_s: float) -> tuple[float, float]:
        return one_leg(self, from_lat, from_lng, to_lat, to_lng, at_s)

    def embed(self, lat: Floats, lng: Floats) -> Floats:
        return self.straight.embed(lat, lng)

    def radius(self, seconds: float, at_s: float) -> float:
        """By the pair of cells that was fastest against the straight line."""
        fastest = min(1.0, self._all())
        for sums in (self.trips.coarse, self.trips.pairs):
            known = sums.columns[: len(sums.row_of)]
            fastest = min(fastest, float((known[:, 1] / np.maximum(known[:, 2], 1e-9)).min(initial=1.0)))
        return self.straight.radius(seconds / max(fastest * self._hour(at_s), 1e-3), at_s)

    def _shrunk(self, sums: Sums, keys: Ints, seconds: Floats, towards: Floats) -> Floats:
        known = sums.at(keys)
        weight = self.prior_trips * np.maximum(seconds, 1.0) * 1000
        ratio: Floats = (known[:, 1] + weight * towards) / (known[:, 2] + weight)
        return ratio

    def _all(self) -> float:
        return self._of_kind(self.trips.all, 0, 1.0)

    def _hour(self, at_s: float) -> float:
        """How much slower this hour is than the day."""
        row = self.trips.all.row_of.get(0)
        if row is None:
            return 1.0
        _, observed, straight = self.trips.all.columns[row].tolist()
        general: float = max(observed, 1) / max(straight, 1)
        return self._of_kind(self.trips.hours, int(at_s // 3600) % HOURS, general) / general

    def _of_kind(self, sums: Sums, key: int, towards: float) -> float:
        row = sums.row_of.get(key)
        if row is None:
            return towards
        trips, observed, straight = sums.columns[row].tolist()
        weight = self.prior_trips * max(straight, 1) / trips
        return float((observed + weight * towards) / (straight + weight))


def _keys(start: Ints, end: Ints) -> Ints:
    """Keys of pairs, shapes broadcast and flat; UNKNOWN where one of the cells is."""
    keys = np.where((start == UNKNOWN) | (end == UNKNOWN), UNKNOWN, (start << 32) + end)
    return np.asarray(keys).ravel()
