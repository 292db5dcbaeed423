"""Longitudes around the antimeridian: rings that cross it become continuous; rings without a clear inside are found.

RFC 7946, section 3.1.9, asks for polygons that are cut at the antimeridian. Many documents have rings that jump from
one side to the other instead. +180 and -180 degrees are one meridian.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from geo.units import Floats, Ints

# A ring may be this wide, in degrees; of a wider one nobody can say which side is inside.
WIDEST = 180.0
# A ring that jumps across the antimeridian is read the short way where its steps there are no longer than this, and
# the ring is not taller than TALLEST. One that runs clockwise that way, against RFC 7946, must be small.
LONGEST_STEP, TALLEST, CLOCKWISE_SIZE = 90.0, 90.0, 30.0

QUESTION = (
    "a ring spans {low:g} to {high:g} degrees of longitude, more than 180: which side of it is inside? Draw the zone as"
    " a MultiPolygon of parts at most 180 degrees wide, cut at the antimeridian"
)

# A strip of a tenth of a millimetre, narrower than the grid of positions: it holds the meridian alone.
STRIP = 1e-9


def unwrap(x: Floats, y: Floats, first: Ints, shell: npt.NDArray[np.bool_]) -> tuple[dict[int, str], Ints]:
    """Make rings that cross the antimeridian continuous, in place.

    ``x``, ``y`` (points,): longitude and latitude, degrees. ``first`` (rings + 1,): where each ring begins. ``shell``
    (rings,): whether a ring is an outer one; its holes follow it. Returns the question to ask about each ring of which
    the inside is not clear, and the rings that cross.
    """
    questions: dict[int, str] = {}
    crossing: list[int] = []
    for ring in _wide_rings(x, first).tolist():
        span = slice(int(first[ring]), int(first[ring + 1]))
        drawn = x[span]
        made = _continuous(drawn, y[span])
        if made is None:
            questions[ring] = QUESTION.format(low=drawn.min(), high=drawn.max())
        elif made is not drawn:
            crossing.append(ring)
            x[span] = made
    if crossing:
        _align_holes(x, first, shell)
    return questions, np.array(crossing, np.int64)


def _wide_rings(x: Floats, first: Ints) -> Ints:
    """Return the rings that are wider than half a turn as they are drawn."""
    if not x.size or x.max() - x.min() <= WIDEST:
        return np.zeros(0, np.int64)
    starts = first[:-1]
    width = np.maximum.reduceat(x, starts) - np.minimum.reduceat(x, starts)
    return np.flatnonzero(width > WIDEST)


def _continuous(x: Floats, y: Floats) -> Floats | None:
    """Return the longitudes of a ring such that no step is longer than half a turn; ``x`` itself for a ring around the
    whole globe; None where it is not clear which side is inside."""
    step = np.roll(x, -1) - x
    far = np.abs(step) > WIDEST
    turn = np.where(far, -360.0 * np.round(step / 360.0), 0.0)
    short = step + turn
    jumps = far & (short != 0.0)
    # From -180 to 180 degrees there is no other side.
    whole = bool(x.min() == -180.0 and x.max() == 180.0 and not jumps.any())
    around = turn.sum() != 0.0
    made: Floats = x + np.concatenate([[0.0], np.cumsum(turn[:-1])])
    width = float(np.ptp(made))
    if around or width > WIDEST or width == 0.0:
        return x if whole else None
    height = float(np.ptp(y))
    if np.abs(short[jumps]).max(initial=0.0) > LONGEST_STEP or height > TALLEST:
        return None
    clockwise = _signed_area(made, y) < 0
    return None if clockwise and max(width, height) > CLOCKWISE_SIZE else made


def _signed_area(x: Floats, y: Floats) -> float:
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def _align_holes(x: Floats, first: Ints, shell: npt.NDArray[np.bool_]) -> None:
    """Move each hole by whole turns to where its outer ring lies."""
    starts = first[:-1]
    low, high = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
    middle = (low + high) / 2
    outer = np.maximum.accumulate(np.where(shell, np.arange(shell.size), 0))
    turns = np.round((middle[outer] - middle) / 360.0) * 360.0
    x += np.repeat(turns, np.diff(first))


def crosses_as_before(x: Floats, first: Ints) -> bool:
    """Whether a ring jumps across the antimeridian to another meridian: newer documents are cut there."""
    step = np.abs(_following(x, first) - x)
    return bool(((step > WIDEST) & (step != 360.0)).any())


def _following(x: Floats, first: Ints) -> Floats:
    """Return the longitude that follows each in its ring."""
    following = np.arange(1, x.size + 1)
    following[first[1:] - 1] = first[:-1]
    found: Floats = x[following]
    return found


def unwrap_as_before(x: Floats, first: Ints, feature: Ints, features: int) -> None:
    """Make rings continuous as documents in older logs were read, in place: where one step of a feature crosses the
    antimeridian, all its western longitudes go a turn further. ``feature`` (points,): the feature of each point."""
    jumps = np.abs(_following(x, first) - x) > 180
    crossing = np.zeros(features, bool)
    crossing[feature[jumps]] = True
    x[crossing[feature] & (x < 0)] += 360.0


def with_both_meridians(polygons: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the polygons such that one with an edge at +180 degrees also holds that edge at -180, and the reverse:
    they are one meridian. The polygons are prepared."""
    bounds = shapely.bounds(polygons)
    edges = (bounds[:, 2] == 180.0) | (bounds[:, 0] == -180.0) if polygons.size else np.zeros(0, bool)
    if edges.any():
        polygons = polygons.copy()
        polygons[edges] = [_with_both_meridians(polygon) for polygon in polygons[edges]]
        shapely.prepare(polygons[edges])
    return polygons


def _with_both_meridians(polygon: Any) -> Any:
    strips = []
    for side in (-180.0, 180.0):
        edge = shapely.intersection(polygon, shapely.linestrings([[side, -90.0], [side, 90.0]]))
        for line in shapely.get_parts(edge):
            _, south, _, north = shapely.bounds(line).tolist()
            if north > south:
                west, east = (-180.0, -180.0 + STRIP) if side > 0 else (180.0 - STRIP, 180.0)
                strips.append(shapely.box(west, south, east, north))
    return shapely.union_all([polygon, *strips])
