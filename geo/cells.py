"""H3 cells: how a position is coarsened before others than its owner see it, and the grid that surge works on."""

from __future__ import annotations

from collections.abc import Iterable

import h3
import h3.api.basic_int as h3_int
import numpy as np

from geo.units import Floats, Ints

# About 5 square kilometres a cell: a neighbourhood, not an address.
AREA_RESOLUTION = 7
NEIGHBOURS = 6


def area_cell(latitude: float, longitude: float) -> str:
    """The H3 cell, as text, that stands for a destination's area."""
    return str(h3.latlng_to_cell(latitude, longitude, AREA_RESOLUTION))


def cell_at(latitude: float, longitude: float, resolution: int) -> int:
    """The H3 cell of a point in degrees, as a number."""
    return int(h3_int.latlng_to_cell(latitude, longitude, resolution))


def cells_at(latitudes: Floats, longitudes: Floats, resolution: int) -> Ints:
    """Shape (n,), int64: the H3 cell of each point."""
    cell = h3_int.latlng_to_cell
    pairs = zip(latitudes.tolist(), longitudes.tolist(), strict=True)
    return np.fromiter((cell(lat, lng, resolution) for lat, lng in pairs), np.int64, latitudes.size)


def centre_of(cell: int) -> tuple[float, float]:
    """Latitude and longitude of an H3 cell's centre, degrees."""
    latitude, longitude = h3_int.cell_to_latlng(cell)
    return float(latitude), float(longitude)


def cell_name(cell: int) -> str:
    """An H3 cell as H3 writes it, hexadecimal."""
    return str(h3_int.int_to_str(cell))


def cell_number(name: str) -> int:
    """The reverse of ``cell_name``."""
    return int(h3_int.str_to_int(name))


def outline_of(name: str) -> list[tuple[float, float]]:
    """Longitude and latitude of the corners of an H3 cell, as GeoJSON orders them, to a metre."""
    return [(round(lng, 5), round(lat, 5)) for lat, lng in h3.cell_to_boundary(name)]


class StandingCells:
    """The H3 cells of numbered points that mostly stand still: looked up anew only for those that have moved. Holds
    nothing that does not follow from the points themselves."""

    def __init__(self) -> None:
        self._resolution = -1
        self._latitude: Floats = np.zeros(0)
        self._longitude: Floats = np.zeros(0)
        self._cells: Ints = np.zeros(0, np.int64)

    def of(self, numbers: Ints, latitudes: Floats, longitudes: Floats, resolution: int) -> Ints:
        """Shape (n,), int64: the cell of each point; ``numbers`` distinct, not below 0."""
        if resolution != self._resolution:
            self._resolution, self._cells = resolution, np.zeros(0, np.int64)
        most = int(numbers.max(initial=-1)) + 1
        if most > self._cells.size:
            more = max(most, 2 * self._cells.size) - self._cells.size
            self._cells = np.concatenate([self._cells, np.zeros(more, np.int64)])
            self._latitude = np.concatenate([self._latitude[: self._cells.size - more], np.full(more, np.nan)])
            self._longitude = np.concatenate([self._longitude[: self._cells.size - more], np.full(more, np.nan)])
        moved = (self._latitude[numbers] != latitudes) | (self._longitude[numbers] != longitudes)
        who = numbers[moved]
        self._cells[who] = cells_at(latitudes[moved], longitudes[moved], resolution)
        self._latitude[who], self._longitude[who] = latitudes[moved], longitudes[moved]
        found: Ints = self._cells[numbers]
        return found


class CellGrid:
    """Neighbours of H3 cells, each looked up once. Holds nothing that does not follow from the cells themselves."""

    def __init__(self) -> None:
        self._cells: Ints = np.zeros(0, np.int64)
        self._neighbours: Ints = np.zeros((0, NEIGHBOURS), np.int64)
        # The last answer of ``places``, and for which cells.
        self._placed: Ints = np.zeros(0, np.int64)
        self._places: Ints = np.zeros((0, NEIGHBOURS), np.int64)

    def neighbours(self, cells: Ints) -> Ints:
        """Shape (n, 6), int64, of ascending distinct ``cells``: their neighbours; 0 where a pentagon has but five."""
        places = np.searchsorted(self._cells, cells)
        known = np.zeros(cells.size, bool)
        inside = places < self._cells.size
        known[inside] = self._cells[places[inside]] == cells[inside]
        if not known.all():
            self._learn(cells[~known])
            places = np.searchsorted(self._cells, cells)
        return self._neighbours[places]

    def places(self, cells: Ints) -> Ints:
        """Shape (n, 6), int64, of ascending distinct ``cells``: the row in ``cells`` of each one's neighbours, n where
        one is not among them. The same cells, asked again, cost a comparison."""
        if not np.array_equal(cells, self._placed):
            neighbours = self.neighbours(cells)
            rows = np.searchsorted(cells, neighbours)
            found = np.append(cells, -1)[rows] == neighbours
            self._placed, self._places = cells, np.where(found, rows, cells.size)
        return self._places

    def _learn(self, cells: Ints) -> None:
        rows = np.array([_ring(cell) for cell in cells.tolist()], np.int64)
        together = np.concatenate([self._cells, cells])
        order = np.argsort(together)
        self._cells = together[order]
        self._neighbours = np.concatenate([self._neighbours, rows])[order]


def _ring(cell: int) -> list[int]:
    around: Iterable[int] = h3_int.grid_ring(cell, 1)
    ring = sorted(around)
    return ring + [0] * (NEIGHBOURS - len(ring))
