"""Which trips a travel model may learn from, and within which bounds its estimates stay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from geo.units import Floats

# Speeds in m/s that a trip in and around a city can have: a slow walk with a stop, and a motorway without a limit.
SLOWEST_MPS, FASTEST_MPS = 0.3, 50.0
# Trips shorter than this, in metres, say little about ways: stops and errors of positions weigh more.
SHORTEST_M = 200.0
# No trip that a city's market takes is longer than this, in metres.
LONGEST_M = 300_000.0

Bools = npt.NDArray[np.bool_]


class TripUse(Enum):
    """What becomes of a trip."""

    LEARNED = 1
    # Its ends are so close together that its duration says little about the way.
    TOO_SHORT = 2
    # Nobody can have made it in that time.
    TOO_FAST = 3
    # It took so long that something else than the way must have taken time.
    TOO_SLOW = 4


@dataclass(frozen=True, slots=True)
class TripBounds:
    """``least_ratio``, ``most_ratio``: bounds of the time taken over the straight line's time. ``shortest_m``: least
    distance between the ends of a trip, in metres along the great circle.
    """

    least_ratio: float = 0.25
    most_ratio: float = 4.0
    shortest_m: float = SHORTEST_M

    def use_of(self, apart_m: float, taken_s: float, straight_s: float) -> TripUse:
        """Return how a trip is used. ``straight_s``: its duration by the straight line."""
        if apart_m < self.shortest_m:
            return TripUse.TOO_SHORT
        if taken_s < self.least_ratio * straight_s:
            return TripUse.TOO_FAST
        return TripUse.TOO_SLOW if taken_s > self.most_ratio * straight_s else TripUse.LEARNED


DEFAULT_BOUNDS = TripBounds()


def faults(metres: Floats, taken_s: Floats) -> dict[str, Bools]:
    """Return, shape (n,), which trips cannot have been made as they were recorded, or say little about ways, by why."""
    with np.errstate(invalid="ignore"):
        return {
            f"shorter than {SHORTEST_M:g} m": metres < SHORTEST_M,
            f"longer than {LONGEST_M / 1000:g} km": metres > LONGEST_M,
            f"faster than {FASTEST_MPS:g} m/s": metres > FASTEST_MPS * taken_s,
            f"slower than {SLOWEST_MPS:g} m/s": metres < SLOWEST_MPS * taken_s,
        }


def plausible(metres: Floats, taken_s: Floats) -> Bools:
    """Return, shape (n,), which trips have none of the ``faults``; False where either value is not a number."""
    found: Bools = ~np.isnan(metres) & ~np.isnan(taken_s)
    for fault in faults(metres, taken_s).values():
        found &= ~fault
    return found
