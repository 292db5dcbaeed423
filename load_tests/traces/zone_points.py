"""Points, drawn from a seed, that stand for somewhere in a zone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geo.units import Floats, Ints

METRES_A_DEGREE = 111_195.0
NOWHERE = -1
LARGEST_ZONE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ZonePoints:
    """``ids``: zone numbers, ascending; ``points``: shape (zones, points, 2), latitude and longitude inside each;
    ``repairs``: a sentence for each outline that was invalid and is repaired."""

    ids: Ints
    points: Floats
    repairs: tuple[str, ...] = ()

    def box(self) -> tuple[float, float, float, float]:
        """Southern, western, northern and eastern end of all points, degrees."""
        flat = self.points.reshape(-1, 2)
        return (*flat.min(axis=0).tolist(), *flat.max(axis=0).tolist())

    def rows(self, zones: Ints) -> Ints:
        """Row of each zone, NOWHERE for those that are not known."""
        place = np.minimum(np.searchsorted(self.ids, zones), max(self.ids.size - 1, 0))
        known = self.ids[place] == zones if self.ids.size else np.zeros(zones.size, bool)
        rows: Ints = np.where(known, place, NOWHERE)
        return rows

    def somewhere(self, rows: Ints, rng: np.random.Generator) -> Floats:
        """A point in each zone, shape (n, 2); the rows must be known."""
        found: Floats = self.points[rows, rng.integers(self.points.shape[1], size=rows.size)]
        return found
