"""What no trip can be: distances and speeds beyond any car's, and rows that cancel others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dispatcher.times import SECOND
from geo.travel import great_circle_m
from geo.units import Floats, Ints
from load_tests.traces.columns import nullable
from load_tests.traces.schema import Tally

FASTEST_MPS = 50.0
LONGEST_M = 1_000_000.0

Bools = npt.NDArray[np.bool_]


def impossible(metres: Floats, places: Floats, taken_us: Ints) -> Bools:
    """Return which trips are faster than FASTEST_MPS, so that their times must be wrong: by the great circle between
    their places, and by the recorded distance where there is one. ``metres`` (n,), NaN or 0 where unknown; ``places``
    (n, 4): pickup latitude and longitude, drop-off latitude and longitude."""
    known = np.asarray((np.abs(places) <= np.array([90.0, 180.0, 90.0, 180.0])).all(axis=1))
    at = np.where(known[:, None], places, 0.0)
    straight = great_circle_m(at[:, 0], at[:, 1], at[:, 2], at[:, 3])
    far = FASTEST_MPS * taken_us / SECOND
    found: Bools = known & (straight > far) & ~((metres > 0) & (metres <= far))
    return found


def distances(metres: Floats, taken_us: Ints, tally: Tally) -> pa.Array:
    """Return recorded distances, null and noted where they are 0, negative, too long or too far for their time."""
    none = metres <= 0
    wrong = (metres > LONGEST_M) | (metres > FASTEST_MPS * taken_us / SECOND)
    tally.note("recorded_distance_m: 0 or negative, left out", int(none.sum()))
    tally.note(
        f"recorded_distance_m: beyond {LONGEST_M / 1000:,.0f} km, or {FASTEST_MPS:g} m/s, left out", int(wrong.sum())
    )
    return nullable(np.where(none | wrong, np.nan, metres))
