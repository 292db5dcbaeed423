"""H3 cells: how a position is coarsened before others than its owner see it."""

from __future__ import annotations

import h3

# About 5 square kilometres a cell: a neighbourhood, not an address.
AREA_RESOLUTION = 7


def area_cell(latitude: float, longitude: float) -> str:
    """The H3 cell, as text, that stands for a destination's area."""
    return str(h3.latlng_to_cell(latitude, longitude, AREA_RESOLUTION))
