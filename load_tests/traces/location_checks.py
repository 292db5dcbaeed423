"""Warnings about a trace whose parts do not lie in one place, as with latitude and longitude swapped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from geo.travel import great_circle_m

# Southern, western, northern, eastern end in degrees.
Box = tuple[float, float, float, float]

FARTHEST_M = 1_000_000.0
SWAPPED = "; latitude and longitude of the requests seem to be swapped"


def location_warnings(requests: Box | None, shifts: pa.Table, zones: Box | None = None) -> Iterator[str]:
    """Yield a sentence for each thing that lies far from the requests: their zones, or the couriers at work."""
    if requests is None:
        return
    swapped = (requests[1], requests[0], requests[3], requests[2])
    if zones is not None and not _overlap(requests, zones):
        yield (
            f"no request lies in the zones: requests are in {_shown(requests)}, zones in {_shown(zones)}"
            f"{SWAPPED if _overlap(swapped, zones) else ''}"
        )
    if shifts.num_rows:
        latitude = float(np.median(shifts["latitude"].to_numpy()))
        longitude = float(np.median(shifts["longitude"].to_numpy()))
        metres = _distance_m(requests, latitude, longitude)
        if metres > FARTHEST_M:
            near = _distance_m(swapped, latitude, longitude) <= FARTHEST_M
            yield (
                f"couriers begin {metres / 1000:,.0f} km from the requests, around {latitude:.3f}, {longitude:.3f}"
                f"{SWAPPED if near else ''}"
            )


def _overlap(one: Box, other: Box) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _distance_m(box: Box, latitude: float, longitude: float) -> float:
    """Return the great-circle distance from the nearest point of a box, without the way across the antimeridian."""
    south, west, north, east = box
    nearest = np.clip(latitude, south, north), np.clip(longitude, west, east)
    return float(great_circle_m(*(np.array([value]) for value in (*nearest, latitude, longitude)))[0])


def _shown(box: Box) -> str:
    return "{:.3f}, {:.3f} to {:.3f}, {:.3f}".format(*box)
