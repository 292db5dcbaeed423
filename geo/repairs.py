"""Invalid polygons made valid, where that does not change what was drawn.

Published zones touch themselves within centimetres, repeat points and hold rings of two points. Such a polygon is
repaired where its area changes by less than LARGEST_CHANGE, by both ways of reading it: even-odd (every crossing swaps
inside and outside) and by structure (outer rings together, without the holes). Where these differ, as for one outer
ring inside another, nobody can say what was meant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

Geometries = npt.NDArray[Any]

# Share of the area that a repair may change.
LARGEST_CHANGE = 1e-4
# In all repairs of a document: points of the polygons, and pairs of segments whose boxes meet (each meets itself and
# its two neighbours). These bound the time that repairs take.
MOST_POINTS, MOST_MEETINGS = 50_000, 500_000
CHUNK = 64


class Repairs:
    """Repairs of one document's polygons, with one budget for all of them."""

    def __init__(self) -> None:
        self._points, self._meetings = MOST_POINTS, MOST_MEETINGS

    def repaired(self, polygon: Any) -> tuple[Any, str]:
        """Return the valid polygon and how it was repaired, or None and why it cannot be."""
        reason = _reason(polygon)
        if not self._affordable(polygon):
            return None, f"invalid: {reason} (the document is too large or too tangled to repair it)"
        area = float(shapely.area(polygon))
        structure = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
        even_odd = shapely.make_valid(polygon)
        if shapely.is_empty(structure) or structure.geom_type not in ("Polygon", "MultiPolygon"):
            return None, "has no area"
        change = max(abs(float(shapely.area(made)) - area) for made in (structure, even_odd))
        if not change < LARGEST_CHANGE * area or not shapely.is_valid(structure):
            share = f"{100 * change / area:.2g} %" if area > 0 else "more than 100 %"
            return None, f"invalid: {reason} (a repair changes its area by {share}){_hint(reason)}"
        return structure, f"repaired: {reason} (its area changes by {100 * change / area:.1g} %)"

    def _affordable(self, polygon: Any) -> bool:
        """Take the cost of a repair from the budget; False where it does not suffice."""
        self._points -= int(shapely.get_num_coordinates(polygon))
        if self._points < 0:
            return False
        segments = _segments(polygon)
        tree = shapely.STRtree(segments)
        for start in range(0, len(segments), CHUNK):
            self._meetings -= tree.query(segments[start : start + CHUNK]).shape[1]
            if self._meetings < 0:
                return False
        return True


def _segments(polygon: Any) -> Geometries:
    lines = shapely.get_rings(polygon)
    points, ring = shapely.get_coordinates(lines, return_index=True)
    same = ring[1:] == ring[:-1]
    found: Geometries = shapely.linestrings(np.stack([points[:-1][same], points[1:][same]], axis=1))
    return found


def _hint(reason: str) -> str:
    """Return what to do about a fault that leaves open what was meant."""
    if reason.startswith("Nested shells"):
        return ": an outer ring lies inside another; make it a hole of that polygon, or leave it out"
    return ""


def _reason(polygon: Any) -> str:
    """Return what is wrong with a polygon, and where to four decimals."""
    kind, _, place = str(shapely.is_valid_reason(polygon)).partition("[")
    try:
        lng, lat = map(float, place.rstrip("]").split())
    except ValueError:
        return kind
    return f"{kind} near {lng:.4f},{lat:.4f}"
